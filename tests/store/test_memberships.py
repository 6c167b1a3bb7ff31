"""The writer's decisions about rooms and rulings, and what follows, as every store must do it."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from chatcli.store.batch import Conflict
from chatcli.store.records import (
    Enter,
    Fact,
    Found,
    Leave,
    MemberRecord,
    Release,
    RoomRecord,
    Ruling,
    SetOwner,
    SetTopic,
)
from chatcli.store.sanction import Sanction, encode
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, OPS, entry, new_room

SECRET: Final = new_room(-3, "#secret", 5, kind="private", topic="hush")
NEWS: Final = new_room(-4, "#news", 5, kind="announcement", topic="news")
OPERATOR: Final = Ruling("operator", ANN.key, encode(Sanction(at=1)))


def invitation(room: RoomRecord, user: int, by: int) -> Ruling:
    """Make an invitation to a room."""
    return Ruling("room_invitation", f"{room.id}:{user}", encode(Sanction(at=1, by=by)))


def sanction(kind: str, room: RoomRecord, user: int) -> Ruling:
    """Make a ban or a mute in a room."""
    return Ruling(kind, f"{room.id}:{user}", encode(Sanction(at=1)))


def ended(ruling: Ruling, event: str = "") -> Ruling:
    """Make the fact that a ruling has ended."""
    return Ruling(ruling.kind, ruling.subject, None, event=event)  # type: ignore[arg-type]


def members(owner: Owner) -> list[MemberRecord]:
    """Return the members of all rooms, as a restarted server finds them."""
    owner.reopen()
    return owner.state.members


# Rooms


def test_found(chat: Owner) -> None:
    """A room's founder is its first member, after the newest message, and owns it."""
    chat.write(entry(ANN, BOB))
    member = MemberRecord(BOB.id, LOBBY.id, 1, owner=True)
    assert chat.facts(Found(LOBBY, BOB.id)) == [LOBBY, member]
    assert members(chat) == [member]
    assert chat.state.rooms == [LOBBY]


@pytest.mark.parametrize(
    ("room", "by", "conflict"),
    [
        (new_room(-9, "#LOBBY", 1), ANN.id, "taken"),
        (replace(OPS, id=LOBBY.id), ANN.id, "taken"),
        (new_room(-9, "#L0bby", 1), ANN.id, "lookalike"),
        (OPS, 9, "missing"),
        (OPS, ANN.id, None),
    ],
)
def test_rooms_that_are_refused(chat: Owner, room: RoomRecord, by: int, conflict: Conflict | None) -> None:
    """Nothing is left of them, and the rest of their batch is written."""
    chat.commit_change(Found(LOBBY, BOB.id))
    batch, error = chat.write_all(Found(room, by), entry(ANN, BOB, "kept"), Enter(CID.id, LOBBY.id))
    assert (error, [change.outcome.conflict for change in batch.changes]) == (None, [conflict, None])
    assert chat.texts(BOB.id) == ["kept"]
    chat.reopen()
    assert chat.state.rooms == ([LOBBY] if conflict else [LOBBY, OPS])
    assert [member.user for member in chat.state.members if member.room == LOBBY.id] == [BOB.id, CID.id]


def test_topic(chat: Owner) -> None:
    """There must be such a room."""
    chat.commit_change(Found(LOBBY, BOB.id))
    assert chat.facts(SetTopic(LOBBY.id, "new", ANN.id)) == [SetTopic(LOBBY.id, "new", ANN.id)]
    assert chat.conflict(SetTopic(-9, "new", ANN.id)) == "missing"


# Members


def test_enter(house: Owner) -> None:
    """The first member owns the room, and an invitation is used up."""
    invited = invitation(OPS, BOB.id, CID.id)
    house.write(entry(ANN, BOB))
    assert house.facts(Enter(CID.id, OPS.id)) == [MemberRecord(CID.id, OPS.id, 1, owner=True)]
    house.write_all(invited, Enter(CID.id, LOBBY.id), invitation(LOBBY, BOB.id, CID.id))
    entered = MemberRecord(BOB.id, OPS.id, 1, owner=False)
    assert house.facts(Enter(BOB.id, OPS.id)) == [entered, ended(invited)]
    assert house.facts(Enter(BOB.id, OPS.id)) == []


def test_enter_again(house: Owner) -> None:
    """Where nothing was said meanwhile, the member goes on where they were."""
    house.write_all(Enter(CID.id, OPS.id), Enter(BOB.id, OPS.id), entry(ANN, OPS), Leave(BOB.id, OPS.id))
    house.write(entry(ANN, BOB))
    assert house.facts(Enter(BOB.id, OPS.id)) == [MemberRecord(BOB.id, OPS.id, 0, owner=False)]
    house.write_all(Leave(BOB.id, OPS.id), entry(ANN, OPS))
    assert house.facts(Enter(BOB.id, OPS.id)) == [MemberRecord(BOB.id, OPS.id, 3, owner=False)]


@pytest.mark.parametrize("record", [Enter(9, OPS.id), Enter(ANN.id, -9), Enter(9, -9)])
def test_enter_what_is_missing(house: Owner, record: Enter) -> None:
    """It is refused."""
    assert house.conflict(record) == "missing"
    assert members(house) == []


def test_leave(house: Owner) -> None:
    """The invitations by the user to that room end, and the longest member is its heir."""
    others = [invitation(OPS, 7, BOB.id), invitation(LOBBY, 7, ANN.id)]
    house.write_all(*(Enter(user, OPS.id) for user in (ANN.id, CID.id, BOB.id)), Enter(ANN.id, LOBBY.id), *others)
    house.write_all(*(given := [invitation(OPS, 8, ANN.id), invitation(OPS, 9, ANN.id)]))
    left = Leave(ANN.id, OPS.id, "kicked", BOB.id, "rude")
    assert house.facts(left) == [
        left,
        *(ended(one, "uninvited") for one in given),
        SetOwner(CID.id, OPS.id, owner=True),
    ]
    staying = [(member.user, member.owner) for member in members(house) if member.room == OPS.id]
    assert staying == [(CID.id, True), (BOB.id, False)]
    assert sorted(house.state.rulings) == sorted(others)
    assert house.facts(left) == []


def test_leave_with_another_owner(house: Owner) -> None:
    """Nobody inherits anything."""
    house.write_all(*(Enter(user.id, OPS.id) for user in (ANN, BOB, CID)), SetOwner(CID.id, OPS.id, owner=True))
    assert house.facts(Leave(ANN.id, OPS.id)) == [Leave(ANN.id, OPS.id)]


def test_heir_who_came_back(house: Owner) -> None:
    """Only the present membership counts."""
    house.write_all(*(Enter(user.id, OPS.id) for user in (ANN, BOB, CID)), Leave(BOB.id, OPS.id), Enter(BOB.id, OPS.id))
    assert house.facts(Leave(ANN.id, OPS.id))[1:] == [SetOwner(CID.id, OPS.id, owner=True)]


@pytest.mark.parametrize("room", [LOBBY, SECRET, NEWS])
def test_last_member(chat: Owner, room: RoomRecord) -> None:
    """The decisions of the owners end; only a private room loses its bans and its topic as well."""
    elsewhere = new_room(-30, "#other", 1)
    chat.write_all(Found(room, ANN.id), Found(elsewhere, BOB.id))
    invited, muted, banned = (
        invitation(room, 8, ANN.id),
        sanction("room_mute", room, BOB.id),
        sanction("room_ban", room, CID.id),
    )
    others = [sanction("room_mute", elsewhere, 8), sanction("room_ban", elsewhere, 8), invitation(elsewhere, 8, BOB.id)]
    chat.write_all(invited, muted, banned, *others)
    private: list[Fact] = [ended(banned), SetTopic(room.id, "")] if room is SECRET else []
    assert chat.facts(Leave(ANN.id, room.id)) == [
        Leave(ANN.id, room.id),
        ended(invited, "uninvited"),
        ended(muted),
        *private,
    ]
    chat.reopen()
    assert sorted(chat.state.rulings) == sorted([*others, *([] if private else [banned])])
    assert chat.state.rooms[0].topic == ("" if private else room.topic)


@pytest.mark.parametrize("room", [LOBBY, SECRET, NEWS])
def test_decisions_after_the_last_member(chat: Owner, room: RoomRecord) -> None:
    """They are refused if they would have ended: they would hold for those who make the room anew."""
    chat.write_all(Found(room, ANN.id), Leave(ANN.id, room.id))
    private = "missing" if room is SECRET else None
    for record, conflict in (
        (invitation(room, CID.id, ANN.id), "missing"),
        (sanction("room_mute", room, CID.id), "missing"),
        (sanction("room_ban", room, CID.id), private),
        (SetTopic(room.id, "new", ANN.id), private),
        (ended(sanction("room_mute", room, CID.id)), None),
    ):
        assert chat.conflict(record) == conflict


@pytest.mark.parametrize(
    ("room", "by", "conflict"),
    [
        (LOBBY, ANN.id, None),
        (LOBBY, BOB.id, None),
        (LOBBY, 9, "missing"),
        (SECRET, ANN.id, None),
        (SECRET, BOB.id, "missing"),
        (SECRET, 9, "missing"),
        (SECRET, 0, None),  # by an older version, which has written the name only
    ],
)
def test_inviters(chat: Owner, room: RoomRecord, by: int, conflict: Conflict | None) -> None:
    """Invitations end with the right to give them; and a member is not invited."""
    chat.write_all(Found(room, ANN.id), Enter(BOB.id, room.id))
    assert chat.conflict(invitation(room, CID.id, by)) == conflict
    assert chat.facts(invitation(room, BOB.id, ANN.id)) == []
    chat.write_all(Enter(CID.id, room.id), Release(ANN.id, ANN.key, "Ann (released 1)", "operator", 1))
    assert chat.conflict(invitation(room, 7, ANN.id)) == "missing"


def test_invitation_by_an_operator(chat: Owner) -> None:
    """An operator invites others to private rooms without being a member."""
    chat.write_all(Found(SECRET, BOB.id), OPERATOR)
    assert chat.conflict(invitation(SECRET, CID.id, ANN.id)) is None


def test_last_member_of_a_room_without_a_topic(chat: Owner) -> None:
    """There is none to be removed."""
    chat.commit_change(Found(replace(SECRET, topic=""), ANN.id))
    assert chat.facts(Leave(ANN.id, SECRET.id)) == [Leave(ANN.id, SECRET.id)]


# Owners


def test_owners(house: Owner) -> None:
    """A member becomes one, and the longest member becomes one when the last ceases to be one."""
    house.write_all(*(Enter(user.id, OPS.id) for user in (CID, ANN, BOB)))
    made = SetOwner(BOB.id, OPS.id, owner=True, by=ANN.id, reason="why not")
    assert house.facts(made) == [made]
    gone = SetOwner(CID.id, OPS.id, owner=False)
    assert house.facts(gone) == [gone]
    last = SetOwner(BOB.id, OPS.id, owner=False)
    assert house.facts(last) == [last, SetOwner(CID.id, OPS.id, owner=True)]
    for user, room in ((9, OPS.id), (ANN.id, LOBBY.id), (ANN.id, -9)):
        assert house.facts(SetOwner(user, room, owner=True)) == []
    assert [member.owner for member in members(house)] == [True, False, False]


@pytest.mark.parametrize("room", [LOBBY, SECRET])
@pytest.mark.parametrize("operator", [False, True])
def test_invitations_by_a_former_owner(chat: Owner, room: RoomRecord, *, operator: bool) -> None:
    """Those to a private room end, unless the user may still invite others there as an operator."""
    chat.write_all(Found(room, ANN.id), Enter(BOB.id, room.id), SetOwner(BOB.id, room.id, owner=True))
    chat.write_all(given := invitation(room, CID.id, ANN.id), invitation(room, 8, BOB.id))
    if operator:
        chat.commit_change(OPERATOR)
    gone = SetOwner(ANN.id, room.id, owner=False)
    ends = room is SECRET and not operator
    assert chat.facts(gone) == [gone, *([ended(given, "uninvited")] if ends else [])]


def test_batch_of_memberships(house: Owner) -> None:
    """Each decision sees those before it in the same batch."""
    batch, error = house.write_all(
        *(Enter(user.id, OPS.id) for user in (ANN, BOB)),
        *(Leave(ANN.id, OPS.id), Leave(ANN.id, OPS.id), Enter(9, OPS.id), Leave(BOB.id, OPS.id), Enter(CID.id, OPS.id)),
    )
    assert error is None
    assert [(change.outcome.conflict, change.outcome.facts) for change in batch.changes] == [
        (None, [MemberRecord(ANN.id, OPS.id, 0, owner=True)]),
        (None, [MemberRecord(BOB.id, OPS.id, 0, owner=False)]),
        (None, [Leave(ANN.id, OPS.id), SetOwner(BOB.id, OPS.id, owner=True)]),
        (None, []),
        ("missing", []),
        (None, [Leave(BOB.id, OPS.id)]),
        (None, [MemberRecord(CID.id, OPS.id, 0, owner=True)]),
    ]


def test_rooms_of_the_released(house: Owner) -> None:
    """Their heirs are found one room after the other."""
    house.write_all(*(Enter(user.id, room.id) for room in (OPS, LOBBY) for user in (ANN, BOB)))
    facts = house.facts(Release(ANN.id, ANN.key, "Ann (released 1)", "operator", 1))
    assert facts[-4:] == [
        fact for room in (OPS, LOBBY) for fact in (Leave(ANN.id, room.id), SetOwner(BOB.id, room.id, owner=True))
    ]


# Rulings


def test_rulings(chat: Owner) -> None:
    """The last one of a kind and subject holds; revoking one that is not there is a fact, too."""
    for ruling in (OPERATOR, Ruling(*OPERATOR[:2], "{}"), ended(OPERATOR), ended(OPERATOR)):
        assert chat.facts(ruling) == [ruling]
    chat.reopen()
    assert chat.state.rulings == []


@pytest.mark.parametrize("now", [None, "{}", OPERATOR.value])
def test_ruling_whose_time_is_over(chat: Owner, now: str | None) -> None:
    """It ends unless a newer one has replaced it."""
    chat.commit_change(Ruling(*OPERATOR[:2], now))
    over = Ruling(*OPERATOR[:2], None, ended=OPERATOR.value)
    if now == OPERATOR.value:
        assert chat.facts(over) == [over]
    else:
        assert chat.conflict(over) == "outdated"
    chat.reopen()
    assert [one.value for one in chat.state.rulings] == (["{}"] if now == "{}" else [])
