"""History pages and backlogs in rooms, as every store must have them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chatcli.store.queries import Backlog, BacklogQuery, ContactsQuery, HistoryQuery, NewestQuery, Page
from chatcli.store.records import Enter, Entry, Leave
from chatcli.store.sqlite import history
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
    monkeypatch.setattr(history, "_OLD_IN_A_ROW", 100)
    house.write(at(50, text="hidden"), *(at(10) for _ in range(101)), at(50, text="new"))
    assert texts(house.history(HistoryQuery(user=BOB.id, of=LOBBY.id, limit=10, since=30))) == ["new"]


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
