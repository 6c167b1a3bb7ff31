"""Reads conversations from their newest message back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from chatcli.store.queries import ContactsQuery, HistoryQuery, NewestQuery, Page, PlacesQuery, Question, QuestionQuery
from chatcli.store.records import MessageRow, NameChangeRecord
from chatcli.store.sqlite.conversations import find_conversation
from chatcli.store.sqlite.damage import END, DamagedRow, is_whole, read_each, read_seqs, tolerating_damage
from chatcli.store.sqlite.name_changes import read_changes_of_name
from chatcli.store.sqlite.periods import periods_in_room
from chatcli.store.sqlite.rows import COLUMNS, PAGE_TEXT, size_of

# Clocks are set back now and then, and imports append old messages to new ones: only after this many older messages in
# a row are there no newer ones.
_OLD_IN_A_ROW: Final = 50_000
_WALK: Final = 100_000  # seqs to try one by one if the index is damaged

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
_SEQS: Final = f"""
SELECT seq FROM messages WHERE conversation = :conversation AND seq > :since AND seq <= :until ORDER BY seq DESC
LIMIT {_WALK}
"""  # noqa: S608 (our own number)
_MESSAGE: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.seq = :seq
"""  # noqa: S608 (our own columns)
_PLACE: Final = "SELECT max(seq) FROM messages WHERE conversation = ? AND seq <= ?"
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
    """Read a page of a conversation, the oldest message first; return how often damage was met, too."""
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
    return Page(rows[::-1], more, _changes(connection, query, rows[-1].seq if more else 0)), damaged


def _changes(connection: sqlite3.Connection, query: HistoryQuery, after: int) -> Sequence[NameChangeRecord]:
    """Return the changes of the other user's name that belong to a page whose messages follow a ``seq``."""
    if not query.name:
        return ()
    upto = END if query.before is None else query.before - 1
    return read_changes_of_name(
        connection, user=query.user, key=query.name, after=after, upto=upto, since=query.since or 0
    )


def _back(connection: sqlite3.Connection, query: HistoryQuery) -> Iterator[MessageRow | None]:
    """Yield the messages of a conversation, the newest first, and None whenever damage is met."""
    conversation = query.of if query.of < 0 else find_conversation(connection, query.user, query.of)
    if conversation is None:
        return
    end = END if query.before is None else query.before - 1
    periods: Iterable[tuple[int, int]] = [(0, end)]
    if query.own and query.of < 0:
        periods = periods_in_room(connection, user=query.user, room=query.of, end=end)
    for since, until in periods:
        bounds = {"conversation": conversation, "since": since, "until": min(until, end)}
        with tolerating_damage() as damage:
            yield from _newest_first(connection, bounds, query.since)
        if damage.met:
            yield None
            seqs = read_seqs(connection, _SEQS, bounds, partial(_all_seqs, connection, bounds))
            for _, found in read_each(connection, _ONE, bounds, seqs):
                yield found


def _newest_first(connection: sqlite3.Connection, bounds: dict[str, int], oldest: int | None) -> Iterator[MessageRow]:
    """Yield messages, ``since < seq <= until``, the newest first; ``until`` is moved to those that are left.

    Most of those that are older than ``oldest`` are left out.
    """
    while bounds["until"] > bounds["since"]:
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


def _rows(connection: sqlite3.Connection, bounds: dict[str, int]) -> Iterator[MessageRow]:
    for values in connection.execute(_BACK, bounds):
        row = MessageRow._make(values)
        if not is_whole(row):
            raise DamagedRow(f"message {row.seq} is damaged")
        yield row


def _all_seqs(connection: sqlite3.Connection, bounds: dict[str, int]) -> Iterable[int]:
    """Return the seqs within the bounds, the newest first, as far back as they can be tried one by one."""
    (head,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    newest = min(bounds["until"], head)
    return range(newest, max(bounds["since"], newest - _WALK), -1)


def read_newest(connection: sqlite3.Connection, query: NewestQuery) -> tuple[dict[int, MessageRow], int]:
    """Read the newest message of each room that has any; return how often damage was met, too."""
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


def read_places(connection: sqlite3.Connection, query: PlacesQuery) -> tuple[dict[int, int], int]:
    """Read the places of a room's messages at or before positions; return how often damage was met, too."""
    places = dict.fromkeys(query.positions, 0)
    damaged = 0
    for position in places:
        with tolerating_damage() as damage:
            (place,) = connection.execute(_PLACE, (query.room, position)).fetchone()
            places[position] = place or 0
        damaged += damage.met
    return places, damaged


def read_question(connection: sqlite3.Connection, query: QuestionQuery) -> tuple[list[Question], int]:
    """Read a message, if there is one, and its answer unless that is damaged; return how often damage was met, too."""
    seq = query.seq
    answer = connection.execute(_ANSWER, (seq,)).fetchone()
    rows = dict(read_each(connection, _MESSAGE, {}, [seq, *(answer or ())]))
    question = rows.get(seq)
    damaged = sum(row is None for row in rows.values())
    return [] if question is None else [Question(question, rows.get(answer[0]) if answer else None)], damaged


def read_contacts(connection: sqlite3.Connection, query: ContactsQuery) -> tuple[list[int], int]:
    """Read the ids of the users with whom this one talked, latest first, and 0, since damage is an error here."""
    bounds = {"user": query.user, "limit": query.limit}
    return [contact for contact, _ in connection.execute(_CONTACTS, bounds)], 0
