"""Reads from the log beside the writer, on connections of their own."""

from __future__ import annotations

import sqlite3
from typing import Final

from chatcli.store.log import FeedPage, FeedQuery, FeedRow, KeyRecord, Ruling, UserRecord

_PAGE_TEXT: Final = 128 * 1024  # characters: a page ends behind the message with which it has so many

_FEED = """
SELECT messages.seq, messages.id, messages.sender,
       CASE messages.sender WHEN conversations.low THEN conversations.high ELSE conversations.low END,
       messages.at, messages.text
FROM members
JOIN conversations ON conversations.id = members.conversation
JOIN messages ON messages.conversation = members.conversation
WHERE members.user = :user AND messages.seq > :after AND messages.seq <= :upto
  AND (NOT :unread_only OR messages.sender <> :user OR conversations.low = conversations.high)
ORDER BY messages.seq
LIMIT :limit
"""


def read_feed(connection: sqlite3.Connection, query: FeedQuery) -> FeedPage:
    """Read a stretch of someone's feed, in order."""
    rows = []
    size = 0
    for values in connection.execute(_FEED, query._asdict()):
        row = FeedRow(*values)
        rows.append(row)
        size += len(row.text)
        if size >= _PAGE_TEXT:
            return FeedPage(rows, complete=False)
    return FeedPage(rows, complete=len(rows) < query.limit)


def read_users(connection: sqlite3.Connection) -> list[UserRecord]:
    """Read everyone who has ever been here, the longest known first."""
    rows = connection.execute("SELECT id, name, key, created, cursor FROM users ORDER BY id")
    return [UserRecord(*row) for row in rows]


def read_keys(connection: sqlite3.Connection) -> list[KeyRecord]:
    """Read the keys of all users, the oldest first."""
    return [KeyRecord(*row) for row in connection.execute("SELECT user, key, since FROM keys ORDER BY since")]


def read_rulings(connection: sqlite3.Connection) -> list[Ruling]:
    """Read what the operators have decided."""
    return [Ruling(*row) for row in connection.execute("SELECT kind, subject, value FROM rulings")]


def read_head(connection: sqlite3.Connection) -> int:
    """Read the newest ``seq``, 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
