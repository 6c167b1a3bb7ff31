"""Counts what someone has not been shown, by conversation."""

from __future__ import annotations

import sqlite3
from typing import Final

from msgspec.structs import asdict

from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.sqlite.rows import END, is_damage

MOST_COUNTED: Final = 1000  # messages of a conversation; with more of them nobody wants to know the number
MOST_CONVERSATIONS: Final = 500
_DEPTHS: Final = (MOST_COUNTED, 5000)  # messages of a conversation to look at; the user's own may be among them
_LOOKED_AT: Final = 100_000  # messages in all: half a second where they lie far apart

_STRETCHES: Final = """
SELECT members.conversation, max(:after, members.since), coalesce(members.until, :end),
       CASE WHEN members.conversation < 0 THEN members.conversation
            WHEN conversations.low = :user THEN conversations.high ELSE conversations.low END
FROM members
JOIN conversations ON conversations.id = members.conversation
WHERE members.user = :user AND coalesce(members.until, :end) > :after
"""
# Of what someone has left, or belongs to in many periods, SQLite leaves out by itself in what nothing was said.
_SAID_IN: Final = f"""
{_STRETCHES} AND EXISTS (
    SELECT 1 FROM messages WHERE messages.conversation = members.conversation
      AND messages.seq > max(:after, members.since) AND messages.seq <= coalesce(members.until, :end)
)
"""  # noqa: S608 (our own text)
_NEWEST: Final = "SELECT max(seq) FROM messages WHERE conversation = ? AND seq > ? AND seq <= ?"
# What is said to oneself is news for one's other devices; what is said to others is not. Nor are answers, and questions
# that are answered, withdrawn or over: nothing waits there for anybody. Damage may have made anything of `extra`.
_COUNT: Final = """
SELECT count(*), coalesce(sum(told), 0), max(iif(told, seq, NULL)) FROM (
    SELECT seq, (sender <> :user OR :own) AND CASE
        WHEN extra IS NULL OR NOT json_valid(extra) THEN 1
        WHEN json_extract(extra, '$.answer') IS NOT NULL OR json_extract(extra, '$.until') < :now THEN 0
        ELSE json_extract(extra, '$.choices') IS NULL
            OR NOT EXISTS (SELECT 1 FROM answers WHERE question = messages.seq)
    END AS told FROM messages
    WHERE conversation = :conversation AND seq > :after AND seq <= :upto
    ORDER BY seq DESC LIMIT :most
)
"""

_Stretch = tuple[int, int, int, int, int]  # the newest seq, the conversation, behind which, up to which, with whom


def read_unread(connection: sqlite3.Connection, query: UnreadQuery) -> tuple[list[Unread], int]:
    """Count what is unread, the newest conversation first; return how often damage was in the way, too."""
    stretches, damaged = _stretches(connection, query)
    found: dict[int, Unread] = {}
    left = _LOOKED_AT
    for _, conversation, after, upto, other in stretches:
        if left <= 0 or len(found) >= MOST_CONVERSATIONS:
            break
        bounds = {
            "user": query.user,
            "own": other == query.user,
            "conversation": conversation,
            "after": after,
            "upto": upto,
            "now": query.now,
        }
        try:
            for depth in _DEPTHS:
                looked_at, count, newest = connection.execute(_COUNT, {**bounds, "most": depth}).fetchone()
                left -= looked_at
                if looked_at < depth or count >= MOST_COUNTED:
                    break
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            damaged += 1
            continue
        if count:
            before = found.get(other, Unread(other, 0, newest))
            found[other] = Unread(other, min(before.count + count, MOST_COUNTED), max(before.newest, newest))
    return sorted(found.values(), key=lambda one: one.newest, reverse=True), damaged


def _stretches(connection: sqlite3.Connection, query: UnreadQuery) -> tuple[list[_Stretch], int]:
    """Return where something was said that may be unread, the newest first: of a room there may be several."""
    found = []
    damaged = 0
    for conversation, after, upto, other in _places(connection, {**asdict(query), "end": END}):
        try:
            (newest,) = connection.execute(_NEWEST, (conversation, after, upto)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            damaged += 1
        else:
            if newest is not None:
                found.append((newest, conversation, after, upto, other))
    return sorted(found, reverse=True), damaged


def _places(connection: sqlite3.Connection, bounds: dict[str, int]) -> list[tuple[int, int, int, int]]:
    """Return the stretches of someone's conversations in which something was said, or all if the index cannot tell."""
    try:
        return connection.execute(_SAID_IN, bounds).fetchall()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return connection.execute(_STRETCHES, bounds).fetchall()
