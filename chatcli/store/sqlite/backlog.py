"""Counts what someone has missed in rooms."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec.structs import asdict

from chatcli.store.queries import Backlog, BacklogQuery
from chatcli.store.sqlite.rows import is_damage

# Those that the user belongs to now: of a private one that they have left they could not read back what is left out.
_ROOMS: Final = "SELECT DISTINCT conversation FROM members WHERE user = ? AND conversation < 0 AND until IS NULL"
_MISSED: Final = """
FROM members
JOIN messages ON messages.conversation = members.conversation
     AND messages.seq > max(:after, members.since) AND messages.seq <= min(:upto, coalesce(members.until, :upto))
WHERE members.user = :user AND members.conversation = :room AND coalesce(members.until, :upto) > :after
"""
_ALL: Final = f"SELECT count(*) {_MISSED}"
_UNREAD: Final = f"{_MISSED} AND NOT (:unread_only AND messages.sender = :user)"
_FLOOR: Final = f"SELECT messages.seq {_UNREAD} ORDER BY messages.seq DESC LIMIT 1 OFFSET :newest"
_COUNT: Final = f"SELECT count(*) {_UNREAD}"


def read_backlog(connection: sqlite3.Connection, query: BacklogQuery) -> tuple[list[Backlog], int]:
    """Return in which rooms much was missed, and how often damage was in the way: a room like that is left out."""
    backlogs = []
    damaged = 0
    for (room,) in connection.execute(_ROOMS, (query.user,)).fetchall():
        try:
            backlog = _read_room(connection, room, query)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            damaged += 1
        else:
            if backlog is not None:
                backlogs.append(backlog)
    return backlogs, damaged


def _read_room(connection: sqlite3.Connection, room: int, query: BacklogQuery) -> Backlog | None:
    bounds = {**asdict(query), "room": room}
    (count,) = connection.execute(_ALL, bounds).fetchone()
    if count <= query.newest:
        return None
    floor = connection.execute(_FLOOR, bounds).fetchone()
    if floor is None:
        return None
    (count,) = connection.execute(_COUNT, {**bounds, "upto": floor[0]}).fetchone()
    return Backlog(room, count, floor[0])
