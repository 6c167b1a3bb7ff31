"""The conversations of two users, and those of rooms."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec.structs import astuple

from chatcli.store.records import RoomRecord

_FIND: Final = "SELECT id FROM conversations WHERE low = ? AND high = ?"
# Left to itself, SQLite would go on from the id of a room where there is nothing else.
_NEXT_ID: Final = "SELECT max(coalesce(max(id), 0), 0) + 1 FROM conversations"
_ADD: Final = "INSERT INTO conversations (id, low, high) VALUES (?, ?, ?)"
_ADD_MEMBER: Final = "INSERT INTO members (user, conversation) VALUES (?, ?)"
_ADD_ROOM: Final = "INSERT INTO rooms (id, name, key, look, kind, topic, created) VALUES (?, ?, ?, ?, ?, ?, ?)"


def find_conversation(connection: sqlite3.Connection, one: int, other: int) -> int | None:
    """Return the conversation of two users, None if they have none."""
    row = connection.execute(_FIND, (min(one, other), max(one, other))).fetchone()
    return row[0] if row else None


def ensure_conversation(connection: sqlite3.Connection, one: int, other: int) -> int:
    """Return the conversation of two users; it is added if they have none."""
    found = find_conversation(connection, one, other)
    if found is not None:
        return found
    (identity,) = connection.execute(_NEXT_ID).fetchone()
    connection.execute(_ADD, (identity, min(one, other), max(one, other)))
    # In an order of their own: that of a set is Python's, and the rows would differ from one version to another.
    connection.executemany(_ADD_MEMBER, [(user, identity) for user in sorted({one, other})])
    return int(identity)


def write_room(connection: sqlite3.Connection, room: RoomRecord) -> None:
    """Add a room with its conversation."""
    connection.execute("INSERT INTO conversations (id) VALUES (?)", (room.id,))
    connection.execute(_ADD_ROOM, astuple(room))
