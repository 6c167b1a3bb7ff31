"""Reads an archive into a log whose server does not run: all of it, or nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from chatcli.errors import InputError, StoreError
from chatcli.store.archive.merge import Imported, Merge
from chatcli.store.archive.validation import Complain, Report, validate
from chatcli.store.data_directory import DATABASE, lock, make_private
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.connection import transaction


def import_archive(directory: Path, lines: IO[bytes], complain: Complain) -> Imported:
    """Add the contents of an archive to the log of a data directory, which is made if it is missing.

    Args:
        directory: the data directory; no server may use it.
        lines: the archive.
        complain: called for every wrong line.

    Raises:
        InputError: there were wrong lines; nothing was imported.
        StoreError: a server uses the directory, or the log cannot be read or written; nothing was imported.
    """
    report = Report(complain)
    with lock(directory), _open(directory / DATABASE) as connection:
        merge = Merge(connection)
        for line in validate(lines, report):
            with report:
                merge.add(line)
        if report.wrong:
            count = "one line is" if report.wrong == 1 else f"{report.wrong} lines are"
            raise InputError(f"Nothing was imported: {count} wrong{' so far' if report.full else ''}.")
        return merge.finish()


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to a log within a transaction, which is committed if the block ends without an error."""
    try:
        make_private(path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _make_schema(connection)
            with transaction(connection):
                yield connection
    except StoreError as error:
        raise StoreError(f"Cannot use the log {path}: {error}. Nothing was imported.") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"Cannot write the log {path}: {error}. Nothing was imported.") from None


def _make_schema(connection: sqlite3.Connection) -> None:
    """Make a new database a log; older ones are left to the server, which copies them before it changes them."""
    if 0 < schema.check(connection) < len(schema.MIGRATIONS):
        raise StoreError("it was written by an older chatcli: start the server over it once, and stop it again")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    schema.migrate(connection)
