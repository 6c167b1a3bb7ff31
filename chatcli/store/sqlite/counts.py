"""Counts what a user has missed: messages in rooms, and unread messages by conversation."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import asdict

from chatcli.protocol.frames import MAX_COUNT
from chatcli.protocol.values.mentions import mentions
from chatcli.store.queries import Backlog, BacklogQuery, Unread, UnreadQuery
from chatcli.store.sqlite.damage import tolerating_damage
from chatcli.store.sqlite.periods import Period, unread_periods

MAX_CONVERSATIONS: Final = 500
_DEPTHS: Final = (MAX_COUNT, 5000)  # messages of a conversation to look at; the user's own may be among them
_MAX_SCANNED: Final = 100_000  # messages in all: half a second where they lie far apart
_MAX_TEXT: Final = 4000  # characters of a message in which the user's name is looked for
_MAX_TEXTS: Final = 20_000_000  # bytes of all such texts, half a second
_decode: Final = msgspec.json.Decoder(list[str]).decode

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

# Messages to oneself are news for one's other devices; messages to others are not. Nor are answers, and questions that
# are answered, withdrawn or over: nothing waits there for anybody. Damage may have made anything of `extra`.
_LOOKED_AT: Final = """
seq, (sender <> :user OR :own) AND CASE
    WHEN extra IS NULL OR NOT json_valid(extra) THEN 1
    WHEN json_extract(extra, '$.answer') IS NOT NULL OR json_extract(extra, '$.until') < :now THEN 0
    ELSE json_extract(extra, '$.choices') IS NULL
        OR NOT EXISTS (SELECT 1 FROM answers WHERE question = messages.seq)
END AS unread
"""
_OF_PERIOD: Final = """
FROM messages WHERE conversation = :conversation AND seq > :after AND seq <= :upto ORDER BY seq DESC LIMIT :most
"""
_COUNTED: Final = "count(*), coalesce(sum(unread), 0), coalesce(max(iif(unread, seq, NULL)), 0)"
_COUNT_UNREAD: Final = f"SELECT {_COUNTED}, x'5b5d' FROM (SELECT {_LOOKED_AT} {_OF_PERIOD})"  # noqa: S608 (our own text)
# The texts come in one piece: a function that SQLite calls for each of them would wait each time until the server's
# loop lets go of the interpreter.
_COUNT_MENTIONS: Final = f"""
SELECT {_COUNTED}, CAST(json_group_array(text) FILTER (WHERE unread AND sender <> :user) AS BLOB)
FROM (SELECT sender, iif(typeof(text) = 'text', substr(text, 1, {_MAX_TEXT}), '') AS text, {_LOOKED_AT} {_OF_PERIOD})
"""  # noqa: S608 (our own text)


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


def read_unread(
    connection: sqlite3.Connection, query: UnreadQuery, within: Sequence[int] | None = None
) -> tuple[list[Unread], int]:
    """Return the unread messages by conversation, newest first, and the number of periods that are damaged.

    Args:
        connection: to the log.
        query: the query.
        within: only these conversations.
    """
    found: dict[int, Unread] = {}
    damaged = 0
    left, left_texts = _MAX_SCANNED, _MAX_TEXTS
    for period in unread_periods(connection, query, within):  # a room may have several
        if left <= 0 or len(found) >= MAX_CONVERSATIONS:
            break
        with tolerating_damage() as damage:
            scanned, counted, size = _count(connection, query, period, with_mentions=left_texts > 0)
            left, left_texts = left - scanned, left_texts - size
            if counted.count:
                before = found.get(period.of)
                found[period.of] = counted if before is None else _sum(before, counted)
        damaged += damage.met
    return sorted(found.values(), key=lambda one: one.newest, reverse=True), damaged


def _sum(one: Unread, other: Unread) -> Unread:
    return Unread(
        one.of,
        min(one.count + other.count, MAX_COUNT),
        max(one.newest, other.newest),
        min(one.mentions + other.mentions, MAX_COUNT),
    )


def _count(
    connection: sqlite3.Connection, query: UnreadQuery, period: Period, *, with_mentions: bool
) -> tuple[int, Unread, int]:
    """Return the number of messages looked at, the unread ones, and the size of the texts searched for mentions."""
    searched = period.of < 0 and query.name != "" and with_mentions
    bounds = {
        "user": query.user,
        "own": period.of == query.user,
        "conversation": period.conversation,
        "after": period.after,
        "upto": period.upto,
        "now": query.now,
    }
    statement = _COUNT_MENTIONS if searched else _COUNT_UNREAD
    scanned = count = newest = total = 0
    texts = b"[]"
    for depth in _DEPTHS:
        scanned, count, newest, texts = connection.execute(statement, {**bounds, "most": depth}).fetchone()
        total += scanned
        if scanned < depth or count >= MAX_COUNT:
            break
    mentioned = sum(mentions(text, query.name) for text in _decode(texts.decode(errors="replace")))
    return total, Unread(period.of, min(count, MAX_COUNT), newest, min(mentioned, MAX_COUNT)), len(texts)
