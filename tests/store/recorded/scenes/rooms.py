"""Scenes of rooms: founders, members, owners, invitations, and the decisions of owners and operators."""

from __future__ import annotations

from typing import Final, Literal

from chatcli.protocol.frames import Happening
from chatcli.store.records import Enter, Found, Leave, RoomRecord, Ruling, SetOwner, SetTopic
from chatcli.store.sanction import Sanction, encode
from tests.store.recorded.scenes.world import LATEST, Place, Scene, World

_OF_ROOM: Final = ("room_ban", "room_mute", "room_invitation")
_OF_NAME: Final = ("mute", "operator", "service", "ban")
_PARTINGS: Final[tuple[Happening | Literal[""], ...]] = ("left", "left", "kicked", "banned", "")


def found(world: World, place: Place, user: int) -> Found:
    """Make a request of a room, and hope that it is accepted."""
    world.add_place(place, user)
    room = RoomRecord(
        id=place.id,
        name=place.name,
        key=place.key,
        look=place.look,
        kind=world.dice.choice(("open", "private", "announcement")),
        topic=world.text(),
        created=world.now,
    )
    return Found(room, user)


def enter(world: World, user: int, room: int) -> Enter:
    """Make a request to enter a room, and hope that it is accepted."""
    if user not in world.members[room]:
        world.members[room].append(user)
    return Enter(user, room)


def leave(world: World, user: int, room: int) -> Leave:
    """Let a user leave a room, of their own will or not."""
    if user in world.members[room]:
        world.members[room].remove(user)
    event = world.dice.choice(_PARTINGS)
    return Leave(user, room, event, by=0 if event == "left" else world.member(room), reason="bye")


def subject(room: int, user: int) -> str:
    """Return the subject of a decision about a user in a room."""
    return f"{room}:{user}"


def sanction(world: World, by: int = 0) -> str:
    """Return the details of a decision."""
    return encode(Sanction(at=world.now, until=world.until(), reason=world.text(), by=by))


def founders(world: World) -> Scene:
    """Several found rooms of one name, or of names that look alike."""
    first = world.place()
    yield found(world, first, world.user())
    for _ in range(world.dice.choice((0, 0, 1, 2))):
        if world.chance(0.3):
            yield None
        name = world.dice.choice((first.name, first.name.swapcase(), first.name.replace("o", "0")))
        yield found(world, Place(world.place().id, name, name.lower(), first.look), world.user())


def visitors(world: World) -> Scene:
    """Users leave before they enter, enter twice, and leave twice."""
    room, user = world.room(), world.user()
    for _ in range(world.dice.choice((2, 4, 6))):
        who = user if world.chance(0.7) else world.user()
        yield world.dice.choice((enter, enter, leave))(world, who, room)
        if world.chance(0.15):
            yield None


def departures(world: World) -> Scene:
    """All leave a room, its owner first, and someone comes back."""
    room = world.room()
    users = [world.user() for _ in range(4)]
    for user in users:
        yield enter(world, user, room)
    yield Ruling("room_mute", subject(room, users[0]), sanction(world), event="muted", by=users[1], reason="noise")
    yield Ruling("room_ban", subject(room, world.user()), sanction(world), event="banned", by=users[1])
    yield SetTopic(room, "before they went", users[0])
    if world.chance(0.5):
        yield None
    for user in (*world.members[room], users[0]):
        yield leave(world, user, room)
        if world.chance(0.05):
            yield None
    yield enter(world, users[-1], room)


def owners(world: World) -> Scene:
    """Owners are made and unmade, until the one who came first inherits the room."""
    room = world.room()
    for user in (world.user(), world.member(room)):
        if world.chance(0.7):
            yield enter(world, user, room)
        yield SetOwner(user, room, owner=world.chance(0.5), by=world.user(), reason=world.dice.choice(("", "trust")))
        if world.chance(0.3):
            yield None
    for user in world.members[room][: world.dice.choice((0, 1, 50))]:
        yield SetOwner(user, room, owner=False, by=world.member(room))


def guests(world: World) -> Scene:
    """Users are invited to a room, and come, or whoever invited them leaves or owns it no more."""
    room, host = world.room(), world.user()
    if world.chance(0.6):
        yield enter(world, host, room)
        yield SetOwner(host, room, owner=True)
    for _ in range(world.dice.choice((1, 2, 3))):
        guest = world.user()
        value = sanction(world, host)
        if world.chance(0.2):  # as older versions have written it
            value = encode(Sanction(at=world.now, reason=world.name_of(host)))
        yield Ruling("room_invitation", subject(room, guest), value, event="invited", by=host)
        if world.chance(0.4):
            yield enter(world, guest, room)
        if world.chance(0.2):
            yield None
    if world.chance(0.4):
        yield Ruling("operator", world.name_of(host).lower(), sanction(world))
    if world.chance(0.6):
        yield (
            SetOwner(host, room, owner=False, by=world.member(room)) if world.chance(0.5) else leave(world, host, room)
        )


def topics(world: World) -> Scene:
    """Topics of rooms, of missing ones, too."""
    yield SetTopic(world.room(), world.text(), world.dice.choice((0, world.user())))
    yield SetTopic(world.dice.choice((world.room(), 0, LATEST)), world.text())


def decisions(world: World) -> Scene:
    """A decision is renewed, and lifted because its time is over when it is not, or when nobody made it."""
    if world.chance(0.5):
        kind, about = world.dice.choice(_OF_NAME), world.owner().key
    else:
        kind, about = world.dice.choice(_OF_ROOM), subject(world.room(), world.user())
    former, newer = sanction(world), encode(Sanction(at=world.now + 1, until=world.until(), reason="again"))
    if world.chance(0.8):
        yield Ruling(kind, about, former)
    if world.chance(0.5):
        yield Ruling(kind, about, newer)
    if world.chance(0.3):
        yield None
    for ended in world.dice.sample((former, newer, None), world.dice.choice((1, 2, 3))):
        yield Ruling(kind, about, None, ended=ended, event=world.dice.choice(("", "unbanned", "unmuted")), by=0)
