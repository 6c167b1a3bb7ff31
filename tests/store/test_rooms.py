"""What every store must do with rooms: who belongs to them, and what of them is in whose feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatcli.store.records import Enter, Entry, Leave, MemberRecord, MessageRow, Record, RoomRecord, Seen, SetOwner
from tests.store.conftest import open_sqlite
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, PEOPLE, ROOMS, entry, row


def test_rooms_survive(house: Owner) -> None:
    """All rooms are known after a restart, in the order in which they came to be, each as it was written last."""
    renamed = replace(OPS, topic="What is up", kind="private")
    house.commit_change(renamed)
    house.reopen()
    assert house.state.rooms == [LOBBY, renamed]


def test_two_rooms_cannot_have_one_name(house: Owner) -> None:
    """A name that is taken spoils the batch, as it does for people."""
    _, error = house.commit_change(RoomRecord(id=-9, name="#LOBBY", key=LOBBY.key, kind="open", topic="", created=0))
    assert error is not None


def test_members_survive_in_the_order_in_which_they_came(house: Owner) -> None:
    """Who belongs to a room is known after a restart, even where nothing was said between one and the other."""
    changes: list[Record] = [
        Enter(CID.id, OPS.id, owner=True),
        Enter(BOB.id, OPS.id),
        Enter(ANN.id, OPS.id),
        Enter(BOB.id, LOBBY.id),
    ]
    house.write_all(*changes)
    house.reopen()
    assert house.state.members == [
        MemberRecord(BOB.id, LOBBY.id, 0, owner=False),
        MemberRecord(CID.id, OPS.id, 0, owner=True),
        MemberRecord(BOB.id, OPS.id, 0, owner=False),
        MemberRecord(ANN.id, OPS.id, 0, owner=False),
    ]


def test_who_comes_back_comes_last(house: Owner) -> None:
    """Whoever leaves and enters again is the newest member, even if nothing was said meanwhile."""
    house.write_all(Enter(ANN.id, OPS.id), Enter(BOB.id, OPS.id), Leave(ANN.id, OPS.id), Enter(ANN.id, OPS.id))
    house.reopen()
    assert [member.user for member in house.state.members] == [BOB.id, ANN.id]


def test_to_enter_twice_is_to_enter_once(house: Owner) -> None:
    """Whoever belongs to a room already goes on to do so, from when they first came and as what they are."""
    house.write_all(Enter(ANN.id, OPS.id, owner=True), entry(BOB, OPS, "one"), Enter(ANN.id, OPS.id))
    house.reopen()
    assert house.state.members == [MemberRecord(ANN.id, OPS.id, 0, owner=True)]
    assert house.texts(ANN.id) == ["one"]


def test_members_come_to_own_a_room_and_cease_to(house: Owner) -> None:
    """Who owns a room is known after a restart; whoever does not belong to it cannot own it."""
    house.write_all(Enter(ANN.id, OPS.id, owner=True), Enter(BOB.id, OPS.id))
    house.write_all(
        SetOwner(ANN.id, OPS.id, owner=False),
        SetOwner(BOB.id, OPS.id, owner=True),
        SetOwner(CID.id, OPS.id, owner=True),
    )
    house.reopen()
    assert [(member.user, member.owner) for member in house.state.members] == [(ANN.id, False), (BOB.id, True)]


def test_whoever_left_is_no_member(house: Owner) -> None:
    """To leave is remembered; to leave where one does not belong is nothing."""
    house.write_all(Enter(ANN.id, OPS.id, owner=True), Enter(BOB.id, OPS.id))
    house.write_all(Leave(ANN.id, OPS.id), Leave(CID.id, OPS.id))
    house.reopen()
    assert [member.user for member in house.state.members] == [BOB.id]


def test_a_members_feed_has_what_was_said_while_they_belonged_to_the_room(house: Owner) -> None:
    """Nothing from before they came nor from after they left; and coming and going has its place among messages."""
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
    assert house.state.members == [MemberRecord(BOB.id, OPS.id, house.log.head - 1, owner=False)]


def test_a_change_knows_how_many_messages_come_before_it(house: Owner) -> None:
    """The owner can tell from a batch between which messages a change was written."""
    batch, _ = house.write_all(Enter(ANN.id, OPS.id), entry(ANN, OPS), entry(ANN, OPS), Leave(ANN.id, OPS.id))
    assert [change.preceding for change in batch.changes] == [0, 2]


def test_retries_move_nobodys_place(house: Owner) -> None:
    """A retry takes no place in the log, so whoever enters behind it misses nothing that comes, restart or not."""
    first = entry(ANN, LOBBY, "said before")
    house.write(first)
    house.write_all(*(entry(ANN, LOBBY, "said before", first.id) for _ in range(3)), Enter(BOB.id, LOBBY.id))
    house.reopen()
    house.write(entry(ANN, LOBBY, "news"))
    assert house.texts(BOB.id) == ["news"]


def test_a_lost_batch_takes_its_members_along(house: Owner) -> None:
    """Where a batch could not be written, nobody entered, and who enters next enters behind what there really is."""
    _, error = house.write_all(entry(ANN, LOBBY, "lost"), Enter(BOB.id, LOBBY.id), entry(ANN, LOBBY, "\ud800"))
    assert error is not None
    house.write_all(Enter(CID.id, LOBBY.id), entry(ANN, LOBBY, "kept"))
    assert house.texts(BOB.id) == []
    assert house.texts(CID.id) == ["kept"]


def test_unread_leaves_out_what_one_said_in_a_room(house: Owner) -> None:
    """What one said oneself is not news, wherever one said it."""
    house.write_all(Enter(ANN.id, OPS.id), entry(ANN, OPS, "mine"), entry(BOB, OPS, "theirs"))
    assert [row.text for row in house.feed(ANN.id, unread_only=True)] == ["theirs"]


def test_a_floor_leaves_out_the_beginning_of_a_room(house: Owner) -> None:
    """Of a room with a floor nothing up to it is read; other rooms and people are whole."""
    said = [entry(ANN, OPS, "one"), entry(ANN, LOBBY, "two"), entry(ANN, BOB, "three"), entry(ANN, OPS, "four")]
    house.write_all(Enter(BOB.id, OPS.id), Enter(BOB.id, LOBBY.id), *said)
    rows = house.feed(BOB.id, floors={OPS.id: said[0].seq, -99: 1000})
    assert [row.text for row in rows] == ["two", "three", "four"]
    assert [row.recipient for row in rows] == [LOBBY.id, BOB.id, OPS.id]


def test_what_one_said_from_outside_is_in_the_members_feeds(house: Owner) -> None:
    """Whoever speaks in a room without belonging to it does not get it back."""
    house.write_all(Enter(BOB.id, OPS.id), entry(ANN, OPS, "disk full"))
    assert house.texts(BOB.id) == ["disk full"]
    assert house.texts(ANN.id) == []


def test_the_first_conversation_between_people_may_come_after_rooms(house: Owner) -> None:
    """Ids of rooms and of conversations between people do not get into each other's way."""
    house.write(entry(ANN, LOBBY), entry(ANN, BOB, "psst"), entry(CID, BOB, "hey"))
    assert house.texts(BOB.id) == ["psst", "hey"]


def test_an_answer_names_what_it_answers(house: Owner) -> None:
    """The message answered is read back with the answer."""
    first = entry(ANN, BOB)
    house.write(first)
    answer = entry(BOB, ANN, "yes")
    answer.re = first.seq
    house.write(answer)
    assert [row.re for row in house.feed(BOB.id)] == [None, first.seq]


def test_what_others_are_told_may_lag_behind(house: Owner) -> None:
    """A position that others must not know of moves the one that they do not know."""
    house.log.move_cursor(BOB.id, 5, shown=False)
    house.log.move_cursor(CID.id, 4)
    house.commit(cursors=True)
    house.log.move_cursor(BOB.id, 3)
    house.commit(cursors=True)
    house.reopen()
    assert [(user.cursor, user.shown) for user in house.state.users] == [(0, 0), (5, 3), (4, 4)]


def test_when_someone_was_last_here_survives(house: Owner) -> None:
    """It is known after a restart, and never goes back."""
    house.write_all(Seen(BOB.id, 7000), Seen(BOB.id, 5000))
    house.reopen()
    assert [user.seen for user in house.state.users] == [0, 7000, 0]


# Feeds against a model


@dataclass
class Model:
    """What feeds are, told in the simplest way: who was given which message when it was said."""

    belong: set[tuple[int, int]] = field(default_factory=set)
    feeds: dict[int, list[MessageRow]] = field(default_factory=lambda: {user.id: [] for user in PEOPLE})

    def take(self, thing: Entry | Enter | Leave) -> None:
        """Give a message to everyone who gets it, or let someone come or go."""
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
    """Do to a log and to a model what the script says; the log gets it in batches."""
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
def test_feeds_are_what_was_said_while_people_belonged(
    script: list[tuple[str, int, int]], limit: int, after: int, floor: int, *, unread: bool
) -> None:
    """Whatever happens in which order and in which batches, each feed is what its user was to be told, page by page."""
    with TemporaryDirectory() as folder:
        owner = Owner(lambda post, committed: open_sqlite(Path(folder), post, committed))
        owner.write_all(*PEOPLE, *ROOMS)
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
def test_a_sparse_feed_is_read_in_a_few_pages(house: Owner, gap: int) -> None:
    """However much others talk in between, a page brings what there is, in order."""
    for number in range(3):
        house.write(entry(ANN, BOB, str(number)))
        house.write(*(entry(ANN, ANN) for _ in range(gap)))
    page = house.read(BOB.id)
    assert [row.text for row in page.rows] == ["0", "1", "2"]
    assert page.upto == house.log.head


def test_nobody_enters_a_room_that_is_not_there(house: Owner) -> None:
    """If what was to make it could not be written, nothing is."""
    assert house.write_all(Enter(ANN.id, -9, owner=True), entry(ANN, BOB, "said")).error is None
    house.reopen()
    assert house.state.members == []
    assert house.texts(BOB.id) == ["said"]
