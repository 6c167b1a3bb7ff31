"""Reads all messages of a log for an export, around damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from chatcli.store.maintenance.snapshot import pause
from chatcli.store.sqlite.damage import around_damage, tolerating_damage

_STRETCH: Final = 1000  # messages that are read at once
_STRETCH_TEXT: Final = 4 * 1024 * 1024  # characters of them, about

_MESSAGES: Final = """
SELECT seq, id, sender, conversation, at, text, re, extra FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""
_OF_CONVERSATION: Final = "SELECT seq FROM messages INDEXED BY messages_of_conversation WHERE conversation = ?"

_Row = tuple[Any, ...]  # of the query above; of any types, if the file is damaged


class MessageReader:
    """The messages of a log up to the newest when it was made.

    Args:
        connection: to the log.

    Attributes:
        unread: number of places that could not be read because of damage.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._newest = self._edge("DESC")
        self._before = self._edge("ASC") - 1
        self.unread = 0

    def rows(self) -> Iterator[_Row]:
        """Yield the rows of all messages, except for damaged ones."""
        after = self._before
        while after < self._newest:
            rows: list[_Row] = []
            with tolerating_damage() as damage:
                self._read_stretch(after, rows)
            if damage.met:
                after = self._salvage(rows[-1][0] if rows else after, rows)
            else:
                after = rows[-1][0] if rows else self._newest
            yield from rows
            pause()

    def _read_stretch(self, after: int, rows: list[_Row]) -> None:
        size = 0
        for row in self._connection.execute(_MESSAGES, (after, self._newest, _STRETCH)):
            rows.append(row)
            size += len(row[5])
            if size > _STRETCH_TEXT:
                break

    def _salvage(self, after: int, rows: list[_Row]) -> int:
        """Read what can be read after a damaged place; return the ``seq`` to go on after."""
        seqs, end = around_damage(self._connection, after)
        for seq in seqs:
            if seq > self._newest:
                break
            with tolerating_damage() as damage:
                rows += self._connection.execute(_MESSAGES, (seq - 1, seq, 1)).fetchall()
            self.unread += damage.met
        return end

    def _edge(self, order: str) -> int:
        """Return the lowest or the highest ``seq``, from the table or, if that is damaged, from its index."""
        with tolerating_damage():
            row = self._connection.execute(f"SELECT seq FROM messages ORDER BY seq {order} LIMIT 1").fetchone()  # noqa: S608 (one of two words)
            return int(row[0]) if row else 0
        found: list[int] = []
        for conversation in self._connection.execute("SELECT id FROM conversations").fetchall():
            query = f"{_OF_CONVERSATION} ORDER BY seq {order} LIMIT 1"
            found += self._connection.execute(query, conversation).fetchone() or ()
        return (max if order == "DESC" else min)(found, default=0)
