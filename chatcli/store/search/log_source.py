"""Reads the log for the search index, on a connection of its own."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.store.search.parts import Indexed
from chatcli.store.sqlite.connection import connect
from chatcli.store.sqlite.damage import END, around_damage, tolerating_damage
from chatcli.store.sqlite.load import read_mark

_STEP: Final = 1000  # messages that are read at once

_NEXT: Final = (
    "SELECT seq, conversation, sender, text, id FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
)


class Stretch(NamedTuple):
    """Messages of the log that follow one another.

    Attributes:
        messages: those that can be read.
        upto: there are no others up to this ``seq``.
        more: whether others may follow.
    """

    messages: list[Indexed]
    upto: int
    more: bool


class LogSource:
    """The log as the index reads it.

    Args:
        path: the log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def read(self, after: int, end: int = END) -> Stretch:
        """Read the next messages with ``after < seq <= end``."""
        messages: list[Indexed] = []
        with tolerating_damage() as damage:
            messages.extend(map(Indexed._make, self._open().execute(_NEXT, (after, end, _STEP))))
        reached = messages[-1].seq if messages else after
        if damage.met:
            return self._read_around_damage(messages, reached, end)
        return Stretch(messages, reached, len(messages) == _STEP)

    def _read_around_damage(self, messages: list[Indexed], after: int, end: int) -> Stretch:
        log = self._open()
        seqs, reached = around_damage(log, after)
        for seq in seqs:
            with contextlib.suppress(sqlite3.DatabaseError):  # what nobody can read nobody need find
                messages.extend(map(Indexed._make, log.execute(_NEXT, (seq - 1, min(seq, end), 1))))
        reached = min(reached, end)
        if reached < END:
            return Stretch(messages, reached, reached < end)
        return Stretch(messages, messages[-1].seq if messages else after, more=False)

    def id_at(self, seq: int) -> bytes | None:
        """Return the id of a message, None if there is no message with this ``seq``."""
        row = self._open().execute("SELECT id FROM messages WHERE seq = ?", (seq,)).fetchone()
        return row[0] if row else None

    def mark(self, name: str) -> int:
        """Return one of the log's marks, see :func:`chatcli.store.sqlite.load.read_mark`."""
        return read_mark(self._open(), name)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(self._path, create=False)
            connection.execute("PRAGMA query_only = ON")
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Close the log."""
        if self._connection is not None:
            self._connection.close()
