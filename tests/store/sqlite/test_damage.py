"""A damaged log: readable messages are read, and lost ones are counted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.store.queries import (
    Backlog,
    BacklogQuery,
    ConversationPage,
    ConversationsQuery,
    FeedQuery,
    HistoryQuery,
    NewestQuery,
    SearchQuery,
    Unread,
    UnreadQuery,
)
from chatcli.store.records import Enter, MessageRow, ReadRecord, TokenRecord
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, LOBBY, entry, new_user
from tests.store.town import change, spoil

SAID = 3000


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def long(house: Owner) -> Owner:
    """Open a log with many messages, half of them to users, half of them in a room."""
    house.write_all(
        Enter(BOB.id, LOBBY.id),
        *(entry(ANN, LOBBY if number % 2 else BOB, f"word {number} {'x' * 50}") for number in range(SAID)),
    )
    return house


def pages_of(path: Path, name: str, kind: str) -> list[int]:
    """Return the pages of a table or an index."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT pgoffset FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path", (name, kind)
        )
        return [offset for (offset,) in found]


def overwrite(path: Path, *offsets: int) -> None:
    """Write garbage over pages."""
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"\xa5" * 4096)


def damage(owner: Owner, data: Path, name: str, kind: str = "leaf", which: slice = slice(10, 12)) -> None:
    """Overwrite some of the pages of a table or an index of the closed log, and open it again."""
    owner.log.close()
    path = data / "chatcli.db"
    offsets = pages_of(path, name, kind)[which]
    assert offsets
    overwrite(path, *offsets)
    owner.reopen()


def read_all(owner: Owner, limit: int = 1000) -> tuple[list[MessageRow], int]:
    """Read Bob's feed to its end; return the messages, and the number of lost ones."""
    rows: list[MessageRow] = []
    after = damaged = 0
    while after < owner.log.head:
        page, error = owner.try_read(FeedQuery(user=BOB.id, after=after, upto=owner.log.head, limit=limit))
        assert error is None
        assert page is not None
        assert page.upto > after
        after, rows, damaged = page.upto, rows + page.rows, damaged + page.damaged
    return rows, damaged


@pytest.mark.parametrize("limit", [7, 1000])
def test_feed(long: Owner, data: Path, limit: int) -> None:
    """Every message that is not on a damaged page is read, in order, and the others are counted."""
    damage(long, data, "messages")
    rows, damaged = read_all(long, limit)
    assert 0 < damaged < 200
    assert len(rows) + damaged == SAID
    assert [row.seq for row in rows] == sorted(row.seq for row in rows)
    assert long.log.health().damaged > 0


@pytest.mark.parametrize("kind", ["leaf", "internal"])
def test_feed_with_a_damaged_index(long: Owner, data: Path, kind: str) -> None:
    """The messages themselves are searched."""
    damage(long, data, "messages_of_conversation", kind, slice(0, 2))
    rows, damaged = read_all(long)
    assert (len(rows), damaged) == (SAID, 0)
    assert long.log.health().damaged > 0


def test_feed_of_nothing_readable(long: Owner, data: Path) -> None:
    """A reader comes to the end."""
    damage(long, data, "messages_of_conversation", "leaf", slice(None))
    long.log.close()
    overwrite(data / "chatcli.db", *pages_of(data / "chatcli.db", "messages", "leaf")[:-1])
    long.reopen()
    rows, damaged = read_all(long)
    assert len(rows) < 100
    assert damaged > 0


def test_log_line_for_each_page(long: Owner, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is no line for each message."""
    damage(long, data, "messages")
    _, damaged = read_all(long)
    lines = [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()]
    assert len(lines) == long.log.health().damaged < damaged
    assert lines[0].startswith(f"The log {data / 'chatcli.db'} is damaged: ")


@pytest.mark.parametrize("of", [ANN.id, LOBBY.id])
@pytest.mark.parametrize(("name", "kind"), [("messages", "leaf"), ("messages_of_conversation", "leaf")])
def test_history(long: Owner, data: Path, of: int, name: str, kind: str) -> None:
    """Page by page it leads to the beginning of a conversation, with damage in between."""
    damage(long, data, name, kind, slice(3, 5))
    before, rows = None, 0
    more = True
    while more:
        page = long.history(HistoryQuery(user=BOB.id, of=of, limit=200, before=before))
        rows += len(page.rows)
        more = page.more
        before = page.rows[0].seq if page.rows else None
    assert SAID // 2 - 150 < rows <= SAID // 2
    assert long.log.health().damaged > 0


@pytest.mark.parametrize("of", [ANN.id, LOBBY.id])
@pytest.mark.parametrize(("name", "kind"), [("messages", "leaf"), ("messages_of_conversation", "leaf")])
def test_history_forward(long: Owner, data: Path, of: int, name: str, kind: str) -> None:
    """Forward it leads to the newest message likewise."""
    damage(long, data, name, kind, slice(3, 5))
    after, rows = 0, []
    more = True
    while more:
        page = long.history(HistoryQuery(user=BOB.id, of=of, limit=200, after=after, forward=True))
        rows += [row.seq for row in page.rows]
        more = page.more
        after = rows[-1]
    assert rows == sorted(set(rows))
    assert SAID // 2 - 150 < len(rows) <= SAID // 2
    assert long.log.health().damaged > 0


def test_newest(long: Owner, data: Path) -> None:
    """Of a room with damage at its end, the newest readable message."""
    long.log.close()
    path = data / "chatcli.db"
    overwrite(path, pages_of(path, "messages", "leaf")[-2])
    long.reopen()
    newest = long.ask(NewestQuery(user=BOB.id, rooms=[LOBBY.id]))
    assert isinstance(newest, dict)
    assert newest[LOBBY.id].text.startswith("word 2999")


def test_backlog(long: Owner, data: Path) -> None:
    """It is unknown for a damaged room, whose feed is read from its beginning."""
    whole = long.ask(BacklogQuery(user=BOB.id, after=0, upto=long.log.head, newest=100))
    assert whole == [Backlog(LOBBY.id, SAID // 2 - 100, SAID - 200)]
    damage(long, data, "messages_of_conversation", "leaf", slice(1, 3))
    assert long.ask(BacklogQuery(user=BOB.id, after=0, upto=long.log.head, newest=100)) == []
    assert long.log.health().damaged == 1


def test_search(long: Owner, data: Path) -> None:
    """Messages that match and cannot be read are left out."""
    assert len(long.find(BOB.id, "word")) == 100
    damage(long, data, "messages", "leaf", slice(-3, -2))
    page = long.search(SearchQuery(user=BOB.id, words="word", rooms=[], limit=500))
    assert len(page.rows) == 500
    assert long.log.health().damaged == 1


def test_search_index(long: Owner, data: Path) -> None:
    """It has the readable messages of a damaged log."""
    long.log.close()
    (data / "search.db").unlink(missing_ok=True)
    long.reopen()
    damage(long, data, "messages")
    assert long.find(BOB.id, '"word 1"')[0].startswith("word 1 ")
    assert long.find(BOB.id, '"word 2998"')[0].startswith("word 2998 ")


def test_writing(long: Owner, data: Path) -> None:
    """New messages follow the damage."""
    damage(long, data, "messages")
    assert long.write(entry(ANN, BOB, "after")).error is None
    rows, _ = read_all(long)
    assert rows[-1].text == "after"


def test_text_that_is_not_text(long: Owner, data: Path) -> None:
    """Such a message is left out."""
    long.log.close()
    path = data / "chatcli.db"
    content = path.read_bytes()
    assert content.count(b"word 1500 ") == 1
    path.write_bytes(content.replace(b"word 1500 ", b"word \xff\xfe\xff\xfe "))
    long.reopen()
    rows, damaged = read_all(long)
    assert (len(rows), damaged) == (SAID - 1, 1)


def unread(owner: Owner) -> object:
    """Return the unread counts of Bob."""
    return owner.ask(UnreadQuery(user=BOB.id, after=0, name="Bob"))


def conversations(owner: Owner) -> ConversationPage:
    """Return the conversations of Bob."""
    count = UnreadQuery(user=BOB.id, after=0, name="Bob")
    page = owner.ask(ConversationsQuery(user=BOB.id, unread=count, limit=10))
    assert isinstance(page, ConversationPage)
    return page


def test_unread_and_conversations(long: Owner, data: Path) -> None:
    """Those with damage in their part of the index are left out, and the others are there."""
    whole = [(LOBBY.id, 1000), (ANN.id, 1000)]
    assert [(one.of, one.unread) for one in conversations(long).conversations] == whole
    damage(long, data, "messages_of_conversation", "leaf", slice(-2, None))  # the end of the later conversation
    assert unread(long) == [Unread(LOBBY.id, 1000, SAID)]
    assert [(one.of, one.unread) for one in conversations(long).conversations] == whole[:1]
    assert long.log.health().damaged == 2


def test_unread_without_any_index(long: Owner, data: Path) -> None:
    """Nothing is counted or listed, and that is no error."""
    damage(long, data, "messages_of_conversation", "internal", slice(None))
    assert unread(long) == []
    assert conversations(long) == ConversationPage([], more=False)


def test_last_message_of_a_conversation(long: Owner, data: Path) -> None:
    """A conversation whose last message is damaged is listed without it."""
    long.write(*(entry(ANN, ANN, "x" * 1000) for _ in range(10)))
    long.log.close()
    spoil(data, f"word {SAID - 1} ")
    long.reopen()
    assert [(one.of, one.last) for one in conversations(long).conversations] == [(LOBBY.id, None), (ANN.id, None)]


def test_mentions_in_a_text_that_is_not_text(long: Owner, data: Path) -> None:
    """The message counts as unread, and mentions in others are found."""
    long.write(entry(ANN, LOBBY, "hello Bob"), entry(ANN, LOBBY, "broken here, Bob"))
    long.log.close()
    path = data / "chatcli.db"
    content = path.read_bytes()
    assert content.count(b"broken") == 1
    path.write_bytes(content.replace(b"broken", b'\xff\xfe\xff\xfe\xff"'))
    long.reopen()
    assert unread(long) == [Unread(LOBBY.id, 1000, SAID + 2, 2), Unread(ANN.id, 1000, SAID - 1)]


def positions_of(owner: Owner, seq: int) -> None:
    """Store a position of many users in the lobby, which take several pages."""
    for user in range(10, 610):
        owner.log.set_read(user, LOBBY.id, ReadRecord(user, LOBBY.id, seq, seq))
    assert owner.commit(positions=True).error is None


@pytest.fixture
def crowd(long: Owner) -> Owner:
    """Open a log in which many users have read positions."""
    long.add_users(*(new_user(n, f"p{n}", 1) for n in range(10, 610)))
    positions_of(long, 5)
    return long


@pytest.mark.parametrize(("kind", "least"), [("leaf", 300), ("internal", 0)])
def test_read_positions(crowd: Owner, data: Path, caplog: pytest.LogCaptureFixture, kind: str, least: int) -> None:
    """The server starts all the same, and the general position holds in place of a lost one."""
    damage(crowd, data, "reads", kind, slice(0, 1))
    assert least <= len(crowd.state.reads) < 600
    assert all(record.seq == 5 for record in crowd.state.reads)
    assert len(crowd.state.users) == 603
    assert [record.getMessage() for record in caplog.records if "read positions" in record.getMessage()] == [
        "The log is damaged: some read positions cannot be read, so that messages may be unread again."
    ]


def test_read_positions_that_are_no_numbers(crowd: Owner, data: Path) -> None:
    """They are left out."""
    crowd.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT, ', '') WHERE name = 'reads'"
        )
    with closing(sqlite3.connect(data / "chatcli.db")) as connection, connection:
        connection.execute("UPDATE reads SET seq = 'five' WHERE user = 20")
    crowd.reopen()
    assert len(crowd.state.reads) == 599


@pytest.mark.parametrize("kind", ["leaf", "internal"])
def test_writing_read_positions(crowd: Owner, data: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """The rest of the batch is stored all the same, general positions included; the loss is logged once."""
    damage(crowd, data, "reads", kind, slice(0, 1))
    for text in ("one", "two"):
        crowd.log.set_read(10, LOBBY.id, ReadRecord(10, LOBBY.id, 7, 7))
        crowd.log.set_read(BOB.id, 0, ReadRecord(BOB.id, 0, 7, 7))
        crowd.log.set_received(BOB.id, 8)
        message = entry(ANN, BOB, text)
        assert crowd.write(message).error is None
        assert crowd.log.head == message.seq
    told = [record.getMessage() for record in caplog.records if "positions are lost" in record.getMessage()]
    assert told == [f"The log {data / 'chatcli.db'} is damaged: read positions are lost when the server stops."]
    crowd.reopen()
    assert [(user.received, user.read) for user in crowd.state.users if user.id == BOB.id] == [(8, 7)]
    assert [row.text for row in crowd.feed(BOB.id)][-2:] == ["one", "two"]


def test_read_positions_beside_the_damage(crowd: Owner, data: Path) -> None:
    """They are stored."""
    damage(crowd, data, "reads", "leaf", slice(0, 1))
    crowd.log.set_read(609, LOBBY.id, ReadRecord(609, LOBBY.id, 7, 7))
    crowd.commit(positions=True)
    crowd.reopen()
    assert [record.seq for record in crowd.state.reads if record.user == 609] == [7]


TOKENS = [
    TokenRecord(
        digest=number.to_bytes(32), user=ANN.id, label="x" * 99, scope="send", places=None, created=number, until=None
    )
    for number in range(300)
]


@pytest.mark.parametrize("kind", ["leaf", "internal"])
def test_tokens(house: Owner, data: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    """The server starts; a token that cannot be read lets nobody in, and the log says so."""
    house.write_all(*TOKENS)
    house.log.close()
    overwrite(data / "chatcli.db", pages_of(data / "chatcli.db", "tokens", kind)[-1])
    house.reopen()
    assert len(house.state.tokens) < len(TOKENS)
    assert set(house.state.tokens) <= set(TOKENS)
    assert "some tokens cannot be read" in caplog.text
    assert house.write(entry(ANN, BOB)).error is None


@pytest.mark.parametrize(
    "script",
    ["scope = 'root'", "places = '[1'", "places = '{}'", "places = '[\"x\"]'"],
)
def test_token_that_makes_no_sense(house: Owner, data: Path, caplog: pytest.LogCaptureFixture, script: str) -> None:
    """It must not be good for everything, nor everywhere."""
    house.write_all(*TOKENS[:2])
    house.log.close()
    change(data, f"UPDATE tokens SET {script} WHERE created = 1")  # noqa: S608 (our own)
    house.reopen()
    assert house.state.tokens == TOKENS[:1]
    assert "some tokens cannot be read" in caplog.text
