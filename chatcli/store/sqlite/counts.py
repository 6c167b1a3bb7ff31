"""Counts what a user has missed: messages in rooms, and unread messages by conversation."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec.structs import asdict

from chatcli.store.queries import Backlog, BacklogQuery, Unread, UnreadQuery
from chatcli.store.sqlite.damage import tolerating_damage
from chatcli.store.sqlite.periods import Period, periods_after

MAX_COUNT: Final = 1000  # messages of a conversation; with more of them nobody wants to know the number
MAX_CONVERSATIONS: Final = 500
_DEPTHS: Final = (MAX_COUNT, 5000)  # messages of a conversation to look at; the user's own may be among them
_MAX_SCANNED: Final = 100_000  # messages in all: half a second where they lie far apart

# The rooms of which the user is a member: they could not read back what is left out of a private one that they left.
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
_COUNT_MISSED: Final = f"SELECT count(*) {_UNREAD}"

_NEWEST: Final = "SELECT max(seq) FROM messages WHERE conversation = ? AND seq > ? AND seq <= ?"
# Messages to oneself are news for one's other devices; messages to others are not. Nor are answers, and questions that
# are answered, withdrawn or over: nothing waits there for anybody. Damage may have made anything of `extra`.
_COUNT_UNREAD: Final = """
SELECT count(*), coalesce(sum(unread), 0), max(iif(unread, seq, NULL)), coalesce(sum(unread AND mention), 0) FROM (
    SELECT seq, :name <> '' AND sender <> :user AND mentions(text, :name) AS mention, (sender <> :user OR :own) AND CASE
        WHEN extra IS NULL OR NOT json_valid(extra) THEN 1
        WHEN json_extract(extra, '$.answer') IS NOT NULL OR json_extract(extra, '$.until') < :now THEN 0
        ELSE json_extract(extra, '$.choices') IS NULL
            OR NOT EXISTS (SELECT 1 FROM answers WHERE question = messages.seq)
    END AS unread FROM messages
    WHERE conversation = :conversation AND seq > :after AND seq <= :upto
    ORDER BY seq DESC LIMIT :most
)
"""


def read_backlog(connection: sqlite3.Connection, query: BacklogQuery) -> tuple[list[Backlog], int]:
    """Return the rooms in which much was missed, and the number of rooms left out because they are damaged."""
    backlogs = []
    damaged = 0
    for (room,) in connection.execute(_ROOMS, (query.user,)).fetchall():
        with tolerating_damage() as damage:
            backlog = _read_room(connection, room, query)
            if backlog is not None:
                backlogs.append(backlog)
        damaged += damage.met
    return backlogs, damaged


def _read_room(connection: sqlite3.Connection, room: int, query: BacklogQuery) -> Backlog | None:
    bounds = {**asdict(query), "room": room}
    (count,) = connection.execute(_ALL, bounds).fetchone()
    if count <= query.newest:
        return None
    floor = connection.execute(_FLOOR, bounds).fetchone()
    if floor is None:
        return None
    (count,) = connection.execute(_COUNT_MISSED, {**bounds, "upto": floor[0]}).fetchone()
    return Backlog(room, count, floor[0])


def read_unread(connection: sqlite3.Connection, query: UnreadQuery) -> tuple[list[Unread], int]:
    """Return the unread messages by conversation, newest first, and the number of periods that are damaged."""
    periods, damaged = _written_periods(connection, query)
    found: dict[int, Unread] = {}
    left = _MAX_SCANNED
    for period in periods:
        if left <= 0 or len(found) >= MAX_CONVERSATIONS:
            break
        count = newest = mentioned = 0
        with tolerating_damage() as damage:
            scanned, count, newest, mentioned = _count(connection, query, period)
            left -= scanned
        damaged += damage.met
        if count:
            before = found.get(period.of, Unread(period.of, 0, newest))
            found[period.of] = Unread(
                period.of,
                min(before.count + count, MAX_COUNT),
                max(before.newest, newest),
                min(before.mentions + mentioned, MAX_COUNT),
            )
    return sorted(found.values(), key=lambda one: one.newest, reverse=True), damaged


def _written_periods(connection: sqlite3.Connection, query: UnreadQuery) -> tuple[list[Period], int]:
    """Return the periods that have messages, the newest message first; a room may have several."""
    found: list[tuple[int, Period]] = []
    damaged = 0
    earliest = min([query.after, *query.reads.values()])
    for written in periods_after(connection, user=query.user, after=earliest):
        period = written._replace(after=max(written.after, query.reads.get(written.of, query.after)))
        with tolerating_damage() as damage:
            (newest,) = connection.execute(_NEWEST, period[:3]).fetchone()
            if newest is not None:
                found.append((newest, period))
        damaged += damage.met
    return [period for _, period in sorted(found, reverse=True)], damaged


def _count(connection: sqlite3.Connection, query: UnreadQuery, period: Period) -> tuple[int, int, int, int]:
    """Return the number of messages looked at, that of unread ones, the newest of these, and that of mentions."""
    bounds = {
        "user": query.user,
        "own": period.of == query.user,
        "conversation": period.conversation,
        "after": period.after,
        "upto": period.upto,
        "now": query.now,
        "name": query.name if period.of < 0 else "",
    }
    scanned = count = newest = mentioned = total = 0
    for depth in _DEPTHS:
        scanned, count, newest, mentioned = connection.execute(_COUNT_UNREAD, {**bounds, "most": depth}).fetchone()
        total += scanned
        if scanned < depth or count >= MAX_COUNT:
            break
    return total, count, newest or 0, mentioned
