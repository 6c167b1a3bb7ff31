"""Writes all records but messages: decides about each, and fills in what it has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from chatcli.store.batch import Batch, Change
from chatcli.store.records import (
    AddKey,
    Barrier,
    Claim,
    DropKey,
    DropToken,
    Enter,
    Found,
    Leave,
    Lookup,
    Probe,
    Prune,
    Record,
    Release,
    Ruling,
    Seen,
    SetOwner,
    SetTopic,
    TokenRecord,
    UseToken,
)
from chatcli.store.sqlite.conversations import find_conversation
from chatcli.store.sqlite.damage import is_damage
from chatcli.store.writing.deleted import Deleted
from chatcli.store.writing.head import Head
from chatcli.store.writing.memberships import Memberships
from chatcli.store.writing.names import Names
from chatcli.store.writing.pruning import prune
from chatcli.store.writing.rulings import Decision, Rulings

_RECEIVED: Final = "UPDATE users SET cursor = ?2 WHERE id = ?1 AND cursor < ?2"
# The user, or the room, does not exist if its own record was refused.
_SET_READ: Final = """
INSERT INTO reads (user, conversation, seq, shown)
SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1) AND EXISTS (SELECT 1 FROM conversations WHERE id = ?2)
ON CONFLICT DO UPDATE SET seq = excluded.seq, shown = excluded.shown
"""
_DROP_READ: Final = "DELETE FROM reads WHERE user = ? AND conversation = ?"
_READ_ALL: Final = "UPDATE users SET read = ?2, shown = ?3 WHERE id = ?1"
#: The statements of records that need no decision: their parameters are the fields of the record. A record whose
#: statement changes no row has no fact.
_STATEMENTS: Final[dict[type[Record], str]] = {
    Seen: "UPDATE users SET seen = ?2 WHERE id = ?1 AND seen < ?2",
    UseToken: "UPDATE tokens SET used = ?2 WHERE digest = ?1",
    DropToken: "DELETE FROM tokens WHERE digest = ?1 AND ?2 <> ''",
}
#: Errors for what cannot be stored as it is, such as a number with more than 64 bits, whatever the database has.
UNFIT: Final = (sqlite3.IntegrityError, sqlite3.ProgrammingError, OverflowError, TypeError, ValueError)
_FIND_MESSAGE: Final = "SELECT sender, seq, at FROM messages WHERE id = ?"


class RecordWriter:
    """Writes records within the transactions of its caller.

    Args:
        connection: the writer's.
        deleted: the ids of deleted messages.
        head: the end of the log.

    Attributes:
        pruned: the messages that were deleted in this transaction, for the caller, who empties it.
        damaged: the deletions that have met damage, after which SQLite writes nothing more in a transaction: the next
            one refuses them.
    """

    def __init__(self, connection: sqlite3.Connection, deleted: Deleted, head: Head) -> None:
        self._connection = connection
        self._deleted = deleted
        self._head = head
        self._rulings = Rulings(connection)
        self._memberships = Memberships(connection, head, self._rulings)
        self._names = Names(connection, head, self._rulings, self._memberships)
        self.pruned: list[int] = []
        self.damaged: list[Prune] = []

    def write(self, change: Change) -> None:
        """Decide about a record, write what it changes, and fill in its outcome."""
        decision, outcome = self._decide(change.record), change.outcome
        if isinstance(decision, str):
            outcome.conflict = decision
        else:
            outcome.facts = decision

    def write_if_fit(self, change: Change) -> None:
        """Write a record as :meth:`write` does, but refuse it as ``invalid`` if it cannot be stored as it is."""
        execute, end = self._connection.execute, (self._head.newest, self._head.next)
        execute("SAVEPOINT record")
        try:
            self.write(change)
        except UNFIT:
            execute("ROLLBACK TO record")
            self._head.newest, self._head.next = end
            change.outcome.conflict = "invalid"
        execute("RELEASE record")

    def _decide(self, record: Record) -> Decision:  # noqa: C901, PLR0911, PLR0912 (a table of records)
        match record:
            case Seen() | UseToken() | DropToken():
                return [record] if self._connection.execute(_STATEMENTS[type(record)], record).rowcount else []
            case Ruling(kind="room_ban" | "room_mute" | "room_invitation"):
                return self._memberships.rule(record)
            case Ruling():
                return self._rulings.decide(record)
            case Claim():
                return self._names.claim(record)
            case AddKey():
                return self._names.add_key(record)
            case DropKey():
                return self._names.drop_key(record)
            case Release():
                return self._names.release(record)
            case TokenRecord():
                return self._names.add_token(record)
            case Found():
                return self._memberships.found(record)
            case Enter():
                return self._memberships.enter(record)
            case Leave():
                return self._memberships.leave(record)
            case SetOwner():
                return self._memberships.set_owner(record)
            case SetTopic():
                return self._memberships.set_topic(record)
            case Prune():
                return self._prune(record)
            case Lookup():
                self._look_up(record)
            case Barrier() | Probe():
                pass
        return []

    def set_positions(self, batch: Batch, known: Mapping[tuple[int, int], int]) -> None:
        """Write the positions of users that a batch has; ``known`` has conversations by sender and recipient."""
        general, single, dropped = [], [], []
        for (user, of), position in batch.reads.items():
            # To someone with whom there is none yet, all that will be written is newer than any position up to now.
            conversation = of if of <= 0 else known.get((of, user)) or find_conversation(self._connection, user, of)
            if position is None:
                dropped.append((user, conversation))
            elif of == 0:
                general.append((user, position.seq, position.public))
            elif conversation is not None:
                single.append((user, conversation, position.seq, position.public))
        execute = self._connection.executemany
        for statement, rows in (
            (_RECEIVED, batch.received.items()),
            (_READ_ALL, general),
            (_SET_READ, single),
            (_DROP_READ, dropped),
        ):
            if rows:
                execute(statement, rows)

    def _look_up(self, lookup: Lookup) -> None:
        found = self._connection.execute(_FIND_MESSAGE, (lookup.id,)).fetchone()
        found = found or self._deleted.find(lookup.id, lookup.by)
        lookup.sender, lookup.seq, lookup.at = found or (0, 0, 0)

    def _prune(self, record: Prune) -> Decision:
        if any(record is one for one in self.damaged):
            return "damaged"
        try:
            self.pruned += prune(self._connection, self._deleted, record)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self.damaged.append(record)
            raise
        return []
