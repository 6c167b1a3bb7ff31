"""Deletes old messages from the log, a few at a time."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from chatcli.store.maintenance.erasure import Eraser
from chatcli.store.sqlite.damage import around_damage, is_damage
from chatcli.store.sqlite.deleted import Deleted

_STEP: Final = 500  # messages to examine, and to delete at most
_NEWER_IN_A_ROW: Final = 10_000  # messages to examine in vain before a rest
_REST: Final = 10.0  # seconds

_NEXT: Final = "SELECT seq, at FROM messages WHERE seq > ? ORDER BY seq LIMIT ?"


class Pruner:
    """Goes through the log from beginning to end, over and over, and rests when there is nothing to delete.

    The oldest messages are mostly the first ones: after each rest they are examined before it goes on where it was. But
    clocks are set back now and then, and imports append old messages to new ones.

    Used in the writer's thread, between two batches, on the writer's connection.
    """

    def __init__(self, connection: sqlite3.Connection, eraser: Eraser, deleted: Deleted) -> None:
        self._connection = connection
        self._deleted = deleted
        self._eraser = eraser
        self._position = 0
        self._reached = 0  # the position before the rest
        self._newer = 0
        self._resting_until = 0.0

    def prune(self, before: int) -> None:
        """Delete some of the messages older than a time, in milliseconds since 1970-01-01 UTC.

        Raises:
            sqlite3.Error: some could not be read, or nothing was deleted; the next call tries again after a while.
        """
        if time.monotonic() < self._resting_until:
            return
        try:
            damaged = self._step(before)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                self._rest(self._reached)
                raise
            _, self._position = around_damage(self._connection, self._position)  # what cannot be read remains
            raise sqlite3.DatabaseError(f"some of them are damaged: {error}") from None
        if damaged:
            raise sqlite3.DatabaseError(f"some of them are damaged: {damaged} have no time")

    def _step(self, before: int) -> int:
        self._deleted.expire()
        rows = self._connection.execute(_NEXT, (self._position, _STEP)).fetchall()
        timed = [(seq, at) for seq, at in rows if isinstance(at, int)]
        old = [seq for seq, at in timed if at < before]
        if old:
            self._eraser.erase(old)
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
        return len(rows) - len(timed)

    def _rest(self, reached: int) -> None:
        self._position = self._newer = 0
        self._reached = reached
        self._resting_until = time.monotonic() + _REST
