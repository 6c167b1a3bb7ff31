"""What every store must count of what someone has not been shown."""

from __future__ import annotations

import pytest

from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.records import Enter, Entry, Leave
from chatcli.store.sqlite import counts
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, Party, entry


def counted(owner: Owner, user: Party, after: int = 0) -> object:
    """Count what is unread."""
    assert not isinstance(user, int)
    return owner.ask(UnreadQuery(user=user.id, after=after))


def wrote(owner: Owner, *entries: Entry) -> list[int]:
    """Write messages, and return their places."""
    owner.write(*entries)
    return [one.seq for one in entries]


def test_what_others_said_is_counted_by_conversation(house: Owner) -> None:
    """The newest first; what one said oneself is news only if it is said to oneself."""
    assert counted(house, ANN) == []
    first, _, third, own, noted = wrote(
        house, entry(BOB, ANN), entry(CID, BOB), entry(CID, ANN), entry(ANN, BOB), entry(ANN, ANN)
    )
    assert counted(house, ANN) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third), Unread(BOB.id, 1, first)]
    assert counted(house, ANN, first) == [Unread(ANN.id, 1, noted), Unread(CID.id, 1, third)]
    assert counted(house, BOB, third) == [Unread(ANN.id, 1, own)]
    assert counted(house, ANN, noted) == []


def test_of_rooms_it_is_what_was_said_while_one_belonged_to_them(house: Owner) -> None:
    """As in the feed: who left and came back has not missed what was said in between."""
    house.write_all(
        *(entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), Enter(ANN.id, OPS.id), Enter(BOB.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), entry(ANN, LOBBY), entry(BOB, OPS), Leave(ANN.id, LOBBY.id)),
        *(entry(BOB, LOBBY), entry(BOB, LOBBY), Enter(ANN.id, LOBBY.id), entry(CID, LOBBY)),
    )
    newest, in_ops = house.log.head, house.log.head - 3
    assert counted(house, ANN) == [Unread(LOBBY.id, 3, newest), Unread(OPS.id, 1, in_ops)]
    rows = house.feed(ANN.id, unread_only=True)
    assert [row.recipient for row in rows] == [LOBBY.id, LOBBY.id, OPS.id, LOBBY.id]


def test_nobody_counts_beyond_a_thousand(house: Owner) -> None:
    """And the newest is found all the same, also behind much that one has said oneself."""
    house.write_all(Enter(ANN.id, LOBBY.id), *(entry(BOB, LOBBY) for _ in range(1200)))
    newest = house.log.head
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    house.write(*(entry(ANN, LOBBY) for _ in range(1500)))
    assert counted(house, ANN) == [Unread(LOBBY.id, 1000, newest)]
    assert counted(house, ANN, newest - 7) == [Unread(LOBBY.id, 7, newest)]


def test_the_work_is_bounded(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many conversations the oldest are left out, and so are those for which there would be too much to look at."""
    one, two, three = wrote(house, entry(BOB, ANN), entry(CID, ANN), entry(ANN, ANN))
    monkeypatch.setattr(counts, "MAX_CONVERSATIONS", 2)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three), Unread(CID.id, 1, two)]
    monkeypatch.setattr(counts, "_MAX_SCANNED", 1)
    assert counted(house, ANN) == [Unread(ANN.id, 1, three)]
    assert counted(house, ANN, three) == []
    assert one < two
