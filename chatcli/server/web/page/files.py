"""The files of the web page: read from the package when the first browser asks for them, or before."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from chatcli.gateway.web.page.files import PageFiles
    from chatcli.server.slices import InThread


class LoadedPage:
    """The page's files, once they are read.

    Args:
        in_thread: runs a function in another thread.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._files: PageFiles | None = None

    def use(self, on_done: Callable[[PageFiles], None], on_failure: Callable[[Exception], None]) -> None:
        """Call a function with the files: at once, or when another thread has read them.

        Args:
            on_done: the function.
            on_failure: called with an exception if they cannot be read.
        """
        if self._files is not None:
            on_done(self._files)
            return

        def show(loaded: PageFiles) -> None:
            self._files = loaded
            on_done(loaded)

        self._in_thread(load, show, on_failure)


@functools.cache
def load() -> PageFiles:
    """Read the files; once for all servers of a process."""
    from importlib.resources import files  # noqa: PLC0415 (not needed for a start)

    from chatcli.gateway.web.page.files import TYPES, PageFiles  # noqa: PLC0415 (likewise)

    def found(folder: Traversable, above: str) -> Iterator[tuple[str, bytes]]:
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from found(entry, f"{above}{entry.name}/")
            elif entry.name.endswith((*TYPES,)):
                yield above + entry.name, entry.read_bytes()

    return PageFiles(dict(found(files("chatcli") / "web", "")))
