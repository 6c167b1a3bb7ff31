"""Leaving and entering rooms over and over does not make reading slower."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from chatcli.store.queries import BacklogQuery, FeedQuery, HistoryQuery, UnreadQuery
from chatcli.store.records import Enter, Leave
from chatcli.store.sqlite.connection import connect
from chatcli.store.sqlite.counts import read_backlog, read_unread
from chatcli.store.sqlite.feed import read_feed
from chatcli.store.sqlite.history import read_history
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, entry
from tests.store.town import SECRET, change, rows, said_in, settle

_MANY: Final = 20_000
_MEMBERS: Final = "SELECT since, until FROM members WHERE user = 2 AND conversation = -2 ORDER BY since"


@pytest.fixture
def room(chat: Owner) -> Owner:
    """Open a log with a private room of which Bob is a member, and which has messages."""
    settle(chat)
    chat.write_all(Enter(BOB.id, SECRET.id), said_in(SECRET, ANN, "welcome"))
    return chat


def test_return_to_a_silent_room(room: Owner, data: Path) -> None:
    """Without messages in between, leaving and entering again is one period."""
    before = rows(data, _MEMBERS)
    for number in range(20):
        room.write_all(Leave(BOB.id, SECRET.id), entry(BOB, BOB, f"elsewhere {number}"), Enter(BOB.id, SECRET.id))
    assert rows(data, _MEMBERS) == before
    room.write(said_in(SECRET, ANN, "there you are"))
    page = room.history(HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, own=True))
    assert [row.text for row in page.rows] == ["welcome", "there you are"]


def test_messages_while_away(room: Owner, data: Path) -> None:
    """With messages in between, a new period starts."""
    for number in range(3):
        room.write_all(Leave(BOB.id, SECRET.id), said_in(SECRET, ANN, f"hidden {number}"), Enter(BOB.id, SECRET.id))
        room.write(said_in(SECRET, ANN, f"seen {number}"))
    assert len(rows(data, _MEMBERS)) == 4
    seen = ["welcome", "seen 0", "seen 1", "seen 2"]
    page = room.history(HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, own=True))
    assert [row.text for row in page.rows] == seen
    assert [text for text in room.texts(BOB.id) if "seen" in text or "hidden" in text] == seen[1:]
    assert room.find(BOB.id, "hidden") == []
    assert room.find(BOB.id, "seen") == seen[:0:-1]


@pytest.fixture
def many(room: Owner, data: Path) -> Iterator[sqlite3.Connection]:
    """Let Bob have very many periods, as older servers stored them, most of them without messages."""
    head = room.log.head
    room.log.close()
    change(
        data,
        f"""
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_MANY})
        INSERT INTO members (user, conversation, since, until) SELECT 2, -2, {head} + 2 * i, {head} + 2 * i + 1 FROM n;
        UPDATE members SET until = {head} WHERE user = 2 AND conversation = -2 AND until IS NULL;
        """,  # noqa: S608 (numbers of ours)
    )
    with closing(connect(data / "chatcli.db")) as connection:
        yield connection


def test_many_periods(many: sqlite3.Connection) -> None:
    """No query makes a statement for each of them."""
    statements: list[str] = []
    many.set_trace_callback(statements.append)
    page, _ = read_history(many, HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, own=True))
    assert [row.text for row in page.rows] == ["welcome"]
    read_history(many, HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, before=2, own=True))
    page, _ = read_history(many, HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, own=True, forward=True))
    assert [row.text for row in page.rows] == ["welcome"]
    page, _ = read_history(many, HistoryQuery(user=BOB.id, of=SECRET.id, limit=10, own=True, forward=True, after=_MANY))
    assert page.rows == []
    unread, _ = read_unread(many, UnreadQuery(user=BOB.id, after=0))
    assert SECRET.id in [one.of for one in unread]
    read_backlog(many, BacklogQuery(user=BOB.id, after=0, upto=100, newest=1))
    feed, _ = read_feed(many, FeedQuery(user=BOB.id, after=0, upto=100, limit=500))
    assert "welcome" in [row.text for row in feed.rows]
    assert len(statements) < 50
