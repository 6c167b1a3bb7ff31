"""Remembers deleted messages for a while, so that a client that sends one again does not store it a second time."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from typing import Final

from chatcli.store.batch import Entry
from chatcli.store.sqlite.load import read_mark

KEPT_DAYS: Final = 30  # for which a deleted message is remembered
_KEPT: Final = KEPT_DAYS * 86_400_000  # milliseconds
_VERSION_7: Final = 0x70  # upper half of the seventh byte of a UUID

# A digest reveals neither sender and recipient nor, without the id itself, the message.
_RECORD: Final = """
INSERT OR IGNORE INTO deleted (digest, seq, at, gone)
SELECT digest_of(id, sender), seq, at, ? FROM messages WHERE seq = ?
"""
_NEWEST: Final = "SELECT max(at_of(id)), max(at_of(id) IS NULL) FROM messages WHERE seq BETWEEN ? AND ?"
_EXPIRED: Final = "FROM deleted WHERE gone < ?"
_MARK: Final = "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"


class Deleted:
    """The messages that were deleted in the last thirty days: a digest, the ``seq`` and the time of each.

    Used in the writer's thread, on the writer's connection. A new message is looked up only if its id may be among
    them: ids of version 7 begin with their time, and those newer than all deleted ones cannot be.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.create_function("digest_of", 2, _digest, deterministic=True)
        connection.create_function("at_of", 1, _time_of, deterministic=True)
        self._bound = _bound(read_mark(connection, "deleted_newest"))
        # With ids of other versions: any such id may be one.
        self._others = bool(read_mark(connection, "deleted_others"))

    def record(self, seqs: Collection[int], now: int) -> None:
        """Record messages, within the transaction that deletes them.

        Args:
            seqs: the messages.
            now: the time of the deletion, in milliseconds since 1970-01-01 UTC.
        """
        execute = self._connection.execute
        newest, others = execute(_NEWEST, (min(seqs), max(seqs))).fetchone()
        self._connection.executemany(_RECORD, ((now, seq) for seq in seqs))
        execute(_MARK, ("deleted_newest", newest or 0))
        execute(_MARK, ("deleted_others", others or 0))
        # Should this be rolled back, a bound that is too high costs no more than some lookups.
        self._bound = max(self._bound, _bound(newest or 0))
        self._others = self._others or bool(others)

    def expire(self, now: int) -> None:
        """Forget messages that were deleted more than thirty days before a time."""
        self._connection.execute(f"DELETE {_EXPIRED}", (now - _KEPT,))

    def may_expire(self, now: int) -> bool:
        """Return whether there are such messages."""
        return self._connection.execute(f"SELECT 1 {_EXPIRED} LIMIT 1", (now - _KEPT,)).fetchone() is not None

    def filter(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries that were not deleted before; the others become duplicates with the ``seq`` of then."""
        bound = self._bound
        if not (bound or self._others):  # nothing is deleted on most servers
            return entries
        if self._others:
            suspects = [entry for entry in entries if entry.id < bound or entry.id[6] & 0xF0 != _VERSION_7]
        else:
            suspects = [entry for entry in entries if entry.id < bound]
        repeated = {id(entry) for entry in suspects if self._mark_duplicate(entry)}
        return [entry for entry in entries if id(entry) not in repeated] if repeated else entries

    def _mark_duplicate(self, entry: Entry) -> bool:
        found = self.find(entry.id, entry.sender)
        if found is not None:
            entry.conflict = "duplicate"
            _, entry.seq, entry.first_at = found
        return found is not None

    def find(self, identity: bytes, sender: int) -> tuple[int, int, int] | None:
        """Return the sender, ``seq`` and time of a deleted message of this sender; None if it was not deleted."""
        digest = _digest(identity, sender)
        found = self._connection.execute("SELECT seq, at FROM deleted WHERE digest = ?", (digest,)).fetchone()
        return None if found is None else (sender, *found)


def _digest(identity: object, sender: int) -> bytes | None:
    """Return the digest of a message; None if damage has left no id."""
    if not isinstance(identity, bytes):
        return None
    return hashlib.sha256(identity + sender.to_bytes(8, "big", signed=True)).digest()[:16]


def _time_of(identity: object) -> int | None:
    """Return the time in an id of version 7; None for other ids, or anything else."""
    if not isinstance(identity, bytes) or len(identity) != 16 or identity[6] & 0xF0 != _VERSION_7:
        return None
    return int.from_bytes(identity[:6], "big")


def _bound(newest: int) -> bytes:
    """Return a bound above every id up to that time; below all ids if it is 0."""
    return (min(newest + 1, (1 << 48) - 1)).to_bytes(6, "big") if newest else b""
