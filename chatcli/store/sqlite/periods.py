"""The periods for which a user was a member of their conversations.

A user who enters and leaves a room over and over has many periods. Those in which nothing was written are sorted out
by SQLite itself, unless its index is damaged: then all of them are returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from chatcli.store.queries import UnreadQuery
from chatcli.store.sqlite.damage import END, tolerating_damage

_OF_ROOM: Final = """
SELECT since, coalesce(until, :end) AS upto FROM members
WHERE user = :user AND conversation = :room AND since < :end AND coalesce(until, :end) > :after
"""
_WRITTEN_OF_ROOM: Final = f"""
{_OF_ROOM}
AND EXISTS (SELECT 1 FROM messages WHERE conversation = :room AND seq > since AND seq <= coalesce(until, :end))
"""  # noqa: S608 (our own text)
_BACK: Final = "ORDER BY since DESC"
_FORTH: Final = "ORDER BY since"

# Each conversation is read from the user's position there, or from the general one if they have none.
_OF_USER: Final = """
WITH positions (of, seq) AS MATERIALIZED (SELECT CAST(key AS INTEGER), value FROM json_each(:reads)),
belonging (conversation, since, upto, of) AS (
    SELECT members.conversation, members.since, coalesce(members.until, :end),
           CASE WHEN members.conversation < 0 THEN members.conversation
                WHEN conversations.low = :user THEN conversations.high ELSE conversations.low END
    FROM members
    JOIN conversations ON conversations.id = members.conversation
    WHERE members.user = :user
      AND (:within IS NULL OR members.conversation IN (SELECT value FROM json_each(:within)))
),
periods (conversation, after, upto, of) AS (
    SELECT conversation, max(since, coalesce(seq, :after)), upto, of FROM belonging LEFT JOIN positions USING (of)
)
"""
_ALL_OF_USER: Final = f"{_OF_USER} SELECT conversation, after, upto, of FROM periods WHERE after < upto"  # noqa: S608 (our own text)
_NEWEST: Final = """
SELECT max(seq) FROM messages
WHERE messages.conversation = periods.conversation AND messages.seq > periods.after AND messages.seq <= periods.upto
"""
_WRITTEN_OF_USER: Final = f"""
{_OF_USER}, written AS MATERIALIZED (SELECT *, ({_NEWEST}) AS newest FROM periods WHERE after < upto)
SELECT conversation, after, upto, of FROM written WHERE newest IS NOT NULL ORDER BY newest DESC
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


def periods_in_room(
    connection: sqlite3.Connection, *, user: int, room: int, bounds: tuple[int, int], forward: bool
) -> Iterator[tuple[int, int]]:
    """Yield the bounds of a user's periods in a room, as they are wanted.

    Args:
        connection: to the log.
        user: the user's id.
        room: the room's id.
        bounds: only periods with a ``seq`` after the first and up to the second of these.
        forward: whether the oldest comes first, and not the newest.
    """
    order = _FORTH if forward else _BACK
    left = {"user": user, "room": room, "after": bounds[0], "end": bounds[1]}
    with tolerating_damage() as damage:
        for since, upto in connection.execute(f"{_WRITTEN_OF_ROOM} {order}", left):
            left.update({"after": upto} if forward else {"end": since})
            yield since, upto
    if damage.met:
        yield from connection.execute(f"{_OF_ROOM} {order}", left)


def unread_periods(
    connection: sqlite3.Connection, query: UnreadQuery, within: Sequence[int] | None = None
) -> list[Period]:
    """Return the periods after a user's read positions, the one with the newest message first.

    Args:
        connection: to the log.
        query: has the positions.
        within: only the periods in these conversations.
    """
    bounds = {
        "user": query.user,
        "after": query.after,
        "reads": _encode(query.reads),
        "within": None if within is None else _encode(within),
        "end": END,
    }
    with tolerating_damage():
        return [Period._make(row) for row in connection.execute(_WRITTEN_OF_USER, bounds)]
    return [Period._make(row) for row in connection.execute(_ALL_OF_USER, bounds)]


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()
