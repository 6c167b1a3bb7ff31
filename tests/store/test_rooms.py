"""Rooms, as every store must have them: members, and messages in their feeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatcli.store.batch import Entry
from chatcli.store.records import (
    Enter,
    Found,
    Leave,
    MemberRecord,
    MessageRow,
    ReadRecord,
    Record,
    Seen,
    SetOwner,
    SetTopic,
)
from tests.store.conftest import open_sqlite
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, PEOPLE, ROOMS, claim, empty, entry, faulty, new_room, row


def test_rooms(house: Owner) -> None:
    """They survive a restart, in their order, each with its last topic."""
    house.commit_change(SetTopic(OPS.id, "What is up", ANN.id))
    house.reopen()
    assert house.state.rooms == [LOBBY, replace(OPS, topic="What is up")]


def test_room_name_that_exists(house: Owner) -> None:
    """It is refused, and the rest of its batch is written."""
    batch, error = house.write_all(Found(new_room(-9, "#LOBBY", 0), ANN.id), entry(ANN, LOBBY, "kept"))
    assert (error, batch.changes[0].outcome.conflict) == (None, "taken")
    house.reopen()
    assert house.state.rooms == [LOBBY, OPS]
    assert house.log.head == 1


def test_members(house: Owner) -> None:
    """They survive a restart in the order in which they entered, even without messages in between."""
    changes: list[Record] = [
        Enter(CID.id, OPS.id),
        Enter(BOB.id, OPS.id),
        Enter(ANN.id, OPS.id),
        Enter(BOB.id, LOBBY.id),
    ]
    house.write_all(*changes)
    house.reopen()
    assert house.state.members == [
        MemberRecord(BOB.id, LOBBY.id, 0, owner=True),
        MemberRecord(CID.id, OPS.id, 0, owner=True),
        MemberRecord(BOB.id, OPS.id, 0, owner=False),
        MemberRecord(ANN.id, OPS.id, 0, owner=False),
    ]


def test_member_who_comes_back(house: Owner) -> None:
    """They are the newest member."""
    house.write_all(Enter(ANN.id, OPS.id), Enter(BOB.id, OPS.id), Leave(ANN.id, OPS.id), Enter(ANN.id, OPS.id))
    house.reopen()
    assert [member.user for member in house.state.members] == [BOB.id, ANN.id]


def test_enter_twice(house: Owner) -> None:
    """The member stays what they are."""
    house.write_all(Enter(ANN.id, OPS.id), entry(BOB, OPS, "one"), Enter(ANN.id, OPS.id))
    house.reopen()
    assert house.state.members == [MemberRecord(ANN.id, OPS.id, 0, owner=True)]
    assert house.texts(ANN.id) == ["one"]


def test_owners(house: Owner) -> None:
    """They survive a restart; only a member can be one."""
    house.write_all(Enter(ANN.id, OPS.id), Enter(BOB.id, OPS.id))
    house.write_all(
        SetOwner(BOB.id, OPS.id, owner=True),
        SetOwner(ANN.id, OPS.id, owner=False),
        SetOwner(CID.id, OPS.id, owner=True),
    )
    house.reopen()
    assert [(member.user, member.owner) for member in house.state.members] == [(ANN.id, False), (BOB.id, True)]


def test_leave(house: Owner) -> None:
    """Leaving a room without being a member does nothing."""
    house.write_all(Enter(ANN.id, OPS.id), Enter(BOB.id, OPS.id))
    house.write_all(Leave(ANN.id, OPS.id), Leave(CID.id, OPS.id))
    house.reopen()
    assert [member.user for member in house.state.members] == [BOB.id]


def test_feed_of_a_member(house: Owner) -> None:
    """It has the messages between entering and leaving, which have their places among them."""
    house.write_all(
        entry(ANN, OPS, "too early"),
        Enter(BOB.id, OPS.id),
        entry(ANN, OPS, "first"),
        entry(BOB, OPS, "second"),
        Leave(BOB.id, OPS.id),
        entry(ANN, OPS, "too late"),
        Enter(BOB.id, OPS.id),
        entry(ANN, OPS, "again"),
    )
    assert house.texts(BOB.id) == ["first", "second", "again"]
    assert house.texts(ANN.id) == []
    house.reopen()
    assert house.texts(BOB.id) == ["first", "second", "again"]
    assert house.state.members == [MemberRecord(BOB.id, OPS.id, house.log.head - 1, owner=True)]


def test_messages_before_a_change(house: Owner) -> None:
    """A batch says between which messages a change was written."""
    batch, _ = house.write_all(Enter(ANN.id, OPS.id), entry(ANN, OPS), entry(ANN, OPS), Leave(ANN.id, OPS.id))
    assert [change.preceding for change in batch.changes] == [0, 2]


def test_retries_and_members(house: Owner) -> None:
    """A user who enters after a retry misses nothing, also after a restart."""
    first = entry(ANN, LOBBY, "said before")
    house.write(first)
    house.write_all(*(entry(ANN, LOBBY, "said before", first.id) for _ in range(3)), Enter(BOB.id, LOBBY.id))
    house.reopen()
    house.write(entry(ANN, LOBBY, "news"))
    assert house.texts(BOB.id) == ["news"]


def test_members_of_a_failed_batch(house: Owner) -> None:
    """Nobody entered, and the next one enters after the last stored message."""
    _, error = house.write_all(entry(ANN, LOBBY, "lost"), Enter(BOB.id, LOBBY.id), faulty())
    assert error is not None
    house.write_all(Enter(CID.id, LOBBY.id), entry(ANN, LOBBY, "kept"))
    assert house.texts(BOB.id) == []
    assert house.texts(CID.id) == ["kept"]


def test_unread_only_in_rooms(house: Owner) -> None:
    """A user's own messages are left out."""
    house.write_all(Enter(ANN.id, OPS.id), entry(ANN, OPS, "mine"), entry(BOB, OPS, "theirs"))
    assert [row.text for row in house.feed(ANN.id, unread_only=True)] == ["theirs"]


def test_floors(house: Owner) -> None:
    """Nothing up to the floor of a room is read; other conversations are whole."""
    said = [entry(ANN, OPS, "one"), entry(ANN, LOBBY, "two"), entry(ANN, BOB, "three"), entry(ANN, OPS, "four")]
    house.write_all(Enter(BOB.id, OPS.id), Enter(BOB.id, LOBBY.id), *said)
    rows = house.feed(BOB.id, floors={OPS.id: said[0].seq, -99: 1000})
    assert [row.text for row in rows] == ["two", "three", "four"]
    assert [row.recipient for row in rows] == [LOBBY.id, BOB.id, OPS.id]


def test_messages_from_outside(house: Owner) -> None:
    """The members get them, the sender does not."""
    house.write_all(Enter(BOB.id, OPS.id), entry(ANN, OPS, "disk full"))
    assert house.texts(BOB.id) == ["disk full"]
    assert house.texts(ANN.id) == []


def test_conversation_after_rooms(house: Owner) -> None:
    """The ids of both do not collide."""
    house.write(entry(ANN, LOBBY), entry(ANN, BOB, "psst"), entry(CID, BOB, "hey"))
    assert house.texts(BOB.id) == ["psst", "hey"]


def test_replies(house: Owner) -> None:
    """The seq of the message that is answered is read back."""
    first = entry(ANN, BOB)
    house.write(first)
    answer = entry(BOB, ANN, "yes")
    answer.re = first.seq
    house.write(answer)
    assert [row.re for row in house.feed(BOB.id)] == [None, first.seq]


def test_hidden_position(house: Owner) -> None:
    """The part of a read position that others may know is kept apart, and so is what was received."""
    house.log.set_received(BOB.id, 7)
    house.log.set_read(BOB.id, 0, ReadRecord(BOB.id, 0, 5, 3))
    house.log.set_read(CID.id, 0, ReadRecord(CID.id, 0, 4, 4))
    house.log.set_read(CID.id, LOBBY.id, ReadRecord(CID.id, LOBBY.id, 6, 2))
    house.commit(positions=True)
    house.reopen()
    users = [(user.received, user.read, user.public_read) for user in house.state.users]
    assert users == [(0, 0, 0), (7, 5, 3), (0, 4, 4)]
    assert house.state.reads == [ReadRecord(CID.id, LOBBY.id, 6, 2)]


def test_last_seen(house: Owner) -> None:
    """It survives a restart, and only moves forward."""
    house.write_all(Seen(BOB.id, 7000), Seen(BOB.id, 5000))
    house.reopen()
    assert [user.seen for user in house.state.users] == [0, 7000, 0]


# Feeds against a model


@dataclass
class Model:
    """A simple model of feeds: which users were given which messages."""

    belong: set[tuple[int, int]] = field(default_factory=set)
    feeds: dict[int, list[MessageRow]] = field(default_factory=lambda: {user.id: [] for user in PEOPLE})

    def take(self, thing: Entry | Enter | Leave) -> None:
        """Give a message to all who get it, or let a user enter or leave."""
        match thing:
            case Enter(user, room):
                self.belong.add((user, room))
            case Leave(user, room):
                self.belong.discard((user, room))
            case Entry():
                for user, feed in self.feeds.items():
                    direct = thing.recipient > 0 and user in (thing.sender, thing.recipient)
                    if direct or (user, thing.recipient) in self.belong:
                        feed.append(row(thing))


people = st.sampled_from([user.id for user in PEOPLE])
rooms = st.sampled_from([room.id for room in ROOMS])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), people, st.one_of(people, rooms)),
        st.tuples(st.just("enter"), people, rooms),
        st.tuples(st.just("leave"), people, rooms),
        st.just(("commit", 0, 0)),
    ),
    max_size=60,
)


def play(owner: Owner, script: list[tuple[str, int, int]]) -> Model:
    """Write the script to a log, in batches, and to a model."""
    model = Model()
    batch: list[Entry | Enter | Leave] = []
    for deed, user, other in [*script, ("commit", 0, 0)]:
        if deed == "say":
            batch.append(entry(user, other))
        elif deed == "enter":
            batch.append(Enter(user, other))
        elif deed == "leave":
            batch.append(Leave(user, other))
        elif batch:
            owner.write_all(*batch)
            for thing in batch:
                model.take(thing)
            batch.clear()
    return model


@settings(max_examples=60, deadline=None)
@given(script=steps, limit=st.integers(1, 9), unread=st.booleans(), after=st.integers(0, 40), floor=st.integers(0, 60))
def test_feeds_and_model(
    script: list[tuple[str, int, int]], limit: int, after: int, floor: int, *, unread: bool
) -> None:
    """Whatever happens in whatever batches, each feed is that of the model, page by page."""
    with TemporaryDirectory() as folder:
        owner = Owner(lambda post, committed: open_sqlite(Path(folder), post, committed))
        owner.write_all(*map(claim, PEOPLE), *empty(*ROOMS))
        model = play(owner, script)
        for user, rows in model.feeds.items():
            expected = [
                row
                for row in rows
                if row.seq > after
                and not (row.recipient == OPS.id and row.seq <= floor)
                and not (unread and row.sender == user != row.recipient)
            ]
            assert owner.feed(user, after, limit, unread_only=unread, floors={OPS.id: floor}) == expected
        owner.log.close()


@pytest.mark.parametrize("gap", [1, 3000, 12_000])
def test_sparse_feed(house: Owner, gap: int) -> None:
    """However many messages of others are in between, a page has the next ones, in order."""
    for number in range(3):
        house.write(entry(ANN, BOB, str(number)))
        house.write(*(entry(ANN, ANN) for _ in range(gap)))
    page = house.read(BOB.id)
    assert [row.text for row in page.rows] == ["0", "1", "2"]
    assert page.upto == house.log.head


def test_enter_an_unknown_room(house: Owner) -> None:
    """If the record of the room could not be written, nobody enters it."""
    assert house.write_all(Enter(ANN.id, -9), entry(ANN, BOB, "said")).error is None
    house.reopen()
    assert house.state.members == []
    assert house.texts(BOB.id) == ["said"]
