"""Finds messages by their words, among those that the user may read."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from chatcli.errors import InputError, StoreError
from chatcli.store.queries import Page, SearchQuery
from chatcli.store.records import MessageRow
from chatcli.store.search.index import SearchIndex
from chatcli.store.search.parts import author, place
from chatcli.store.sqlite.conversations import find_conversation
from chatcli.store.sqlite.damage import END, is_damage, read_each, tolerating_damage
from chatcli.store.sqlite.rows import COLUMNS, PAGE_TEXT, size_of

#: The error of a search that would have to wait for too many others.
TOO_MANY: Final = "too many searches wait: try again in a while"

_MAX_SECONDS: Final = 5.0  # of one search, once it has started; others wait for it
_CHECK_INTERVAL: Final = 10_000  # steps of SQLite's virtual machine
_MAX_PLACES: Final = 300  # conversations in a query of the index; with more of them all that it finds is filtered
_MAX_FILTERED: Final = 1000  # of the newest messages found, at first

# Naming places to the index only makes it faster: this condition decides which messages the user may read.
_VISIBLE: Final = """
(:within IS NULL OR messages.conversation = :within)
AND (:sender IS NULL OR messages.sender = :sender)
AND (
    messages.conversation IN (SELECT value FROM json_each(:rooms))
    OR messages.seq <= (
        SELECT coalesce(members.until, messages.seq) FROM main.members
        WHERE members.user = :user AND members.conversation = messages.conversation AND members.since < messages.seq
        ORDER BY members.since DESC LIMIT 1
    )
)
"""
_SELECT: Final = f"SELECT {COLUMNS} FROM"
_JOIN: Final = "CROSS JOIN main.conversations ON conversations.id = messages.conversation"
_FOUND: Final = f"""
{_SELECT} found.texts_{{0}} CROSS JOIN main.messages ON messages.seq = texts_{{0}}.rowid {_JOIN}
WHERE texts_{{0}} MATCH :match AND texts_{{0}}.rowid < :before AND {_VISIBLE}
ORDER BY texts_{{0}}.rowid DESC
"""
_ONE: Final = f"{_SELECT} main.messages {_JOIN} WHERE messages.seq = :seq AND {_VISIBLE}"
_THESE: Final = f"""
{_SELECT} json_each(:seqs) AS these CROSS JOIN main.messages ON messages.seq = these.value {_JOIN}
WHERE {_VISIBLE}
"""
_SEQS: Final = """
SELECT rowid FROM found.texts_{0} WHERE texts_{0} MATCH :match AND rowid < :before ORDER BY rowid DESC LIMIT :most
"""
_PARTS: Final = "SELECT number FROM found.parts WHERE instead IS NULL AND first < ? ORDER BY first DESC"
_CONVERSATIONS: Final = "SELECT DISTINCT conversation FROM main.members WHERE user = ?"


def search(
    connection: sqlite3.Connection,
    *,
    index: SearchIndex,
    query: SearchQuery,
    expression: str,
    head: int,
    deadline: float,
) -> tuple[Page, int]:
    """Find messages, the newest first; return how often damage was met, too.

    Args:
        connection: to the log.
        index: the index of the same log.
        query: the query.
        expression: its words, as :func:`chatcli.store.search.tokenizer.parse` returns them.
        head: messages up to this ``seq`` must be found.
        deadline: on the monotonic clock; nobody waits for the result any more.

    Raises:
        InputError: the search itself takes too long.
        StoreError: the deadline has passed before that, or the index cannot be used now.
    """
    if time.monotonic() > deadline:
        raise StoreError(TOO_MANY)
    index.catch_up(head, deadline)
    too_long = time.monotonic() + _MAX_SECONDS
    try:
        with _attached(connection, index, min(too_long, deadline)):
            return _search(connection, query, expression)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            index.invalidate()
            raise StoreError("the search index is damaged, and is made again: try again in a while") from None
        if time.monotonic() > too_long:
            raise InputError("This search takes too long: look for rarer words, or in one place only.") from None
        if time.monotonic() > deadline:
            raise StoreError(TOO_MANY) from None
        raise


@contextlib.contextmanager
def _attached(connection: sqlite3.Connection, index: SearchIndex, end: float) -> Iterator[None]:
    """Attach the index to a connection within the block, which is interrupted at ``end``, on the monotonic clock."""
    try:
        # Attached for each search: it may be another file by now.
        connection.execute("ATTACH ? AS found", (f"{index.path.absolute().as_uri()}?mode=rw",))
        connection.set_progress_handler(lambda: index.stopped or time.monotonic() > end, _CHECK_INTERVAL)
        connection.execute("BEGIN")  # so that no part is dropped meanwhile
        yield
    finally:
        connection.set_progress_handler(None, 0)
        with contextlib.suppress(sqlite3.Error):  # it is not attached, or damaged
            if connection.in_transaction:
                connection.execute("COMMIT")
            connection.execute("DETACH found")


def _search(connection: sqlite3.Connection, query: SearchQuery, expression: str) -> tuple[Page, int]:
    within = query.within
    if within is not None and within > 0:
        within = find_conversation(connection, query.user, within)
        if within is None:
            return Page([], more=False), 0
    parameters: dict[str, int | str | None] = {
        "user": query.user,
        "rooms": json.dumps(list(query.rooms)),
        "within": within,
        "sender": query.sender,
        "before": END if query.before is None else query.before,
    }
    if within is None:
        # Mostly, the user may read enough of the newest matches; to name all the places to the index costs more.
        parameters["match"] = _match(query, expression)
        seqs = _read_seqs(connection, parameters)
        page, damaged = _filter(connection, query, parameters, seqs)
        if page.more or len(seqs) < _MAX_FILTERED:
            return page, damaged
    places = _places(connection, query) if within is None else {within}
    if not places:
        return Page([], more=False), 0
    parameters["match"] = _match(query, expression, places)
    with tolerating_damage():
        return _page(query, _found(connection, parameters)), 0
    # If the index is damaged, this fails as well.
    return _filter(connection, query, parameters, _read_seqs(connection, parameters))


def _found(connection: sqlite3.Connection, parameters: dict[str, int | str | None]) -> Iterator[MessageRow]:
    for part in _parts(connection, parameters):
        for values in connection.execute(_FOUND.format(part), parameters):
            yield MessageRow._make(values)


def _read_seqs(connection: sqlite3.Connection, parameters: dict[str, int | str | None]) -> list[int]:
    seqs: list[int] = []
    for part in _parts(connection, parameters):
        found = connection.execute(_SEQS.format(part), {**parameters, "most": _MAX_FILTERED - len(seqs)})
        seqs += [seq for (seq,) in found]
        if len(seqs) >= _MAX_FILTERED:
            break
    return seqs


def _parts(connection: sqlite3.Connection, parameters: dict[str, int | str | None]) -> list[int]:
    """Return the numbers of the index's parts to search, the newest first."""
    return [number for (number,) in connection.execute(_PARTS, (parameters["before"],)).fetchall()]


def _filter(
    connection: sqlite3.Connection, query: SearchQuery, parameters: dict[str, int | str | None], seqs: list[int]
) -> tuple[Page, int]:
    """Read those messages that the user may read; return how often damage was met, too."""
    with tolerating_damage():
        found = connection.execute(_THESE, {**parameters, "seqs": json.dumps(seqs)})
        return _page(query, (MessageRow._make(values) for values in found)), 0
    each = [row for _, row in read_each(connection, _ONE, parameters, seqs)]
    rows = [row for row in each if row is not None]
    return _page(query, rows), len(each) - len(rows) + 1


def _page(query: SearchQuery, found: Iterable[MessageRow]) -> Page:
    rows: list[MessageRow] = []
    size = 0
    for row in found:
        if len(rows) >= query.limit or size >= PAGE_TEXT:
            return Page(rows, more=True)
        rows.append(row)
        size += size_of(row)
    return Page(rows, more=False)


def _places(connection: sqlite3.Connection, query: SearchQuery) -> set[int]:
    own = {conversation for (conversation,) in connection.execute(_CONVERSATIONS, (query.user,))}
    return own.union(query.rooms)


def _match(query: SearchQuery, expression: str, places: Collection[int] = ()) -> str:
    """Return the query for the index: the words, the sender, and the conversations unless there are too many."""
    parts = [f"text : ({expression})"]
    if 0 < len(places) <= _MAX_PLACES:
        parts.append("place : (" + " OR ".join(f'"{place(one)}"' for one in places) + ")")
    if query.sender is not None:
        parts.append(f'author : ("{author(query.sender)}")')
    return " AND ".join(parts)
