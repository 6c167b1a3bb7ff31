"""History pages and backlogs in rooms, as every store must have them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatcli.store.batch import Entry
from chatcli.store.queries import Backlog, BacklogQuery, ContactsQuery, HistoryQuery, NewestQuery, Page
from chatcli.store.records import Enter, Leave
from chatcli.store.sqlite import history
from chatcli.store.sqlite.connection import connect
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, PEOPLE, Party, entry, row


def at(time: int, recipient: Party = LOBBY, text: str = "hi") -> Entry:
    """Make a message of Ann's with a certain time."""
    said = entry(ANN, recipient, text)
    said.at = time
    return said


def backlogs(owner: Owner, query: BacklogQuery) -> list[Backlog]:
    """Return the rooms in which a user has missed many messages."""
    answer = owner.ask(query)
    assert isinstance(answer, list)
    return answer


def texts(page: Page) -> list[str]:
    """Return the texts of a page."""
    return [row.text for row in page.rows]


def test_pages(house: Owner) -> None:
    """Page by page they lead to the beginning, which has no more before it."""
    said = [entry(ANN, BOB, str(number)) for number in range(5)]
    house.write(entry(ANN, CID), *said, entry(BOB, LOBBY))
    newest = house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=2))
    assert newest == Page([row(said[3]), row(said[4])], more=True)
    older = house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=2, before=said[3].seq))
    assert (texts(older), older.more) == (["1", "2"], True)
    oldest = house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=2, before=said[1].seq))
    assert (texts(oldest), oldest.more) == (["0"], False)


def test_page_that_just_fits(house: Owner) -> None:
    """There are no more before it."""
    house.write(entry(ANN, BOB, "one"), entry(ANN, BOB, "two"))
    assert not house.history(HistoryQuery(user=ANN.id, of=BOB.id, limit=2)).more


@pytest.mark.parametrize("of", [CID.id, 99, OPS.id, -99])
def test_empty_conversation(house: Owner, of: int) -> None:
    """It has no messages, and no older ones."""
    house.write(entry(ANN, BOB), entry(ANN, LOBBY))
    assert house.history(HistoryQuery(user=ANN.id, of=of, limit=10)) == Page([], more=False)


def test_notes_to_oneself(house: Owner) -> None:
    """They can be read back."""
    house.write(entry(ANN, ANN, "a note"), entry(ANN, BOB, "to Bob"))
    assert texts(house.history(HistoryQuery(user=ANN.id, of=ANN.id, limit=10))) == ["a note"]


def test_rooms(house: Owner) -> None:
    """An open room is read whole; of another, the messages sent while the user was a member."""
    house.write_all(
        *(entry(ANN, OPS, "before"), Enter(BOB.id, OPS.id), entry(ANN, OPS, "one"), entry(ANN, OPS, "two")),
        *(Leave(BOB.id, OPS.id), entry(ANN, OPS, "away"), Enter(BOB.id, OPS.id), entry(ANN, OPS, "three")),
    )
    whole = house.history(HistoryQuery(user=BOB.id, of=OPS.id, limit=10))
    assert texts(whole) == ["before", "one", "two", "away", "three"]
    own = house.history(HistoryQuery(user=BOB.id, of=OPS.id, limit=10, own=True))
    assert texts(own) == ["one", "two", "three"]
    part = house.history(HistoryQuery(user=BOB.id, of=OPS.id, limit=2, own=True))
    assert (texts(part), part.more) == (["two", "three"], True)
    rest = house.history(HistoryQuery(user=BOB.id, of=OPS.id, limit=2, own=True, before=part.rows[0].seq))
    assert (texts(rest), rest.more) == (["one"], False)
    assert texts(house.history(HistoryQuery(user=CID.id, of=OPS.id, limit=10, own=True))) == []


def test_since(house: Owner) -> None:
    """Also if a clock was set back for a while; older messages do not count as more."""
    house.write(at(10), at(30, text="one"), at(20), at(31, text="two"), at(25), at(40, text="three"))
    page = house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10, since=30))
    assert (texts(page), page.more) == (["one", "two", "three"], False)
    page = house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=2, since=30))
    assert (texts(page), page.more) == (["two", "three"], True)


def test_since_and_imports(house: Owner) -> None:
    """Thousands of older messages after newer ones do not hide these."""
    house.write(at(50, text="first"), *(at(10) for _ in range(3000)), at(50, text="new"), at(10), at(10))
    query = HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10, since=30)
    assert texts(house.history(query)) == ["first", "new"]
    page = house.history(replace(query, limit=1))
    assert (texts(page), page.more) == (["new"], True)


def test_since_ends(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """After very many older messages the search for newer ones ends."""
    monkeypatch.setattr(history, "_UNFIT_IN_A_ROW", 100)
    house.write(at(50, text="hidden"), *(at(10) for _ in range(101)), at(50, text="new"))
    assert texts(house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10, since=30))) == ["new"]


# Forward


def test_pages_forward(house: Owner) -> None:
    """Page by page they lead to the newest, which has no more after it; both bounds hold in both directions."""
    said = [entry(ANN, BOB, str(number)) for number in range(5)]
    house.write(*said, entry(ANN, CID), entry(BOB, LOBBY))
    query = HistoryQuery(user=BOB.id, of=ANN.id, limit=2, forward=True)
    first = house.history(query)
    assert first == Page([row(said[0]), row(said[1])], more=True)
    second = house.history(replace(query, after=said[1].seq))
    assert (texts(second), second.more) == (["2", "3"], True)
    third = house.history(replace(query, after=said[3].seq))
    assert (texts(third), third.more) == (["4"], False)
    for forward in (True, False):
        between = replace(query, limit=9, after=said[0].seq, before=said[4].seq, forward=forward)
        assert texts(house.history(between)) == ["1", "2", "3"]
        for after, before in ((said[2].seq, said[3].seq), (said[3].seq, said[1].seq), (99, None), (None, 0)):
            nothing = house.history(replace(between, after=after, before=before))
            assert nothing == Page([], more=False)
    assert (texts(last := house.history(replace(query, after=said[0].seq, forward=False))), last.more) == (
        ["3", "4"],
        True,
    )


@pytest.mark.parametrize("forward", [True, False])
def test_times(house: Owner, forward: bool) -> None:
    """Both bounds of the time hold in both directions, also if a clock was set back for a while."""
    times = (10, 30, 20, 31, 25, 40, 29, 50)
    house.write(*(at(time, text=str(time)) for time in times))
    for since in (None, *range(5, 60, 5)):
        for until in (None, *range(5, 60, 5)):
            fit = [str(time) for time in times if (since or 0) <= time <= (until or 99)]
            query = HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10, since=since, until=until, forward=forward)
            assert house.history(query) == Page(house.history(query).rows, more=False)
            assert texts(house.history(query)) == fit
            page = house.history(replace(query, limit=2))
            assert (texts(page), page.more) == (fit[:2] if forward else fit[-2:], len(fit) > 2)


def test_forward_in_private_rooms(house: Owner) -> None:
    """Only what was sent while the user was a member, the oldest time of theirs first."""
    house.write_all(
        *(entry(ANN, OPS, "before"), Enter(BOB.id, OPS.id), entry(ANN, OPS, "one"), entry(ANN, OPS, "two")),
        *(Leave(BOB.id, OPS.id), entry(ANN, OPS, "away"), Enter(BOB.id, OPS.id), entry(ANN, OPS, "three")),
    )
    query = HistoryQuery(user=BOB.id, of=OPS.id, limit=2, own=True, forward=True)
    first = house.history(query)
    assert (texts(first), first.more) == (["one", "two"], True)
    for after in (first.rows[1].seq, first.rows[1].seq + 1):
        rest = house.history(replace(query, after=after))
        assert (texts(rest), rest.more) == (["three"], False)
    assert texts(house.history(replace(query, after=first.rows[0].seq, limit=9))) == ["two", "three"]
    back = replace(query, after=first.rows[0].seq, forward=False)
    assert texts(house.history(back)) == ["two", "three"]
    assert texts(house.history(replace(query, user=CID.id))) == []


_LONG = 300  # messages in a conversation that is searched by halves


@pytest.fixture
def long(house: Owner, monkeypatch: pytest.MonkeyPatch) -> Owner:
    """A room with many messages, a second apart, of which only few are looked at one after the other."""
    monkeypatch.setattr(history, "_UNFIT_IN_A_ROW", 10)
    for number in range(_LONG):  # among others, so that seqs have gaps
        house.write(at(number, text=str(number)), entry(ANN, BOB))
    return house


@pytest.mark.parametrize("time", [0, 1, 17, 150, 151, 290, _LONG - 1, _LONG])
def test_leap(long: Owner, time: int) -> None:
    """From the wrong end, many messages are not looked at: the place is found by halves."""
    query = HistoryQuery(user=BOB.id, of=LOBBY.id, limit=3)
    forward = long.history(replace(query, since=time, forward=True))
    expected = [str(number) for number in range(time, min(time + 3, _LONG))]
    assert (texts(forward), forward.more) == (expected, time + 3 < _LONG)
    back = long.history(replace(query, until=time))
    expected = [str(number) for number in range(max(0, min(time, _LONG - 1) - 2), min(time, _LONG - 1) + 1)]
    assert (texts(back), back.more) == (expected, time > 2)
    for way in (True, False):
        exact = replace(query, since=time, until=time, forward=way)
        assert texts(long.history(exact)) == [str(time)] * (time < _LONG)


def test_leap_within_bounds(long: Owner) -> None:
    """It does not leave them."""
    rows = long.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=_LONG)).rows
    query = HistoryQuery(user=BOB.id, of=LOBBY.id, limit=3, after=rows[100].seq, before=rows[200].seq)
    for since, expected in ((50, "101 102 103"), (150, "150 151 152"), (199, "199"), (200, ""), (250, "")):
        assert " ".join(texts(long.history(replace(query, since=since, forward=True)))) == expected
    for until, expected in ((250, "197 198 199"), (150, "148 149 150"), (101, "101"), (100, ""), (50, "")):
        assert " ".join(texts(long.history(replace(query, until=until)))) == expected


def test_work_of_a_leap(long: Owner, data: Path) -> None:
    """Every statement is about a range of one index, in its order; the place of a time takes few of them."""
    statements: list[str] = []
    with closing(connect(data / "chatcli.db")) as connection:
        connection.set_trace_callback(statements.append)
        for forward in (True, False):
            query = HistoryQuery(user=BOB.id, of=LOBBY.id, limit=3, since=150, until=150, forward=forward)
            page, _ = history.read_history(connection, query)
            assert texts(page) == ["150"]
        connection.set_trace_callback(None)
        plans = [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")] for one in statements]
    assert len(statements) < 2 * 80
    reads = [step for plan in plans for step in plan if "messages" in step]
    assert len(reads) == len(statements)
    assert {step.replace("COVERING ", "") for step in reads} == {
        "SEARCH messages USING INDEX messages_of_conversation (conversation=? AND seq>? AND seq<?)"
    }
    assert not [step for plan in plans for step in plan if "B-TREE" in step]


# Long ones


def test_long_messages(house: Owner) -> None:
    """A page has a few hundred kilobytes at most, and says that there are more."""
    house.write(*(entry(ANN, LOBBY, "x" * 60_000) for _ in range(10)))
    page = house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10))
    assert len(page.rows) == 3
    assert page.more


# Rooms at a glance


def test_newest(house: Owner) -> None:
    """The newest message of each room that has any."""
    house.write(entry(ANN, LOBBY, "old"), entry(BOB, LOBBY, "new"))
    newest = house.ask(NewestQuery(user=BOB.id, rooms=[LOBBY.id, OPS.id]))
    assert isinstance(newest, dict)
    assert {room: row.text for room, row in newest.items()} == {LOBBY.id: "new"}


def test_contacts(house: Owner) -> None:
    """The latest first, whichever of the two wrote; neither rooms nor the user themselves are among them."""
    house.write(entry(ANN, BOB), entry(CID, ANN), entry(ANN, LOBBY), entry(ANN, ANN), entry(BOB, CID))
    assert house.ask(ContactsQuery(user=ANN.id, limit=10)) == [CID.id, BOB.id]
    house.write(entry(BOB, ANN))
    assert house.ask(ContactsQuery(user=ANN.id, limit=10)) == [BOB.id, CID.id]
    assert house.ask(ContactsQuery(user=ANN.id, limit=1)) == [BOB.id]


# Backlogs


def test_backlog(house: Owner) -> None:
    """It has the number of missed messages without the newest, and the seq where these begin."""
    said = [entry(ANN, LOBBY) for _ in range(5)]
    house.write_all(Enter(BOB.id, LOBBY.id), Enter(BOB.id, OPS.id), *said, entry(ANN, OPS), *map(talk, range(9)))
    query = BacklogQuery(user=BOB.id, after=0, upto=house.log.head, newest=2)
    assert backlogs(house, query) == [Backlog(LOBBY.id, 3, said[2].seq)]
    assert backlogs(house, replace(query, newest=5)) == []
    assert backlogs(house, replace(query, after=said[1].seq)) == [Backlog(LOBBY.id, 1, said[2].seq)]
    assert backlogs(house, replace(query, upto=said[3].seq)) == [Backlog(LOBBY.id, 2, said[1].seq)]
    assert backlogs(house, replace(query, newest=0, upto=said[0].seq)) == [Backlog(LOBBY.id, 1, said[0].seq)]


def talk(_: int) -> Entry:
    """Make a message to a user, which is never left out."""
    return entry(ANN, BOB)


def test_backlog_of_members(house: Owner) -> None:
    """Messages from before and after a membership are not missed."""
    house.write_all(entry(ANN, LOBBY), Enter(BOB.id, LOBBY.id), entry(ANN, LOBBY), entry(ANN, LOBBY))
    house.write_all(Leave(BOB.id, LOBBY.id), entry(ANN, LOBBY), Enter(BOB.id, LOBBY.id), entry(ANN, LOBBY))
    (backlog,) = backlogs(house, BacklogQuery(user=BOB.id, after=0, upto=house.log.head, newest=1))
    assert backlog == Backlog(LOBBY.id, 2, 3)


def test_backlog_of_a_room_that_was_left(house: Owner) -> None:
    """The user could not read a private one back."""
    house.write_all(Enter(BOB.id, LOBBY.id), *(entry(ANN, LOBBY) for _ in range(9)), Leave(BOB.id, LOBBY.id))
    assert backlogs(house, BacklogQuery(user=BOB.id, after=0, upto=house.log.head, newest=1)) == []


def test_backlog_unread_only(house: Owner) -> None:
    """The user's own messages are neither among the newest nor among the others."""
    said = [entry(PEOPLE[number % 2], LOBBY) for number in range(8)]
    house.write_all(Enter(BOB.id, LOBBY.id), *said)
    query = BacklogQuery(user=BOB.id, after=0, upto=house.log.head, newest=3, unread_only=True)
    assert backlogs(house, query) == [Backlog(LOBBY.id, 1, said[0].seq)]
    assert backlogs(house, replace(query, newest=4)) == []


def test_backlog_and_feed(house: Owner) -> None:
    """A feed with the floors of a backlog has the newest of each room."""
    house.write_all(Enter(BOB.id, LOBBY.id), *(entry(ANN, LOBBY, str(number)) for number in range(100)))
    (backlog,) = backlogs(house, BacklogQuery(user=BOB.id, after=0, upto=house.log.head, newest=3))
    rows = house.feed(BOB.id, floors={backlog.room: backlog.floor})
    assert [row.text for row in rows] == ["97", "98", "99"]
