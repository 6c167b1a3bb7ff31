"""Copies the log into one file, while the server writes it or while it does not run."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.errors import StoreError
from chatcli.store.placing import placed, refuse
from chatcli.store.snapshot import snapshot

_PAGES: Final = 2048  # copied between two reports of progress: 8 MiB, as SQLite makes pages


class Copied(NamedTuple):
    """What is in the copy: so many messages, in so many bytes."""

    messages: int
    bytes: int


#: Told how much of the work is done, from 0 to 1.
Progress = Callable[[float], object]


def back_up(directory: Path, target: Path, *, force: bool = False, progress: Progress = lambda _: None) -> Copied:
    """Copy the log of a data directory as it is now; the copy has been checked, and is on disk.

    The server is not disturbed: a reader does not keep it from writing. What it writes meanwhile is not in the copy.

    Args:
        directory: the data directory.
        target: the file to write.
        force: replace it if it is there.
        progress: told of it now and then.

    Raises:
        InputError: there is such a file already, or it is one of a server's own.
        StoreError: the log cannot be read, or the copy not be written; there is none then.
    """
    refuse(target, directory, force=force)
    with snapshot(directory, any_schema=True) as source, placed(target, directory, force=force) as path:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
            # Should it not come to its end it is thrown away, and it is flushed once it has: no journal needed.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            try:
                source.backup(copy, pages=_PAGES, progress=lambda _, left, total: progress(1 - left / max(total, 1)))
            except sqlite3.Error as error:
                raise StoreError(f"Cannot copy the log to {target}: {error}. There is no copy.") from None
        return Copied(_checked(path), path.stat().st_size)


def _checked(path: Path) -> int:
    """Make sure that the copy is whole; return how many messages it holds."""
    # Nobody else has it: without the promise that it does not change, files would be made beside it.
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as copy:
            (finding,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if finding == "ok":
                return int(copy.execute("SELECT count(*) FROM messages").fetchone()[0])
    except sqlite3.Error as error:
        finding = str(error)
    raise StoreError(
        f"The log is damaged ({' '.join(finding.split())}), so no copy of it was kept: "
        'see "chatcli admin check"; "chatcli admin export" saves what can be read.'
    )
