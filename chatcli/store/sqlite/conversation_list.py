"""Lists the conversations of a user."""

from __future__ import annotations

import sqlite3
from typing import Final

from chatcli.store.queries import Conversation, ConversationPage, ConversationsQuery
from chatcli.store.records import MessageRow
from chatcli.store.sqlite.counts import read_unread
from chatcli.store.sqlite.damage import END, read_each
from chatcli.store.sqlite.rows import COLUMNS

# A member of a room may read back the messages of their own time there; in a room that everyone may read, all of them.
# The newest message is the same in both: the present membership has no end.
_NEWEST: Final = """
SELECT CASE WHEN members.conversation < 0 THEN members.conversation
            WHEN conversations.low = :user THEN conversations.high ELSE conversations.low END,
       (SELECT max(seq) FROM messages WHERE messages.conversation = members.conversation AND seq > members.since)
           AS newest
FROM members JOIN conversations ON conversations.id = members.conversation
WHERE members.user = :user AND members.until IS NULL AND newest < :before
ORDER BY newest DESC LIMIT :most
"""
_MESSAGE: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.seq = :seq
"""  # noqa: S608 (our own columns)


def read_conversations(connection: sqlite3.Connection, query: ConversationsQuery) -> tuple[ConversationPage, int]:
    """Return the user's conversations, newest first, and how often damage was met."""
    bounds = {
        "user": query.user,
        "before": END if query.before is None else query.before,
        "most": query.limit + 1,
    }
    listed = connection.execute(_NEWEST, bounds).fetchall()
    more = len(listed) > query.limit
    listed = listed[: query.limit]
    unread, damaged = read_unread(connection, query.unread)
    counts = {one.of: one for one in unread}
    rows: dict[int, MessageRow | None] = dict(read_each(connection, _MESSAGE, {}, [newest for _, newest in listed]))
    damaged += sum(row is None for row in rows.values())
    conversations = []
    for of, newest in listed:
        count = counts.get(of)
        last = rows.get(newest)
        conversations.append(
            Conversation(of, last) if count is None else Conversation(of, last, count.count, count.mentions)
        )
    return ConversationPage(conversations, more), damaged
