"""Reads feeds page by page, in windows of the log, each of which is a few ranges of one index."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from chatcli.store.queries import FeedPage, FeedQuery
from chatcli.store.records import MessageRow
from chatcli.store.sqlite.damage import read_each, read_seqs, tolerating_damage
from chatcli.store.sqlite.name_changes import read_changes_of_feed
from chatcli.store.sqlite.rows import COLUMNS, PAGE_TEXT, size_of

_WINDOW: Final = 2048  # seqs: the first window of a page
_GROWTH: Final = 4  # times as long is the window after one with few rows
_FEW: Final = 256  # rows
_MAX_SCANNED: Final = 20_000  # rows of a page, even if most of them are the user's own and are left out

# Only the seqs are sorted, which the index has; the messages themselves are then read in that order.
# CROSS JOIN keeps SQLite from another order of the loops, in which it would not know where the ranges begin.
_FOUND: Final = """
WITH floors (room, seq) AS MATERIALIZED (SELECT CAST(key AS INTEGER), value FROM json_each(:floors)),
stretches (conversation, after, upto) AS (
    SELECT conversation, max(:after, since, coalesce(floors.seq, 0)), min(:end, coalesce(until, :end))
    FROM members
    LEFT JOIN floors ON floors.room = conversation
    WHERE user = :user AND since < :end AND coalesce(until, :end) > :after
),
found (seq) AS (
    SELECT messages.seq
    FROM stretches
    CROSS JOIN messages ON messages.conversation = stretches.conversation
         AND messages.seq > stretches.after AND messages.seq <= stretches.upto
    ORDER BY messages.seq
    LIMIT :limit
)
"""
_WINDOW_ROWS: Final = f"""
{_FOUND}
SELECT {COLUMNS}
FROM found
CROSS JOIN messages ON messages.seq = found.seq
CROSS JOIN conversations ON conversations.id = messages.conversation
"""  # noqa: S608 (our own columns)
_WINDOW_SEQS: Final = f"{_FOUND} SELECT seq FROM found"  # noqa: S608 (as above)
_ONE: Final = f"""
SELECT {COLUMNS}
FROM messages
CROSS JOIN conversations ON conversations.id = messages.conversation
WHERE messages.seq = :seq
  AND messages.seq > coalesce((SELECT value FROM json_each(:floors) WHERE key = CAST(messages.conversation AS TEXT)), 0)
  AND messages.seq <= (
    SELECT coalesce(members.until, messages.seq) FROM members
    WHERE members.user = :user AND members.conversation = messages.conversation AND members.since < messages.seq
    ORDER BY members.since DESC LIMIT 1
  )
"""  # noqa: S608 (as above)

_Bounds = dict[str, int | str]


def read_feed(connection: sqlite3.Connection, query: FeedQuery) -> tuple[FeedPage, int]:
    """Read a stretch of a user's feed, in order; return how often damage was met, too."""
    page, damaged = _read_messages(connection, query)
    if not query.changes:
        return page, damaged
    changes, upto = read_changes_of_feed(connection, user=query.user, after=query.after, upto=page.upto)
    rows = page.rows if upto == page.upto else [row for row in page.rows if row.seq <= upto]
    return FeedPage(rows, upto, page.damaged, changes), damaged


def _read_messages(connection: sqlite3.Connection, query: FeedQuery) -> tuple[FeedPage, int]:
    page = _Page(query)
    floors = json.dumps({room: seq for room, seq in query.floors.items() if seq > query.after})
    limit = max(query.limit, _FEW) if query.unread_only else query.limit
    position, window, scanned = query.after, _WINDOW, 0
    while position < query.upto and scanned < _MAX_SCANNED:
        end = min(query.upto, position + window)
        bounds: _Bounds = {"user": query.user, "after": position, "end": end, "floors": floors, "limit": limit}
        count = 0
        with tolerating_damage() as damage:
            for values in connection.execute(_WINDOW_ROWS, bounds):
                row = MessageRow._make(values)
                count += 1
                if page.add(row):
                    return page.end(row.seq), 0
                position = row.seq
        if damage.met:
            # A short stretch is read around the damage: little is lost if not even the seqs are known.
            return _salvage(connection, page, {**bounds, "after": position}, min(end, position + _WINDOW))
        if count < limit:
            position = end
            if count < _FEW:
                window *= _GROWTH
        scanned += count
    return page.end(position), 0


class _Page:
    """A page that is being filled."""

    def __init__(self, query: FeedQuery) -> None:
        self._query = query
        self._others_only = query.user if query.unread_only else None
        self._rows: list[MessageRow] = []
        self._size = 0

    def add(self, row: MessageRow) -> bool:
        """Add a message unless the query leaves it out; return whether the page is full."""
        if row.sender == self._others_only != row.recipient:
            return False
        self._size += size_of(row)
        self._rows.append(row)
        return self._size >= PAGE_TEXT or len(self._rows) >= self._query.limit

    def end(self, upto: int, damaged: int = 0) -> FeedPage:
        """Return the page, which is complete up to this ``seq``."""
        return FeedPage(self._rows, upto, damaged)


def _salvage(connection: sqlite3.Connection, page: _Page, bounds: _Bounds, end: int) -> tuple[FeedPage, int]:
    """End a page with what can be read of a damaged stretch."""
    damaged = 0
    bounds = {**bounds, "end": end, "limit": _WINDOW}
    # If the index is damaged as well, every seq of the stretch is tried.
    seqs = read_seqs(connection, _WINDOW_SEQS, bounds, lambda: range(int(bounds["after"]) + 1, end + 1))
    for seq, row in read_each(connection, _ONE, bounds, seqs):
        if row is None:
            damaged += 1
        elif page.add(row):
            return page.end(seq, damaged), damaged + 1
    return page.end(end, damaged), damaged + 1
