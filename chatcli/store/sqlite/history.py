"""Reads conversations from their newest message back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from chatcli.store.queries import ContactsQuery, HistoryQuery, NewestQuery, Page, Question, QuestionQuery
from chatcli.store.records import MessageRow
from chatcli.store.sqlite.rows import COLUMNS, END, PAGE_TEXT, is_damage, read_each, size_of

# Clocks are set back now and then, and imports bring old messages behind new ones: so many older ones in a row, and
# there are no newer ones.
_OLD_IN_A_ROW: Final = 50_000
_WALK: Final = 100_000  # seqs to try one by one where the index is damaged

_CONVERSATION: Final = "SELECT id FROM conversations WHERE low = ? AND high = ?"
# Who leaves and comes back without end has many periods; those in which nothing was said never leave SQLite.
_PERIODS: Final = """
SELECT since, coalesce(until, :end) AS upto FROM members
WHERE user = :user AND conversation = :of AND since < :end
  AND EXISTS (SELECT 1 FROM messages WHERE conversation = :of AND seq > since AND seq <= coalesce(until, :end))
ORDER BY since DESC
"""
_ALL_PERIODS: Final = """
SELECT since, coalesce(until, :end) FROM members
WHERE user = :user AND conversation = :of AND since < :end ORDER BY since DESC
"""
_SELECT: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.conversation = :conversation
"""  # noqa: S608 (our own columns)
_BACK: Final = f"{_SELECT} AND messages.seq > :since AND messages.seq <= :until ORDER BY messages.seq DESC"
_NEWER: Final = """
SELECT seq FROM (
    SELECT seq, at FROM messages WHERE conversation = :conversation AND seq > :since AND seq <= :until
    ORDER BY seq DESC LIMIT :most
) WHERE at >= :oldest LIMIT 1
"""
_ONE: Final = f"{_SELECT} AND messages.seq = :seq"
_SEQS: Final = """
SELECT seq FROM messages WHERE conversation = :conversation AND seq > :since AND seq <= :until ORDER BY seq DESC
"""
_MESSAGE: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.seq = :seq
"""  # noqa: S608 (our own columns)
_ANSWER: Final = "SELECT seq FROM answers WHERE question = ?"
_CONTACTS: Final = """
SELECT CASE conversations.low WHEN :user THEN conversations.high ELSE conversations.low END,
       (SELECT max(seq) FROM messages WHERE messages.conversation = conversations.id) AS newest
FROM members
JOIN conversations ON conversations.id = members.conversation
WHERE members.user = :user AND members.conversation > 0 AND conversations.low <> conversations.high
ORDER BY newest DESC
LIMIT :limit
"""


def read_history(connection: sqlite3.Connection, query: HistoryQuery) -> tuple[Page, int]:
    """Read a page of a conversation, the oldest first; return how often damage was in the way, too."""
    rows: list[MessageRow] = []
    size = damaged = 0
    more = False
    for row in _back(connection, query):
        if row is None:
            damaged += 1
        elif query.since is not None and row.at < query.since:
            continue
        elif len(rows) >= query.limit or size >= PAGE_TEXT:
            more = True
            break
        else:
            rows.append(row)
            size += size_of(row)
    return Page(rows[::-1], more), damaged


def _back(connection: sqlite3.Connection, query: HistoryQuery) -> Iterator[MessageRow | None]:
    conversation = query.of if query.of < 0 else find_conversation(connection, query.user, query.of)
    if conversation is None:
        return
    end = END if query.before is None else query.before - 1
    periods: Iterable[tuple[int, int]] = [(0, end)]
    if query.own and query.of < 0:
        periods = _periods(connection, {"user": query.user, "of": query.of, "end": end})
    for since, until in periods:
        yield from _period(connection, conversation, since, min(until, end), query.since)


def _periods(connection: sqlite3.Connection, bounds: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Yield the periods in which someone belonged to a room, the newest first, as they are wanted."""
    begun = bounds["end"]
    try:
        for since, until in connection.execute(_PERIODS, bounds):
            begun = since
            yield since, until
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        # Where the index cannot tell in which of them something was said, all of them are looked at.
        yield from connection.execute(_ALL_PERIODS, {**bounds, "end": begun})


def find_conversation(connection: sqlite3.Connection, user: int, other: int) -> int | None:
    """Return which conversation two people have, None if they have none."""
    row = connection.execute(_CONVERSATION, (min(user, other), max(user, other))).fetchone()
    return row[0] if row else None


def _period(
    connection: sqlite3.Connection, conversation: int, since: int, until: int, oldest: int | None = None
) -> Iterator[MessageRow | None]:
    """Yield messages, ``since < seq <= until``, the newest first; None whenever damage is in the way.

    Most of those that are older than ``oldest`` are left out.
    """
    bounds = {"conversation": conversation, "since": since, "until": until}
    try:
        while bounds["until"] > since:
            for row in _rows(connection, bounds):
                if oldest is not None and row.at < oldest:
                    break
                yield row
                bounds["until"] = row.seq - 1
            else:
                return
            # They may be many, and SQLite goes over them in far less time: 50,000 in 25 ms.
            newer = connection.execute(_NEWER, {**bounds, "oldest": oldest, "most": _OLD_IN_A_ROW}).fetchone()
            if newer is None:
                return
            bounds["until"] = newer[0]
    except (sqlite3.DatabaseError, TypeError) as error:
        if not is_damage(error):
            raise
        yield None
        for _, found in read_each(connection, _ONE, bounds, _seqs(connection, bounds)):
            yield found


def _rows(connection: sqlite3.Connection, bounds: dict[str, int]) -> Iterator[MessageRow]:
    for values in connection.execute(_BACK, bounds):
        row = MessageRow._make(values)
        len(row.text)  # a TypeError where damage has made it something else than a text
        yield row


def _seqs(connection: sqlite3.Connection, bounds: dict[str, int]) -> Iterable[int]:
    """Return the places where messages of the conversation are, or else all of them for a good way back."""
    try:
        return [seq for (seq,) in connection.execute(_SEQS + f"LIMIT {_WALK}", bounds)]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    (head,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    newest = min(bounds["until"], head)
    return range(newest, max(bounds["since"], newest - _WALK), -1)


def read_newest(connection: sqlite3.Connection, query: NewestQuery) -> tuple[dict[int, MessageRow], int]:
    """Read the newest message of each room that has any; return how often damage was in the way, too."""
    newest = {}
    damaged = 0
    for room in query.rooms:
        of_room = HistoryQuery(user=query.user, of=room, limit=1, own=room in query.own)
        for row in _back(connection, of_room):
            if row is not None:
                newest[room] = row
                break
            damaged += 1
    return newest, damaged


def read_question(connection: sqlite3.Connection, query: QuestionQuery) -> tuple[list[Question], int]:
    """Read the message with that ``seq``, if there is one, and what answers it; return how often damage was in the way.

    Where the answer is damaged it is as if there were none.
    """
    seq = query.seq
    answer = connection.execute(_ANSWER, (seq,)).fetchone()
    rows = dict(read_each(connection, _MESSAGE, {}, [seq, *(answer or ())]))
    question = rows.get(seq)
    damaged = sum(row is None for row in rows.values())
    return [] if question is None else [Question(question, rows.get(answer[0]) if answer else None)], damaged


def read_contacts(connection: sqlite3.Connection, query: ContactsQuery) -> tuple[list[int], int]:
    """Read with whom the user talked, the latest first; return how often damage was in the way, too."""
    bounds = {"user": query.user, "limit": query.limit}
    return [contact for contact, _ in connection.execute(_CONTACTS, bounds)], 0
