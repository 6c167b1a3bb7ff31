"""Brings a log to the newest schema, once a copy of it as it was is on disk."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from chatcli.errors import StoreError
from chatcli.store.data_directory import DATABASE, make_private
from chatcli.store.epochs import mark_as_copy
from chatcli.store.files import sync
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.connection import connect


def upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a log to the newest schema.

    Args:
        connection: to the log.
        path: its file.

    Raises:
        StoreError: the file is not a log, or it cannot be copied.
        sqlite3.Error: it cannot be read or written.
    """
    version = schema.check(connection)  # before anything is changed in what may be another program's file
    if 0 < version < len(schema.MIGRATIONS):
        _back_up(connection, path.with_name(f"{DATABASE}.schema-{version}.bak"))
    connection.execute("PRAGMA journal_mode = WAL")
    schema.migrate(connection)


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a log, whole or not at all; the copy replaces one that exists, and only its owner may read it.

    Raises:
        StoreError: there is no copy.
    """
    unfinished = path.with_name(path.name + ".tmp")
    try:
        remove_unfinished_copies(path.parent)
        make_private(unfinished)
        with contextlib.closing(connect(unfinished)) as copy:
            connection.backup(copy)
            mark_as_copy(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with none beside it
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
    """Remove the unfinished copies of processes that were killed."""
    for path in directory.glob(f"{DATABASE}.schema-*.bak.tmp*"):
        path.unlink(missing_ok=True)
