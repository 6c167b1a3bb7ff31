"""Reads conversations page by page, from their newest message back or from some message forth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from chatcli.store.queries import ContactsQuery, HistoryQuery, NewestQuery, Page, PlacesQuery, Question, QuestionQuery
from chatcli.store.records import MessageRow, NameChangeRecord
from chatcli.store.sqlite.conversations import find_conversation
from chatcli.store.sqlite.damage import END, DamagedRow, is_whole, read_each, read_seqs, tolerating_damage
from chatcli.store.sqlite.name_changes import read_changes_of_name
from chatcli.store.sqlite.periods import periods_in_room
from chatcli.store.sqlite.rows import COLUMNS, PAGE_TEXT, size_of

# Clocks are set back now and then, and imports append old messages to new ones. After this many messages in a row that
# are too old there are no newer ones; and after this many that are not old enough, the others are searched for as if
# the times were in order.
_UNFIT_IN_A_ROW: Final = 50_000
_WALK: Final = 100_000  # seqs to try one by one if the index is damaged

_SELECT: Final = f"""
SELECT {COLUMNS} FROM messages CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.conversation = :conversation
"""  # noqa: S608 (our own columns)
_WITHIN: Final = "conversation = :conversation AND seq > :after AND seq <= :upto"
_ONE: Final = f"{_SELECT} AND messages.seq = :seq"


class _Way(NamedTuple):
    """The statements that read a conversation in one of both directions, within the bounds ``after < seq <= upto``.

    Attributes:
        rows: selects the messages.
        fit: selects the first seq of a message of a certain time, unless too many others come before it.
        beyond: selects the first seq after as many messages.
        next: selects the seq and the time of the next message.
        seqs: selects the seqs from the index alone.
    """

    rows: str
    fit: str
    beyond: str
    next: str
    seqs: str


def _way(order: str) -> _Way:
    return _Way(
        rows=f"{_SELECT} AND messages.seq > :after AND messages.seq <= :upto ORDER BY messages.seq {order}",
        fit=f"""
            SELECT seq FROM (SELECT seq, at FROM messages WHERE {_WITHIN} ORDER BY seq {order} LIMIT :most)
            WHERE at >= :earliest AND at <= :latest LIMIT 1
        """,  # noqa: S608 (our own text)
        beyond=f"SELECT seq FROM messages WHERE {_WITHIN} ORDER BY seq {order} LIMIT 1 OFFSET :most",  # noqa: S608 (likewise)
        next=f"SELECT seq, at FROM messages WHERE {_WITHIN} ORDER BY seq {order} LIMIT 1",  # noqa: S608 (likewise)
        seqs=f"SELECT seq FROM messages WHERE {_WITHIN} ORDER BY seq {order} LIMIT {_WALK}",  # noqa: S608 (likewise)
    )


_BACK: Final = _way("DESC")
_FORTH: Final = _way("ASC")
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
    earliest, latest = _times(query)
    for row in _read(connection, query):
        if row is None:
            damaged += 1
        elif not earliest <= row.at <= latest:
            continue
        elif len(rows) >= query.limit or size >= PAGE_TEXT:
            more = True
            break
        else:
            rows.append(row)
            size += size_of(row)
    last = rows[-1].seq if more else None
    return Page(rows if query.forward else rows[::-1], more, _changes(connection, query, last)), damaged


def _times(query: HistoryQuery) -> tuple[int, int]:
    """Return the times of the first and of the last moment that a query is about."""
    return -END if query.since is None else query.since, END if query.until is None else query.until


def _seqs(query: HistoryQuery) -> tuple[int, int]:
    """Return the bounds of a query, ``after < seq <= upto``."""
    return query.after or 0, END if query.before is None else query.before - 1


def _changes(connection: sqlite3.Connection, query: HistoryQuery, last: int | None) -> Sequence[NameChangeRecord]:
    """Return the changes of the other user's name that belong to a page.

    Args:
        connection: to the log.
        query: what the page is of.
        last: the ``seq`` of the message where the next page goes on; None if there is none.
    """
    if not query.name:
        return ()
    after, upto = _seqs(query)
    if last is not None:
        after, upto = (after, last) if query.forward else (last, upto)
    return read_changes_of_name(
        connection, user=query.user, key=query.name, bounds=(after, upto), times=(query.since or 0, _times(query)[1])
    )


def _read(connection: sqlite3.Connection, query: HistoryQuery) -> Iterator[MessageRow | None]:
    """Yield the messages of a conversation in the order of a query, and None whenever damage is met."""
    conversation = query.of if query.of < 0 else find_conversation(connection, query.user, query.of)
    if conversation is None:
        return
    first, end = _seqs(query)
    periods: Iterable[tuple[int, int]] = [(first, end)]
    if query.own and query.of < 0:
        periods = periods_in_room(
            connection, user=query.user, room=query.of, bounds=(first, end), forward=query.forward
        )
    for after, upto in periods:
        bounds = {"conversation": conversation, "after": max(after, first), "upto": min(upto, end)}
        with tolerating_damage() as damage:
            yield from _fitting(connection, query, bounds)
        if damage.met:
            yield None
            every = partial(_all_seqs, connection, bounds, forward=query.forward)
            seqs = read_seqs(connection, (_FORTH if query.forward else _BACK).seqs, bounds, every)
            for _, found in read_each(connection, _ONE, bounds, seqs):
                yield found


def _fitting(connection: sqlite3.Connection, query: HistoryQuery, bounds: dict[str, int]) -> Iterator[MessageRow]:
    """Yield the messages within bounds whose times fit, in order; the bounds are moved to those that are left."""
    earliest, latest = _times(query)
    while bounds["after"] < bounds["upto"]:
        for row in _rows(connection, (_FORTH if query.forward else _BACK).rows, bounds):
            if not earliest <= row.at <= latest:
                break
            yield row
            _move(bounds, row.seq, forward=query.forward)
        else:
            return
        if not _skip(connection, query, bounds, row.at):
            return


def _move(bounds: dict[str, int], seq: int, *, forward: bool) -> None:
    """Move the bounds past a message."""
    bounds.update({"after": seq} if forward else {"upto": seq - 1})


def _skip(connection: sqlite3.Connection, query: HistoryQuery, bounds: dict[str, int], at: int) -> bool:
    """Move the bounds past messages that do not fit, the first of which is of the time ``at``, if others may follow."""
    way = _FORTH if query.forward else _BACK
    earliest, latest = _times(query)
    # They may be many, and SQLite goes over them in far less time: 50,000 in 25 ms.
    times = {"earliest": earliest, "latest": latest, "most": _UNFIT_IN_A_ROW}
    fit = connection.execute(way.fit, {**bounds, **times}).fetchone()
    if fit is not None:
        _move(bounds, fit[0] - 1 if query.forward else fit[0] + 1, forward=query.forward)
        return True
    over = (at < earliest) is not query.forward  # those that fit came before
    if over or connection.execute(way.beyond, {**bounds, "most": _UNFIT_IN_A_ROW}).fetchone() is None:
        return False
    _leap(connection, bounds, earliest if query.forward else latest, forward=query.forward)
    return True


def _leap(connection: sqlite3.Connection, bounds: dict[str, int], time: int, *, forward: bool) -> None:
    """Move the bounds to a time, by bisection: as if the times were in order."""
    way = _FORTH if forward else _BACK
    unfit, fit = (bounds["after"], bounds["upto"]) if forward else (bounds["upto"], bounds["after"])
    while abs(fit - unfit) > 1:
        middle = (fit + unfit) // 2
        found = connection.execute(way.next, {**bounds, "after" if forward else "upto": middle}).fetchone()
        if found is None or (found[1] >= time if forward else found[1] <= time):
            fit = middle
        else:
            unfit = found[0] - 1 if forward else found[0]
    bounds["after" if forward else "upto"] = fit


def _rows(connection: sqlite3.Connection, statement: str, bounds: dict[str, int]) -> Iterator[MessageRow]:
    for values in connection.execute(statement, bounds):
        row = MessageRow._make(values)
        if not is_whole(row):
            raise DamagedRow(f"message {row.seq} is damaged")
        yield row


def _all_seqs(connection: sqlite3.Connection, bounds: dict[str, int], *, forward: bool) -> Iterable[int]:
    """Return the seqs within the bounds, in order, as far as they can be tried one by one."""
    (head,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
    oldest, newest = bounds["after"] + 1, min(bounds["upto"], head)
    if forward:
        return range(oldest, min(newest + 1, oldest + _WALK))
    return range(newest, max(oldest - 1, newest - _WALK), -1)


def read_newest(connection: sqlite3.Connection, query: NewestQuery) -> tuple[dict[int, MessageRow], int]:
    """Read the newest message of each room that has any; return how often damage was met, too."""
    newest = {}
    damaged = 0
    for room in query.rooms:
        of_room = HistoryQuery(user=query.user, of=room, limit=1, own=room in query.own)
        for row in _read(connection, of_room):
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
