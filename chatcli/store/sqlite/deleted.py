"""Remembers for a while which messages were deleted, so that a repetition of one is not stored again."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Collection
from typing import Final

from chatcli.store.records import Entry
from chatcli.store.sqlite.load import read_mark

KEPT_DAYS: Final = 30  # for which a message that was deleted is remembered
_KEPT: Final = KEPT_DAYS * 86_400_000  # milliseconds
_LOOK: Final = 3600.0  # seconds from one look for what has been kept long enough to the next
_VERSION_7: Final = 0x70  # the upper half of the seventh byte of such an id

# What is kept says neither who wrote what to whom, nor, without the id itself, which message it was.
_NOTE: Final = """
INSERT OR IGNORE INTO deleted (digest, seq, at, gone)
SELECT digest_of(id, sender), seq, at, ? FROM messages WHERE seq = ?
"""
_NEWEST: Final = "SELECT max(at_of(id)), max(at_of(id) IS NULL) FROM messages WHERE seq BETWEEN ? AND ?"
_MARK: Final = "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"


class Deleted:
    """The messages that were deleted in the last thirty days: a digest of each, its place and its time.

    Used in the writer's thread, on the writer's connection. A message that comes is looked up only if its id may be one
    of them: ids of version 7 begin with their time, and those that were made behind all that were deleted cannot be.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.create_function("digest_of", 2, _digest, deterministic=True)
        connection.create_function("at_of", 1, _time_of, deterministic=True)
        self._bound = _bound(read_mark(connection, "deleted_newest"))
        self._others = bool(read_mark(connection, "deleted_others"))  # ids of other versions: anyone may be one
        self._next_look = 0.0

    def note(self, seqs: Collection[int]) -> None:
        """Remember messages that are about to be deleted, within the transaction that does it."""
        execute, now = self._connection.execute, time.time_ns() // 1_000_000
        newest, others = execute(_NEWEST, (min(seqs), max(seqs))).fetchone()
        self._connection.executemany(_NOTE, ((now, seq) for seq in seqs))
        execute(_MARK, ("deleted_newest", newest or 0))
        execute(_MARK, ("deleted_others", others or 0))
        # A bound that is too high, should this be rolled back, costs no more than some looks.
        self._bound = max(self._bound, _bound(newest or 0))
        self._others = self._others or bool(others)

    def forget(self) -> None:
        """Forget, now and then, what has been remembered for long enough."""
        if time.monotonic() >= self._next_look:
            self._connection.execute("DELETE FROM deleted WHERE gone < ?", (time.time_ns() // 1_000_000 - _KEPT,))
            self._next_look = time.monotonic() + _LOOK

    def sift(self, entries: list[Entry]) -> list[Entry]:
        """Return those that were not deleted before; give the others the place that they had, as repetitions."""
        bound = self._bound
        if not (bound or self._others):  # nothing is deleted on most servers
            return entries
        if self._others:
            suspects = [entry for entry in entries if entry.id < bound or entry.id[6] & 0xF0 != _VERSION_7]
        else:
            suspects = [entry for entry in entries if entry.id < bound]
        repeated = {id(entry) for entry in suspects if self._place(entry)}
        return [entry for entry in entries if id(entry) not in repeated] if repeated else entries

    def _place(self, entry: Entry) -> bool:
        found = self.find(entry.id, entry.sender)
        if found is not None:
            entry.duplicate = True
            _, entry.seq, entry.at = found
        return found is not None

    def find(self, identity: bytes, sender: int) -> tuple[int, int, int] | None:
        """Return the sender, the place and the time of a message of theirs that was deleted; None if it was not."""
        digest = _digest(identity, sender)
        found = self._connection.execute("SELECT seq, at FROM deleted WHERE digest = ?", (digest,)).fetchone()
        return None if found is None else (sender, *found)


def _digest(identity: object, sender: int) -> bytes | None:
    """Return what is kept of a message; None where damage has left no id."""
    if not isinstance(identity, bytes):
        return None
    return hashlib.sha256(identity + sender.to_bytes(8, "big", signed=True)).digest()[:16]


def _time_of(identity: object) -> int | None:
    """Return when an id of version 7 was made; None for one of another version, or none at all."""
    if not isinstance(identity, bytes) or len(identity) != 16 or identity[6] & 0xF0 != _VERSION_7:
        return None
    return int.from_bytes(identity[:6], "big")


def _bound(newest: int) -> bytes:
    """Return what is greater than every id that was made up to that time; less than any if it is 0."""
    return (min(newest + 1, (1 << 48) - 1)).to_bytes(6, "big") if newest else b""
