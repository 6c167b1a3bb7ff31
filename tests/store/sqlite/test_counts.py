"""Unread counts, as every store must have them."""

from __future__ import annotations

import pytest

from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.records import Enter, Entry, Leave
from chatcli.store.sqlite import counts
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, Party, entry


def counted(owner: Owner, user: Party, after: int = 0) -> object:
    """Return the unread conversations of a user."""
    assert not isinstance(user, int)
    return owner.ask(UnreadQuery(user=user.id, after=after))


def wrote(owner: Owner, *entries: Entry) -> list[int]:
    """Write messages, and return their seqs."""
    owner.write(*entries)
    return [one.seq for one in entries]


def test_unread_by_conversation(house: Owner) -> None:
    """The newest first; a user's own messages count only if they are to themselves."""
    assert counted(house, ANN) == []
    first, _, third, own, noted = wrote(
        house, entry(BOB, ANN), entry(CID, BOB), entry(CID, ANN), entry(ANN, BOB), entry(ANN, ANN)
    )
    assert counted(house, ANN) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third), Unread(BOB.id, 1, first)]
    assert counted(house, ANN, first) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third)]
    assert counted(house, BOB, third) == [Unread(ANN.id, 1, own)]
    assert counted(house, ANN, noted) == []


def test_unread_in_rooms(house: Owner) -> None:
    """As in the feed: messages from a time when the user was away do not count."""
    house.write_all(
        *(entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id), Enter(BOB.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), entry(ANN, LOBBY), entry(BOB, OPS), Leave(ANN.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), entry(CID, LOBBY)),
    )
    newest, in_ops = house.log.head, house.log.head - 3
    assert counted(house, ANN) == [Unread(LOBBY.id, 3, newest), Unread(OPS.id, 1, in_ops)]
    rows = house.feed(ANN.id, unread_only=True)
    assert [row.recipient for row in rows] == [LOBBY.id, LOBBY.id, OPS.id, LOBBY.id]


def test_maximum_count(house: Owner) -> None:
    """The newest is found all the same, also after many messages of the user's own."""
    house.write_all(Enter(ANN.id, LOBBY.id), *(entry(BOB, LOBBY) for _ in range(1200)))
    newest = house.log.head
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    house.write(*(entry(ANN, LOBBY) for _ in range(1500)))
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    assert counted(house, ANN, newest - 7) == [Unread(LOBBY.id, 7, newest)]


def test_maximum_of_work(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of many conversations are left out, and so is what would need too much work."""
    one, two, three = wrote(house, entry(BOB, ANN), entry(CID, ANN), entry(ANN, ANN))
    monkeypatch.setattr(counts, "MAX_CONVERSATIONS", 2)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three), Unread(CID.id, 1, two)]
    monkeypatch.setattr(counts, "_MAX_SCANNED", 1)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three)]
    assert counted(house, ANN, three) == []
    assert one < two
