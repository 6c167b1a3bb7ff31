"""Lists of conversations, as every store must give them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chatcli.store.batch import Entry
from chatcli.store.queries import ConversationPage, ConversationsQuery, UnreadQuery
from chatcli.store.records import Enter, Found, Leave, Release, RoomRecord, UserRecord
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, entry, new_room, new_user

SECRET = new_room(-3, "#secret", 1, kind="private")


def listing(
    owner: Owner,
    user: UserRecord = ANN,
    limit: int = 100,
    before: int | None = None,
    reads: Mapping[int, int] | None = None,
) -> ConversationPage:
    """Return a page of the user's conversations."""
    unread = UnreadQuery(user=user.id, after=0, reads=reads or {}, name=user.name)
    page = owner.ask(ConversationsQuery(user=user.id, unread=unread, limit=limit, before=before))
    assert isinstance(page, ConversationPage), page
    return page


def order(page: ConversationPage) -> list[int]:
    """Return the other users and the rooms of a page."""
    return [one.of for one in page.conversations]


def texts(page: ConversationPage) -> list[str | None]:
    """Return the last messages of a page."""
    return [one.last.text if one.last else None for one in page.conversations]


def said(owner: Owner, *entries: Entry) -> list[int]:
    """Write messages, and return their seqs."""
    owner.write(*entries)
    return [one.seq for one in entries]


def test_nothing(house: Owner) -> None:
    """A user without messages has none, nor does one in a room without any."""
    house.write_all(Enter(ANN.id, LOBBY.id), entry(BOB, CID), entry(BOB, OPS))
    assert listing(house) == ConversationPage([], more=False)


def test_newest_first(house: Owner) -> None:
    """People, rooms and notes to oneself, with the last message, be it the user's own, and the counts."""
    house.write_all(Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id))
    said(house, entry(BOB, ANN, "1"), entry(ANN, ANN, "2"), entry(CID, LOBBY, "hi Ann"), entry(ANN, BOB, "4"))
    page = listing(house)
    assert order(page) == [BOB.id, LOBBY.id, ANN.id]
    assert texts(page) == ["4", "hi Ann", "2"]
    assert [(one.unread, one.mentions) for one in page.conversations] == [(1, 0), (1, 1), (1, 0)]
    read = listing(house, reads={BOB.id: 1, LOBBY.id: 2}).conversations
    assert [(one.unread, one.mentions) for one in read] == [(0, 0), (1, 1), (1, 0)]
    assert order(listing(house, BOB)) == [ANN.id]


def test_pages(house: Owner) -> None:
    """Each goes on before the last message of the one before it, and only the last has no more after it."""
    people = [new_user(n, f"p{n}", 1) for n in range(10, 17)]
    house.add_users(*people)
    said(house, *(entry(person, ANN, person.name) for person in people), entry(people[0], ANN, "again"))
    found: list[int] = []
    more: list[bool] = []
    before = None
    while len(more) < 10:
        page = listing(house, limit=3, before=before)
        found += order(page)
        more.append(page.more)
        if not page.more:
            break
        last = page.conversations[-1].last
        assert last is not None
        before = last.seq
    assert (found, more) == ([10, 16, 15, 14, 13, 12, 11], [True, True, False])
    assert listing(house, limit=7).more is False
    assert listing(house, before=1) == ConversationPage([], more=False)


def test_counts_of_a_page(house: Owner) -> None:
    """They are those of its conversations, whatever is unread elsewhere."""
    bob, _, _ = said(house, entry(BOB, ANN), entry(CID, ANN), entry(CID, ANN))
    page = listing(house, limit=1)
    assert [(one.of, one.unread) for one in page.conversations] == [(CID.id, 2)]
    page = listing(house, limit=1, before=bob + 1)
    assert [(one.of, one.unread) for one in page.conversations] == [(BOB.id, 1)]


@pytest.mark.parametrize("room", [LOBBY, SECRET], ids=["open", "private"])
def test_rooms_that_were_left(house: Owner, room: RoomRecord) -> None:
    """They are not listed until the user comes back, who then finds the last message that they may read."""
    if room is SECRET:
        house.write_all(Found(SECRET, CID.id))
    house.write_all(entry(BOB, room, "before"), Enter(ANN.id, room.id))
    may_read_all = room.kind == "open"
    assert texts(listing(house)) == (["before"] if may_read_all else [])
    house.write_all(entry(BOB, room, "seen"), Leave(ANN.id, room.id), entry(BOB, room, "missed"))
    assert order(listing(house)) == []
    house.write_all(Enter(ANN.id, room.id))
    page = listing(house)
    assert texts(page) == (["missed"] if may_read_all else ["seen"])
    assert [one.unread for one in page.conversations] == [1]
    last = page.conversations[0].last
    assert last is not None
    assert listing(house, before=last.seq).conversations == []
    house.write_all(entry(BOB, room, "new"))
    page = listing(house)
    assert texts(page) == ["new"]
    assert [one.unread for one in page.conversations] == [2]


def test_people_whose_names_were_released(house: Owner) -> None:
    """Their conversations stay."""
    said(house, entry(BOB, ANN, "bye"))
    house.commit_change(Release(BOB.id, BOB.key, "Bob (released 2)", "operator", 1))
    assert order(listing(house)) == [BOB.id]
