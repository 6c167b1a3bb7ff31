"""Connections to a database file: their settings and transactions."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_JOURNAL_BYTES: Final = 16 * 1024 * 1024  # of a WAL that is kept after a long reader has ended
_BUSY_SECONDS: Final = 2  # for which another program may lock the database before senders get an error


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Connect to a database, which is created if it is missing and may be."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted must not remain in the file
    connection.execute("PRAGMA temp_store = MEMORY")  # nor in files of SQLite's own
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    return connection


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Move the contents of the WAL to the database and empty it; return False if a reader prevents that.

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
    """Commit what the block writes if it ends without an error, else roll it back.

    Raises:
        sqlite3.Error: the transaction cannot be started or committed.
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


def size(*databases: Path) -> int:
    """Return the size of databases in bytes; missing ones have none."""
    total = 0
    for path in databases:
        for file in (path, path.with_name(path.name + "-wal")):
            with contextlib.suppress(OSError):
                total += file.stat().st_size
    return total
