"""Writes a file for its owner only, and puts it into its place once it is whole and on disk."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatcli.errors import InputError, StoreError
from chatcli.protocol.admin import SOCKET
from chatcli.store.files import DATABASE, sync

#: What a server has in its data directory, and with anything behind it what begins like the index of the search.
_OWN: Final = (
    *(DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "search.db", "lock"),
    *("server.key", "server.crt", "audit.log", SOCKET),
)
_INDEX: Final = "search.db*"
UNFINISHED: Final = ".unfinished"  # the end of the names of files that are being written


@contextlib.contextmanager
def placed(target: Path, directory: Path, *, force: bool = False) -> Iterator[Path]:
    """Give the path of an empty file that becomes ``target`` when the block ends well, and is gone when it does not.

    Args:
        target: where it is to be in the end.
        directory: the data directory, whose own files are not replaced.
        force: what is there may be replaced.

    Raises:
        InputError: something is there already, or it is a file of a server.
        StoreError: no file can be made there.
    """
    refuse(target, directory, force=force)
    remove_unfinished(target.parent)
    try:
        descriptor, name = tempfile.mkstemp(UNFINISHED, f".{target.name[:100]}.", target.parent)  # with mode 0600
    except OSError as error:
        raise StoreError(f"Cannot write to {target.parent}: {error.strerror}.") from None
    path = Path(name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as long as this process lives
        yield path
        sync(path)
        refuse(target, directory, force=force)
        path.replace(target)
        sync(target.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)  # last: that drops the locks that SQLite may have on the file


def remove_unfinished(directory: Path) -> None:
    """Remove what was left by processes that were killed while they wrote something there."""
    for path in directory.glob(f".*{UNFINISHED}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def refuse(target: Path, directory: Path, *, force: bool) -> None:
    """Refuse what must not be written to.

    Raises:
        InputError: it is there already, is no file, or is a file of a server with that data directory.
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
    """Return which file of a server it is, be it by a link; None if it is none, or cannot be written to at all."""
    places = _places(target)
    for own in (*(directory / name for name in _OWN), *directory.glob(_INDEX)):
        if places & _places(own):
            return own
        with contextlib.suppress(OSError):  # one of them is not there
            if target.samefile(own):
                return own
    return None


def _places(path: Path) -> set[Path]:
    """Return where a file lies, and where what it links to does."""
    try:
        return {path.parent.resolve() / path.name, path.resolve()}
    except (OSError, RuntimeError):  # a link to itself
        return set()
