"""Finds old messages in the log, a few at a time."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from chatcli.store.records import Prune
from chatcli.store.sqlite.damage import around_damage, is_damage
from chatcli.store.writing.deleted import Deleted

_STEP: Final = 500  # messages to examine, and to delete at most
_NEWER_IN_A_ROW: Final = 10_000  # messages to examine in vain before a rest
_REST: Final = 10.0  # seconds

_NEXT: Final = "SELECT seq, at FROM messages WHERE seq > ? ORDER BY seq LIMIT ?"


class Pruner:
    """Goes through the log from beginning to end, over and over, and rests when there is nothing to delete.

    The oldest messages are mostly the first ones: after each rest they are examined before it goes on where it was. But
    clocks are set back now and then, and imports append old messages to new ones. Those whose deletion fails are found
    again that way.

    Used in the writer's thread, between two transactions, on the writer's connection.
    """

    def __init__(self, connection: sqlite3.Connection, deleted: Deleted) -> None:
        self._connection = connection
        self._deleted = deleted
        self._position = 0
        self._reached = 0  # the position before the rest
        self._newer = 0
        self._resting_until = 0.0

    def find(self, before: int, now: int) -> Prune | None:
        """Return the deletion of some of the messages older than a time; None if there is nothing to delete now.

        Args:
            before: the time, in milliseconds since 1970-01-01 UTC.
            now: the present time, likewise.

        Raises:
            sqlite3.Error: some could not be read; the next call goes on after them, or tries again after a while.
        """
        if time.monotonic() < self._resting_until:
            return None
        after = self._position
        try:
            upto, damaged = self._step(before)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                self._rest(self._reached)
                raise
            _, self._position = around_damage(self._connection, self._position)  # what cannot be read remains
            raise sqlite3.DatabaseError(f"some of them are damaged: {error}") from None
        if upto or self._deleted.may_expire(now):
            return Prune(after, upto, before, now)
        if damaged:
            raise sqlite3.DatabaseError(f"some of them are damaged: {damaged} have no time")
        return None

    def _step(self, before: int) -> tuple[int, int]:
        """Return the last old message of the next stretch, 0 if it has none, and the number of those without a time."""
        rows = self._connection.execute(_NEXT, (self._position, _STEP)).fetchall()
        timed = [(seq, at) for seq, at in rows if isinstance(at, int)]
        old = [seq for seq, at in timed if at < before]
        if old:
            self._newer = 0
        self._newer += len(rows) - len(old)
        if len(rows) < _STEP:
            self._rest(0)
        elif self._newer >= _NEWER_IN_A_ROW:
            self._rest(max(rows[-1][0], self._reached))
        elif old:
            self._position = rows[-1][0]
        else:
            self._position = max(rows[-1][0], self._reached)
        return old[-1] if old else 0, len(rows) - len(timed)

    def _rest(self, reached: int) -> None:
        self._position = self._newer = 0
        self._reached = reached
        self._resting_until = time.monotonic() + _REST
