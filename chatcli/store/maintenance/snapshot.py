"""Opens the log of a data directory read-only, whether its server runs or not.

Long reads are made in stretches, and no transaction is held while something is written elsewhere: as long as one is
open the server's WAL grows, and keeps deleted text.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.data_directory import DATABASE
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.damage import tolerating_damage

_BUSY_SECONDS: Final = 10  # how long another program may hold the database
_PAUSE: Final = 0.002  # seconds


@contextlib.contextmanager
def snapshot(directory: Path, *, any_schema: bool = False) -> Iterator[sqlite3.Connection]:
    """Give a read-only connection to the log; :func:`moment` makes what it reads consistent.

    Args:
        directory: the data directory.
        any_schema: accept a log of an older chatcli, too.

    Raises:
        StoreError: there is no log, the file is not a log, or it cannot be read, be it within the block.
    """
    path = directory / DATABASE
    _check_readable(path)
    with reading(path, any_schema=any_schema) as connection:
        yield connection


@contextlib.contextmanager
def reading(path: Path, *, any_schema: bool) -> Iterator[sqlite3.Connection]:
    """Give a read-only connection to a log, given by its file.

    Raises:
        StoreError: the file is not a log, or it cannot be read, be it within the block.
    """
    try:
        with contextlib.closing(_open(path)) as connection:
            _check_schema(connection, path, any_schema=any_schema)
            yield connection
    except sqlite3.Error as error:
        raise StoreError(f"Cannot read the log {path}: {error}.") from None


@contextlib.contextmanager
def moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the block read everything as it is now, whatever the server writes meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        # After damage that the block has tolerated SQLite ends the transaction with the same error once more.
        with tolerating_damage():
            connection.execute("COMMIT")


def pause() -> None:
    """Let the server empty its WAL between two stretches."""
    time.sleep(_PAUSE)


def _check_readable(path: Path) -> None:
    """Raise if the file cannot be read, with a better sentence than SQLite's.

    The file is not opened for that: closing it would drop the locks that a log in this process has on it.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"There is no log in {path.parent}: name the data directory of a server with --data."
        ) from None
    except OSError as error:
        raise StoreError(f"Cannot read the log {path}: {error.strerror}.") from None
    if not os.access(path, os.R_OK):
        raise StoreError(f"You may not read the log {path}: run this as the user that the server runs as.")


def _open(path: Path) -> sqlite3.Connection:
    """Open the database."""
    wal = path.with_name(path.name + "-wal")
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError:
        # SQLite reads a log like ours with two small files beside it, which it creates if need be. If it may not, as on
        # a read-only medium, everything is in the one file, unless the last server was killed.
        if os.access(path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size):
            raise
        return _opened(path, "mode=ro&immutable=1")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path, *, any_schema: bool) -> None:
    newest = len(schema.MIGRATIONS)
    try:
        version = schema.check(connection)
    except StoreError as error:
        raise StoreError(f"Cannot use the log {path}: {error}.") from None
    if not version:  # as a server leaves it that was stopped at once
        raise StoreError(f"The log {path} is empty: no server has ever run over it.")
    if not any_schema and version < newest:
        raise StoreError(
            f"The log {path} was written by an older chatcli (schema {version}; this one knows {newest}): "
            "start the server over it once, which brings it up to date."
        )
