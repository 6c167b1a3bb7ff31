"""Files that operators have written: exports and backups, which must not replace a file of the server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from chatcli.errors import InputError, StoreError
from chatcli.protocol.admin import SOCKET
from chatcli.store.data_directory import DATABASE
from chatcli.store.files import atomic_write

#: The files in a data directory, apart from those of the search index.
_OWN: Final = (
    *(DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "search.db", "lock"),
    *("server.key", "server.crt", "audit.log", "serve.json", SOCKET),
)
_INDEX: Final = "search.db*"


@contextlib.contextmanager
def output_file(target: Path, directory: Path, *, force: bool = False) -> Iterator[Path]:
    """Give the path of an empty file that becomes ``target`` if the block ends without an error, else is removed.

    Args:
        target: the file to write.
        directory: the data directory, whose own files are not replaced.
        force: replace a file that exists.

    Raises:
        InputError: see :func:`check_target`.
        StoreError: the file cannot be written.
    """
    check = partial(check_target, target, directory, force=force)
    check()
    try:
        with atomic_write(target, check) as path:
            yield path
    except OSError as error:
        raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from None


def check_target(target: Path, directory: Path, *, force: bool) -> None:
    """Raise if a file must not be written to.

    Raises:
        InputError: it exists, is not a file, or belongs to a server with that data directory.
    """
    own = _own_file(target, directory)
    if own is not None:
        raise InputError(f"{target} is a file of the server itself ({own}): name another file.")
    if target.is_dir():
        raise InputError(f"{target} is a directory: name a file.")
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is a device: name a file.")
    if not force and os.path.lexists(target):
        raise InputError(f"There is a file {target} already: name another one, or replace it with --force.")


def _own_file(target: Path, directory: Path) -> Path | None:
    """Return which file of the server a target is, be it by a link; None if it is not one, or cannot be written."""
    places = _places(target)
    for own in (*(directory / name for name in _OWN), *directory.glob(_INDEX)):
        if places & _places(own):
            return own
        with contextlib.suppress(OSError):  # one of them does not exist
            if target.samefile(own):
                return own
    return None


def _places(path: Path) -> set[Path]:
    """Return the place of a file, and that of the file to which it links."""
    try:
        return {path.parent.resolve() / path.name, path.resolve()}
    except (OSError, RuntimeError):  # a link to itself
        return set()
