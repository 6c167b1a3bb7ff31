"""The file of the search index: a database beside the log, of words and where they occur, without texts."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.data_directory import make_private
from chatcli.store.search import parts, tokenizer
from chatcli.store.search.log_source import LogSource
from chatcli.store.sqlite.connection import connect, transaction

_STATE: Final = (
    "CREATE TABLE state (upto INTEGER NOT NULL, id BLOB, removed INTEGER NOT NULL, words TEXT NOT NULL) STRICT"
)


class IndexFile:
    """The index on disk; it is closed until it is opened or made.

    Args:
        path: the file.
        source: reads the log.

    Attributes:
        path: the file.
        upto: messages up to this ``seq`` are indexed; 0 while it is closed.
        connection: to the file; None while it is closed.
    """

    def __init__(self, path: Path, source: LogSource) -> None:
        self.path = path
        self._source = source
        self.upto = 0
        self.connection: sqlite3.Connection | None = None

    def open(self, unindexed: int) -> bool:
        """Open the file, unless it is missing, or not an index of the log as it is now; return whether it is open.

        Args:
            unindexed: number of removals from the log that have not been passed to :meth:`advance` yet.
        """
        connection = self._connect()
        try:
            upto = self._read_state(connection, unindexed)
        except BaseException:
            connection.close()
            raise
        if upto is None:
            connection.close()
            return False
        self.connection, self.upto = connection, upto
        return True

    def make(self) -> sqlite3.Connection:
        """Make an empty index, and open it."""
        connection = self._connect()
        try:
            removed = self._source.mark("removed")
            with transaction(connection):
                connection.execute(_STATE)
                connection.execute(parts.SCHEMA)
                connection.execute("INSERT INTO state VALUES (0, NULL, ?, ?)", (removed, _version()))
        except BaseException:
            connection.close()
            raise
        self.connection, self.upto = connection, 0
        return connection

    def advance(self, connection: sqlite3.Connection, removed: list[int]) -> bool:
        """Index the next messages; return whether there may be more.

        Args:
            connection: to the file.
            removed: messages that were removed from the log since the last call.
        """
        messages, upto, more = self._source.read(self.upto)
        if removed or upto > self.upto:
            with transaction(connection):
                if removed:
                    parts.mark_stale(connection, removed)
                    connection.execute("UPDATE state SET removed = removed + ?", (len(removed),))
                parts.add(connection, messages)
                connection.execute("UPDATE state SET upto = ?", (upto,))
                if messages:
                    connection.execute("UPDATE state SET id = ?", (messages[-1].id,))
        self.upto = upto
        return more

    def discard(self) -> None:
        """Close and delete the file."""
        self.close()
        self.connection, self.upto = None, 0
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self.connection is not None:
            self.connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self.path.is_symlink():
            self.path.unlink()  # the index is nobody's but ours, and can be made again
        try:
            make_private(self.path)
        except StoreError as error:
            raise sqlite3.OperationalError(str(error)) from None
        connection = connect(self.path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut destroys is indexed again
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_state(self, connection: sqlite3.Connection, unindexed: int) -> int | None:
        """Return the ``seq`` up to which messages are indexed; None if the file does not fit log or program."""
        try:
            state = connection.execute("SELECT upto, id, removed, words FROM state").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # the code of a missing table or column
                raise
            return None
        if state is None:
            return None
        upto, identity, removed, version = state
        known = self._source.id_at(upto)
        fits = known == identity if known is not None else upto <= self._source.mark("pruned")
        if not fits or version != _version():
            return None
        removals = self._source.mark("removed") - unindexed
        if removed != removals:  # a run ended before it could index the last ones
            with transaction(connection):
                parts.mark_all_stale(connection)
                connection.execute("UPDATE state SET removed = ?", (removals,))
        return int(upto)


def _version() -> str:
    """Return the version of the index: one of another version is useless."""
    return f"{parts.VERSION} {tokenizer.VERSION}"
