"""Reads what is held in memory while the log is open."""

from __future__ import annotations

import sqlite3

from chatcli.store.interface import State
from chatcli.store.records import KeyRecord, MemberRecord, RoomRecord, Ruling, UserRecord


def read_state(connection: sqlite3.Connection) -> State:
    """Read everything but the messages."""
    return State(
        users=read_users(connection),
        keys=read_keys(connection),
        rulings=read_rulings(connection),
        rooms=read_rooms(connection),
        members=read_members(connection),
    )


def read_users(connection: sqlite3.Connection) -> list[UserRecord]:
    """Read everyone who has ever been here, the longest known first."""
    rows = connection.execute("SELECT id, name, key, created, cursor, shown, seen FROM users ORDER BY id")
    return [
        UserRecord(id=identity, name=name, key=key, created=created, cursor=cursor, shown=shown, seen=seen)
        for identity, name, key, created, cursor, shown, seen in rows
    ]


def read_keys(connection: sqlite3.Connection) -> list[KeyRecord]:
    """Read the keys of all users, the oldest first."""
    return [KeyRecord(*row) for row in connection.execute("SELECT user, key, since FROM keys ORDER BY since")]


def read_rulings(connection: sqlite3.Connection) -> list[Ruling]:
    """Read what the operators have decided."""
    return [Ruling(*row) for row in connection.execute("SELECT kind, subject, value FROM rulings")]


def read_rooms(connection: sqlite3.Connection) -> list[RoomRecord]:
    """Read all rooms, the longest there first."""
    rows = connection.execute("SELECT id, name, key, kind, topic, created FROM rooms ORDER BY id DESC")
    return [
        RoomRecord(id=identity, name=name, key=key, kind=kind, topic=topic, created=created)
        for identity, name, key, kind, topic, created in rows
    ]


def read_members(connection: sqlite3.Connection) -> list[MemberRecord]:
    """Read who belongs to which room, in the order in which they came."""
    rows = connection.execute(
        "SELECT user, conversation, since, owner FROM members "
        "WHERE conversation < 0 AND until IS NULL ORDER BY conversation DESC, rowid"
    )
    return [MemberRecord(user, room, since, bool(owner)) for user, room, since, owner in rows]


def read_head(connection: sqlite3.Connection) -> int:
    """Read the newest ``seq`` that was ever used, 0 where there is none; its message may have been pruned."""
    (newest,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    return max(int(newest), read_mark(connection, "pruned"))


def read_mark(connection: sqlite3.Connection, name: str) -> int:
    """Read one of the log's marks: ``pruned``, the newest ``seq`` removed, or ``removed``, how many were."""
    row = connection.execute("SELECT seq FROM marks WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0
