"""Lists the conversations of a user."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from chatcli.store.queries import Conversation, ConversationPage, ConversationsQuery, Unread
from chatcli.store.records import MessageRow
from chatcli.store.sqlite.counts import read_unread
from chatcli.store.sqlite.damage import END, read_each, tolerating_damage
from chatcli.store.sqlite.rows import COLUMNS

_BELONGING: Final = """
SELECT DISTINCT members.conversation AS conversation,
       CASE WHEN members.conversation < 0 THEN members.conversation
            WHEN conversations.low = :user THEN conversations.high ELSE conversations.low END AS of,
       coalesce(rooms.kind = 'private', 0) AS guarded
FROM members
JOIN conversations ON conversations.id = members.conversation
LEFT JOIN rooms ON rooms.id = members.conversation
WHERE members.user = :user AND members.until IS NULL
"""
# Everyone in a room may read all that was ever written there; in a private one, what was written while they belonged to
# it. Most often the newest message is of their present time there.
_NEWEST: Final = """
CASE WHEN guarded THEN coalesce(
    (SELECT max(seq) FROM messages WHERE conversation = belonging.conversation AND seq > (
        SELECT max(since) FROM members WHERE user = :user AND conversation = belonging.conversation)),
    (SELECT max((SELECT max(seq) FROM messages WHERE conversation = members.conversation
                   AND seq > members.since AND seq <= coalesce(members.until, :end)))
     FROM members WHERE user = :user AND conversation = belonging.conversation)
) ELSE (SELECT max(seq) FROM messages WHERE conversation = belonging.conversation) END
"""
_PAGE: Final = f"""
WITH belonging AS MATERIALIZED ({_BELONGING}),
found AS MATERIALIZED (
    SELECT conversation, of, {_NEWEST} AS newest FROM belonging
    WHERE :only IS NULL OR of IN (SELECT value FROM json_each(:only))
)
SELECT conversation, of, newest FROM found WHERE newest < :before ORDER BY newest DESC LIMIT :most
"""  # noqa: S608 (our own text)
_NEWEST_OF_ONE: Final = f"""
SELECT {_NEWEST} FROM (SELECT :conversation AS conversation, :guarded AS guarded) AS belonging
"""  # noqa: S608 (likewise)
_MESSAGE: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.seq = :seq
"""  # noqa: S608 (our own columns)


def read_conversations(connection: sqlite3.Connection, query: ConversationsQuery) -> tuple[ConversationPage, int]:
    """Return the user's conversations, newest first, and how often damage was met."""
    # Of one moment: clients add what comes after the newest message to the counts.
    connection.execute("BEGIN")
    try:
        return _read_page(connection, query)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _read_page(connection: sqlite3.Connection, query: ConversationsQuery) -> tuple[ConversationPage, int]:
    listed, damaged = _list(connection, query)
    more = len(listed) > query.limit
    del listed[query.limit :]
    counted, damage = read_unread(connection, query.unread, [conversation for conversation, _, _ in listed])
    unread = {one.of: one for one in counted}
    rows: dict[int, MessageRow | None] = dict(read_each(connection, _MESSAGE, {}, [newest for _, _, newest in listed]))
    damaged += damage + sum(row is None for row in rows.values())
    conversations = []
    for _, of, newest in listed:
        count = unread.get(of, Unread(of, 0, 0))
        conversations.append(Conversation(of, rows.get(newest), count.count, count.mentions))
    return ConversationPage(conversations, more), damaged


def _list(connection: sqlite3.Connection, query: ConversationsQuery) -> tuple[list[tuple[int, int, int]], int]:
    """Return each conversation with the other user or the room, and its newest message; and how many are damaged.

    There is one more than wanted if there are more.
    """
    before = END if query.before is None else query.before
    only = None if query.only is None else json.dumps(sorted(query.only))
    bounds = {"user": query.user, "before": before, "end": END, "most": query.limit + 1, "only": only}
    with tolerating_damage():
        return connection.execute(_PAGE, bounds).fetchall(), 0
    found = []
    damaged = 0
    for conversation, of, guarded in connection.execute(_BELONGING, bounds).fetchall():
        if query.only is not None and of not in query.only:
            continue
        with tolerating_damage() as damage:
            one = {**bounds, "conversation": conversation, "guarded": guarded}
            (newest,) = connection.execute(_NEWEST_OF_ONE, one).fetchone()
            if newest is not None and newest < before:
                found.append((conversation, of, newest))
        damaged += damage.met
    return sorted(found, key=lambda one: one[2], reverse=True)[: query.limit + 1], damaged
