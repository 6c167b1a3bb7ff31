"""The data directory: locked for one process, private to one user; and the sentences for what fails there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from chatcli.errors import StoreError
from chatcli.protocol.values.text import printable_line, quoted

DATABASE: Final = "chatcli.db"  # in the data directory

_LOCK: Final = "lock"
_MAX_PATH: Final = 480  # bytes: SQLite accepts 511 for a file, the longest of its file names included
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Locked(StoreError):
    """Another process has the lock."""


def lock(directory: Path) -> IO[str]:
    """Lock a directory for this process, until the file that is returned is closed or the process ends.

    Missing directories are made, for their owner only.

    Raises:
        StoreError: another process has the lock, the directory belongs to another user, others may write to it, or its
            path is too long.
    """
    _check_length(directory)
    with explained(f"Cannot use the data directory {directory}"):
        for level in (*reversed(directory.parents), directory):
            if not level.is_dir():
                level.mkdir(mode=0o700, exist_ok=True)
        _check_own(directory)
        held = os.fdopen(_open_own(directory / _LOCK, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+")
    try:
        with explained(f"Cannot lock the data directory {directory}"):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except _Locked:
        held.seek(0)
        owner = printable_line(held.read(20).strip())
        held.close()
        raise StoreError(
            f"Another chatcli server (process {owner or 'unknown'}) uses the data directory {directory}: "
            "stop it first, or name another directory with --data."
        ) from None
    with explained(f"Cannot use the data directory {directory}"):
        os.ftruncate(held.fileno(), 0)
        os.write(held.fileno(), str(os.getpid()).encode())
    return held


def in_use(directory: Path) -> bool:
    """Return whether a process has the lock on a directory; nothing is created."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _check_length(directory: Path) -> None:
    # SQLite resolves links and relative paths before it counts: there is no short way to a deep directory.
    size = len(os.fsencode(directory.resolve()))
    if size > _MAX_PATH:
        raise StoreError(
            f"The path of the data directory has {size} bytes, and SQLite accepts {_MAX_PATH}: move it, or choose "
            "another directory with --data."
        )


def _check_own(directory: Path) -> None:
    """Raise if other users may write to a directory, or own it.

    Raises:
        StoreError: they may.
        OSError: the directory cannot be examined.
    """
    status = directory.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise FileExistsError
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"it belongs to another user, {_user(status.st_uid)}: run this as that user "
            f"(sudo -u {_user(status.st_uid)}; in a container, --user {status.st_uid}), or name another with --data"
        )
    if status.st_mode & 0o022:
        mode = stat.S_IMODE(status.st_mode)
        raise StoreError(f"others may write to it (mode {mode:04o}): run chmod 700 {quoted(str(directory))}")


def _user(uid: int) -> str:
    """Return the name of a user, or the number as sudo expects it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _open_own(path: Path, flags: int) -> int:
    """Open a file of the data directory.

    Raises:
        StoreError: it is a link, a pipe or the like.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # the latter on FreeBSD
            raise StoreError(f"{path}: it is a symbolic link, which no server has put there: remove it") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"{path}: it is not a file: remove it")
    return descriptor


def make_private(path: Path) -> None:
    """Make a file readable for its owner only; it is created if it is missing.

    SQLite gives the files beside a database the mode of the database.

    Raises:
        StoreError: it is a link, or not a file.
        OSError: it cannot be created.
    """
    try:
        os.close(_open_own(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        # Not opened: closing it would drop the locks that SQLite has on it in this process.
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            what = "a symbolic link, which no server has put there" if stat.S_ISLNK(status.st_mode) else "not a file"
            raise StoreError(f"it is {what}: remove it") from None
        if status.st_mode & 0o077:
            path.chmod(0o600)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise errors of the block as StoreErrors, whose sentences begin with ``what``."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{what}: {error}.") from None
    except sqlite3.Error as error:
        raise StoreError(f"{what}: {error}. {_remedy(error)}, or choose another directory with --data.") from None
    except BlockingIOError:
        raise _Locked(what) from None
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{what}: there is a file in its place. Choose another with --data.") from None
    except OSError as error:
        room = "Make room, or choose" if error.errno in _NO_ROOM else "Choose"
        raise StoreError(f"{what}: {error.strerror}. {room} another with --data.") from None


def _remedy(error: sqlite3.Error) -> str:
    """Return the remedy for an error of opening a database."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the code says where it happened
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):  # SQLite calls it an I/O error where its -shm finds no room
        return "See whether its disk is full or broken"
    return "Move it away"
