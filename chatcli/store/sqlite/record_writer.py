"""Writes all records but messages: users, keys, tokens, rulings, rooms, memberships and read positions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from msgspec import json
from msgspec.structs import astuple, replace

from chatcli.store.records import (
    Barrier,
    Batch,
    DropKey,
    DropToken,
    Enter,
    KeyRecord,
    Leave,
    Lookup,
    Probe,
    Record,
    Rename,
    RoomRecord,
    Ruling,
    Seen,
    SetOwner,
    TokenRecord,
    UserRecord,
    UseToken,
)
from chatcli.store.sqlite.conversations import find_conversation, write_room
from chatcli.store.sqlite.deleted import Deleted

_ADD_USER: Final = (
    "INSERT INTO users (id, name, key, created, cursor, read, shown, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_RECEIVED: Final = "UPDATE users SET cursor = ?2 WHERE id = ?1 AND cursor < ?2"
# The user, or the room, does not exist if its own record was in a batch that failed.
_SET_READ: Final = """
INSERT INTO reads (user, conversation, seq, shown)
SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM users WHERE id = ?1) AND EXISTS (SELECT 1 FROM conversations WHERE id = ?2)
ON CONFLICT DO UPDATE SET seq = excluded.seq, shown = excluded.shown
"""
_DROP_READ: Final = "DELETE FROM reads WHERE user = ? AND conversation = ?"
_READ_ALL: Final = "UPDATE users SET read = ?2, shown = ?3 WHERE id = ?1"
#: Those whose parameters are the fields of the record.
_STATEMENTS: Final[dict[type[Record], str]] = {
    KeyRecord: "INSERT INTO keys (user, key, since, device) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    DropKey: "DELETE FROM keys WHERE user = ? AND key = ?",
    Rename: "UPDATE users SET name = ?2, key = ?3 WHERE id = ?1",
    Seen: "UPDATE users SET seen = ?2 WHERE id = ?1 AND seen < ?2",
    UseToken: "UPDATE tokens SET used = ?2 WHERE digest = ?1",
    DropToken: "DELETE FROM tokens WHERE digest = ?",
}
# The user does not exist if its own record was in a batch that failed.
_ADD_TOKEN: Final = """
INSERT INTO tokens (digest, user, label, scope, places, created, until, used, key)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM users WHERE id = ?2)
"""  # noqa: S105 (no password)
_FIND_MESSAGE: Final = "SELECT sender, seq, at FROM messages WHERE id = ?"
_SET_RULING: Final = "INSERT INTO rulings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_DROP_RULING: Final = "DELETE FROM rulings WHERE kind = ? AND subject = ?"

# Only the newest period of a user in a room may be open. There may be many before it, none of which is looked at.
_NEWEST: Final = """
WHERE user = :user AND conversation = :room
  AND since = (SELECT max(since) FROM members WHERE user = :user AND conversation = :room)
"""
_PERIOD: Final = f"SELECT since, until FROM members {_NEWEST}"  # noqa: S608 (our own text)
_LEAVE: Final = f"UPDATE members SET until = :newest {_NEWEST} AND until IS NULL"  # noqa: S608 (likewise)
_SET_OWNER: Final = f"UPDATE members SET owner = :owner {_NEWEST} AND until IS NULL"  # noqa: S608 (likewise)
_DROP_PERIOD: Final = "DELETE FROM members WHERE user = :user AND conversation = :room AND since = :since"
# The room does not exist if its own record was in a batch that failed.
_ENTER: Final = """
INSERT INTO members (user, conversation, since, owner)
SELECT :user, :room, :since, :owner WHERE EXISTS (SELECT 1 FROM rooms WHERE id = :room)
"""
_MESSAGE_AFTER: Final = "SELECT 1 FROM messages WHERE conversation = ? AND seq > ? LIMIT 1"


def _token_row(token: TokenRecord) -> tuple[object, ...]:
    places = None if token.places is None else json.encode(token.places).decode()
    return astuple(replace(token, places=places))


class RecordWriter:
    """Writes records within the transactions of its caller.

    Args:
        connection: the writer's.
        deleted: the ids of deleted messages.
    """

    def __init__(self, connection: sqlite3.Connection, deleted: Deleted) -> None:
        self._connection = connection
        self._deleted = deleted

    def write(self, record: Record, newest: int) -> None:  # noqa: C901 (a table of records)
        """Write a record after the newest message, given by its ``seq``."""
        execute = self._connection.execute
        match record:
            case KeyRecord() | DropKey() | Rename() | Seen() | UseToken() | DropToken():
                execute(_STATEMENTS[type(record)], record)
            case UserRecord():
                execute(_ADD_USER, astuple(record))
            case TokenRecord():
                execute(_ADD_TOKEN, _token_row(record))
            case RoomRecord():
                write_room(self._connection, record)
            case Ruling():
                self._write_ruling(record)
            case Lookup():
                self._look_up(record)
            case Enter():
                self._enter(record, newest)
            case Leave():
                execute(_LEAVE, {**record._asdict(), "newest": newest})
            case SetOwner():
                execute(_SET_OWNER, record._asdict())
            case Barrier() | Probe():
                pass

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

    def _write_ruling(self, ruling: Ruling) -> None:
        if ruling.value is None:
            self._connection.execute(_DROP_RULING, ruling[:2])
        else:
            self._connection.execute(_SET_RULING, ruling)

    def _look_up(self, lookup: Lookup) -> None:
        found = self._connection.execute(_FIND_MESSAGE, (lookup.id,)).fetchone()
        found = found or self._deleted.find(lookup.id, lookup.by)
        lookup.sender, lookup.seq, lookup.at = found or (0, 0, 0)

    def _enter(self, record: Enter, newest: int) -> None:
        execute, member = self._connection.execute, record._asdict()
        since = newest
        period = execute(_PERIOD, member).fetchone()
        if period is not None:
            begun, ended = period
            if ended is None:
                return
            # If the room has no message since the user left it, the former period is continued: leaving and coming
            # back over and over must not leave a row each time. The row is made anew, because the order of the rows
            # is that in which users entered.
            if begun == since or execute(_MESSAGE_AFTER, (record.room, ended)).fetchone() is None:
                since = begun
                execute(_DROP_PERIOD, {**member, "since": begun})
        execute(_ENTER, {**member, "since": since})
