"""Read positions, as every store must keep them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chatcli.store.records import Enter, Found, ReadRecord, UserRecord
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, claim, entry, new_room, new_user

DAN = new_user(4, "Dan", 4000)


def read(owner: Owner, user: UserRecord, of: int, seq: int | None, public: int = 0) -> None:
    """Queue a read position; None removes it."""
    owner.log.set_read(user.id, of, None if seq is None else ReadRecord(user.id, of, seq, public))


def kept(owner: Owner) -> list[tuple[int, ...]]:
    """Return the positions in single conversations, as a restarted server finds them."""
    owner.reopen()
    return sorted(tuple(record) for record in owner.state.reads)


@pytest.fixture
def busy(house: Owner) -> Owner:
    """Open a log with messages between users, to oneself, and in a room."""
    house.write_all(
        *(Enter(user.id, LOBBY.id) for user in (ANN, BOB)),
        *(entry(ANN, BOB), entry(BOB, ANN), entry(CID, ANN), entry(ANN, ANN), entry(ANN, LOBBY)),
    )
    house.reports.clear()
    return house


def test_new_user(house: Owner) -> None:
    """They begin at the newest message."""
    house.write_all(*(entry(ANN, BOB) for _ in range(7)), claim(DAN))
    house.reopen()
    assert house.state.users[-1] == replace(DAN, received=7, read=7, public_read=7)


def test_single_conversations(busy: Owner) -> None:
    """Each has its position, for each of the users."""
    for user, of, seq, public in ((ANN, BOB.id, 2, 1), (BOB, ANN.id, 1, 0), (ANN, ANN.id, 4, 4), (ANN, LOBBY.id, 5, 2)):
        read(busy, user, of, seq, public)
    busy.commit(positions=True)
    assert kept(busy) == [(1, -1, 5, 2), (1, 1, 4, 4), (1, 2, 2, 1), (2, 1, 1, 0)]
    assert [(user.read, user.public_read) for user in busy.state.users] == [(0, 0)] * 3


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two batches"])
@pytest.mark.parametrize(("then", "found"), [((4, 4), [(1, 2, 4, 4)]), ((1, 3), [(1, 2, 1, 3)]), (None, [])])
def test_last_position_counts(
    busy: Owner, then: tuple[int, int] | None, found: list[tuple[int, ...]], *, together: bool
) -> None:
    """It may be before the one that it replaces, and it may be removed."""
    read(busy, ANN, BOB.id, 3, 3)
    if not together:
        busy.commit(positions=True)
    read(busy, ANN, BOB.id, *(then or (None,)))
    busy.commit(positions=True)
    assert kept(busy) == found


def test_restored_position(busy: Owner) -> None:
    """A position that was removed can be set again, and another one that never was can be removed."""
    for seq in (3, None, 2):
        read(busy, ANN, BOB.id, seq)
        read(busy, ANN, CID.id, None)
        busy.commit(positions=True)
    assert kept(busy) == [(1, 2, 2, 0)]


def test_general_position(busy: Owner) -> None:
    """It goes back, too, if the caller wants it; single ones and what was received stay."""
    busy.log.set_received(ANN.id, 5)
    read(busy, ANN, BOB.id, 1)
    for seq, public in ((5, 5), (2, 4)):
        read(busy, ANN, 0, seq, public)
        busy.commit(positions=True)
    assert kept(busy) == [(1, 2, 1, 0)]
    assert (busy.state.users[0].received, busy.state.users[0].read, busy.state.users[0].public_read) == (5, 2, 4)


def test_with_a_message(busy: Owner) -> None:
    """A position waits for something else to be written, unless the caller wants it written."""
    read(busy, ANN, BOB.id, 2)
    busy.log.commit()
    assert busy.reports == []
    assert busy.log.idle
    batch, _ = busy.write(entry(ANN, BOB))
    assert batch.reads == {(ANN.id, BOB.id): ReadRecord(ANN.id, BOB.id, 2, 0)}
    assert kept(busy) == [(1, 2, 2, 0)]


def test_at_the_end(busy: Owner) -> None:
    """Queued positions are written when the log is closed."""
    read(busy, ANN, LOBBY.id, 5, 5)
    read(busy, BOB, 0, 4, 4)
    assert kept(busy) == [(1, -1, 5, 5)]
    assert [user.read for user in busy.state.users] == [0, 4, 0]


def test_conversation_without_messages(busy: Owner) -> None:
    """A position there says nothing: all messages to come are newer. A room has them from its beginning."""
    read(busy, BOB, CID.id, 5, 5)
    read(busy, BOB, OPS.id, 4, 4)
    busy.commit(positions=True)
    busy.write(entry(CID, BOB, "first"))
    assert kept(busy) == [(2, -2, 4, 4)]


def test_conversation_of_the_same_batch(busy: Owner) -> None:
    """The position belongs to it, whichever was queued first."""
    read(busy, BOB, CID.id, 5, 5)
    busy.write(entry(CID, BOB, "first"))
    assert kept(busy) == [(2, 3, 5, 5)]


def test_strangers(busy: Owner) -> None:
    """Nothing is kept for users and rooms that the log does not have, since their records were refused."""
    for record in (Found(new_room(-9, LOBBY.name, 1), BOB.id), claim(new_user(9, BOB.name, 1))):
        assert busy.conflict(record) == "taken"
    busy.log.set_read(9, LOBBY.id, ReadRecord(9, LOBBY.id, 5, 5))
    busy.log.set_read(9, 0, ReadRecord(9, 0, 5, 5))
    read(busy, ANN, -9, 5)
    busy.commit(positions=True)
    assert kept(busy) == []
    assert len(busy.state.users) == 3
