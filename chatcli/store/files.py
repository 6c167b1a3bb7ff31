"""The log's files: locked for one process, opened, copied before they are changed, and what to say when that fails."""

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
from chatcli.protocol.text import printable_line, quoted

DATABASE: Final = "chatcli.db"  # in the data directory

_LOCK: Final = "lock"
_LONGEST_PATH: Final = 480  # bytes: of the 511 that SQLite takes for a file, the longest of its names is left out
_JOURNAL_BYTES: Final = 16 * 1024 * 1024  # that a WAL keeps once a long reader has let go of it
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_BUSY_SECONDS: Final = 2  # how long another program may hold the database before senders are told


class _Taken(StoreError):
    """Another process has the lock."""


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Connect to a database, which need not be there yet if it is to be created."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is not to be found in the file
    connection.execute("PRAGMA temp_store = MEMORY")  # nor in files of SQLite's own
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    return connection


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Write to the database what stands in its WAL, and empty that; return False where a reader is in the way.

    Raises:
        sqlite3.Error: the database cannot be written.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    return not busy


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes if it ends well; else nothing of it was written.

    Raises:
        sqlite3.Error: it cannot be begun or committed.
    """
    if connection.in_transaction:  # the ROLLBACK of the one before failed as well
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def lock(directory: Path) -> IO[str]:
    """Take the directory for this process; the kernel gives it back when the process ends, however it ends.

    It is made, for its owner only, if it is not there, and so are those above it.

    Raises:
        StoreError: another process has it, it is not the user's own, others may write to it, or its path is too long.
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
    except _Taken:
        held.seek(0)
        owner = printable_line(held.read(20).strip())
        held.close()
        raise StoreError(
            f"Another chatcli server (process {owner or 'unknown'}) uses the data directory {directory}: "
            "stop it first, or give this one its own with --data."
        ) from None
    with explained(f"Cannot use the data directory {directory}"):
        os.ftruncate(held.fileno(), 0)
        os.write(held.fileno(), str(os.getpid()).encode())
    return held


def _check_length(directory: Path) -> None:
    # SQLite resolves links and relative paths before it counts: there is no short way to a deep directory.
    size = len(os.fsencode(directory.resolve()))
    if size > _LONGEST_PATH:
        raise StoreError(
            f"The path of the data directory has {size} bytes, and SQLite takes {_LONGEST_PATH}: move it, or choose "
            "another directory with --data."
        )


def _check_own(directory: Path) -> None:
    """Refuse a directory into which others may have put something, or may yet.

    Raises:
        StoreError: they may.
        OSError: it is not to be known.
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
    """Return the name of a user, or how sudo takes a number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _open_own(path: Path, flags: int) -> int:
    """Open a file of the data directory, which must not be a link, a pipe or the like.

    Raises:
        StoreError: it is.
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
        raise StoreError(f"{path}: it is no file: remove it")
    return descriptor


def make_private(path: Path) -> None:
    """Make an empty file, readable for its owner only; make one that is there readable for its owner only.

    SQLite gives the files beside a database the mode of that.

    Raises:
        StoreError: there is a link, or no file.
        OSError: it cannot be made.
    """
    try:
        os.close(_open_own(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        # Not opened: closing it would drop the locks that SQLite has on it in this process.
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            what = "a symbolic link, which no server has put there" if stat.S_ISLNK(status.st_mode) else "no file"
            raise StoreError(f"it is {what}: remove it") from None
        if status.st_mode & 0o077:
            path.chmod(0o600)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the system says into a sentence that begins with ``what``."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{what}: {error}.") from None
    except sqlite3.Error as error:
        raise StoreError(f"{what}: {error}. {_remedy(error)}, or choose another directory with --data.") from None
    except BlockingIOError:
        raise _Taken(what) from None
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{what}: there is a file in its place. Choose another with --data.") from None
    except OSError as error:
        room = "Make room, or choose" if error.errno in _NO_ROOM else "Choose"
        raise StoreError(f"{what}: {error.strerror}. {room} another with --data.") from None


def _remedy(error: sqlite3.Error) -> str:
    """Return what to do about an error with which a database cannot be opened."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the code says where it happened
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):  # SQLite calls it an I/O error where its -shm finds no room
        return "See whether its disk is full or broken"
    return "Move it away"


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a database, whole or not at all; the copy takes the place of one that is there, and only its owner reads it.

    Raises:
        StoreError: there is no copy.
    """
    unfinished = path.with_name(path.name + ".tmp")
    try:
        remove_unfinished_copies(path.parent)
        make_private(unfinished)
        with contextlib.closing(connect(unfinished)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        cause = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"it must be brought up to date, and before that it cannot be copied to {path}: {cause}. "
            "Nothing was changed; make room there, or move it all to a larger disk"
        ) from None


def remove_unfinished_copies(directory: Path) -> None:
    """Remove what is left of copies whose process was killed."""
    for path in directory.glob(f"{DATABASE}.schema-*.bak.tmp*"):
        path.unlink(missing_ok=True)


def size(*databases: Path) -> int:
    """Return how many bytes databases take, those that are not there none."""
    total = 0
    for path in databases:
        for file in (path, path.with_name(path.name + "-wal")):
            with contextlib.suppress(OSError):
                total += file.stat().st_size
    return total


def sync(path: Path) -> None:
    """Wait until a file, or a directory's list of files, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
