"""Files that are written whole or not at all, and are readable for their owner only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

_UNFINISHED: Final = ".unfinished"  # suffix of files that are being written


@contextlib.contextmanager
def atomic_write(target: Path, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Give the path of an empty file that replaces ``target`` if the block ends without an error, else is removed.

    Args:
        target: the file to write.
        check: called just before the replacement; it may raise.

    Raises:
        OSError: the file cannot be written.
    """
    remove_unfinished(target.parent)
    descriptor, name = tempfile.mkstemp(_UNFINISHED, f".{target.name[:100]}.", target.parent)  # with mode 0600
    path = Path(name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # for as long as this process lives
        yield path
        sync(path)
        check()
        path.replace(target)
        sync(target.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)  # last: it drops the locks that SQLite may have on the file


def remove_unfinished(directory: Path) -> None:
    """Remove the unfinished files of processes that were killed."""
    for path in directory.glob(f".*{_UNFINISHED}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                path.with_name(f"{path.name}-journal").unlink(missing_ok=True)  # of an unfinished database
            finally:
                os.close(descriptor)


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file, which is made if it is missing: all of the line or nothing.

    Raises:
        OSError: the file cannot be written, or is a link, a pipe or the like.
    """
    # Without O_NONBLOCK the opening of a named pipe waits for a reader.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, found.st_size)  # half a line would spoil the next one, too
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file, or the list of files of a directory, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
