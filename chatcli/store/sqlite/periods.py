"""The periods for which a user was a member of their conversations.

A user who enters and leaves a room over and over has many periods. Those in which nothing was written are sorted out
by SQLite itself, unless its index is damaged: then all of them are returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from chatcli.store.sqlite.damage import END, tolerating_damage

_OF_ROOM: Final = """
SELECT since, coalesce(until, :end) AS upto FROM members
WHERE user = :user AND conversation = :room AND since < :end
"""
_WRITTEN_OF_ROOM: Final = f"""
{_OF_ROOM}
AND EXISTS (SELECT 1 FROM messages WHERE conversation = :room AND seq > since AND seq <= coalesce(until, :end))
ORDER BY since DESC
"""  # noqa: S608 (our own text)
_ALL_OF_ROOM: Final = f"{_OF_ROOM} ORDER BY since DESC"

_OF_USER: Final = """
SELECT members.conversation, max(:after, members.since), coalesce(members.until, :end),
       CASE WHEN members.conversation < 0 THEN members.conversation
            WHEN conversations.low = :user THEN conversations.high ELSE conversations.low END
FROM members
JOIN conversations ON conversations.id = members.conversation
WHERE members.user = :user AND coalesce(members.until, :end) > :after
"""
_WRITTEN_OF_USER: Final = f"""
{_OF_USER} AND EXISTS (
    SELECT 1 FROM messages WHERE messages.conversation = members.conversation
      AND messages.seq > max(:after, members.since) AND messages.seq <= coalesce(members.until, :end)
)
"""  # noqa: S608 (our own text)


class Period(NamedTuple):
    """A period in a conversation: ``after < seq <= upto``.

    Attributes:
        conversation: its id.
        after: exclusive lower bound.
        upto: inclusive upper bound.
        of: the id of the other user, or of the room.
    """

    conversation: int
    after: int
    upto: int
    of: int


def periods_in_room(connection: sqlite3.Connection, *, user: int, room: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of a user's periods in a room up to ``end``, the newest first, as they are wanted."""
    oldest = end
    bounds = {"user": user, "room": room, "end": end}
    with tolerating_damage() as damage:
        for since, upto in connection.execute(_WRITTEN_OF_ROOM, bounds):
            oldest = since
            yield since, upto
    if damage.met:
        yield from connection.execute(_ALL_OF_ROOM, {**bounds, "end": oldest})


def periods_after(connection: sqlite3.Connection, *, user: int, after: int) -> list[Period]:
    """Return a user's periods in all of their conversations after a ``seq``."""
    bounds = {"user": user, "after": after, "end": END}
    with tolerating_damage():
        return [Period._make(row) for row in connection.execute(_WRITTEN_OF_USER, bounds)]
    return [Period._make(row) for row in connection.execute(_OF_USER, bounds)]
