"""Two servers are asked at once for what only one can have: one of the two is told so, and both end up alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatcli.errors import Refused
from chatcli.protocol import frames as f
from chatcli.protocol.admin import Request
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server.limits import Limits
from tests.simulation.checks import check_all
from tests.simulation.device import Device
from tests.simulation.world import World


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Callable[[Limits], World]]:
    """Return a function that makes two servers; everything is checked at the end."""
    worlds: list[World] = []

    def make(limits: Limits) -> World:
        worlds.append(World(tmp_path, 2, limits=limits))
        return worlds[-1]

    yield make
    for world in worlds:
        world.settle()
        check_all(world)
        world.close()


@pytest.fixture
def world(open_world: Callable[[Limits], World]) -> World:
    """Two servers."""
    return open_world(Limits(message_rate=0))


def come(world: World, name: str, node: int, letter: str = "a", *, link: str = "", invite: str = "") -> Device:
    """Connect a device; its login may wait for the bus."""
    device = world.device(name, letter)
    world.connect(device, node, link=link, invite=invite)
    return device


def pair(world: World) -> tuple[Device, Device]:
    """Return the devices of two users, one on each server."""
    devices = come(world, "ann", 0), come(world, "bob", 1)
    world.settle()
    return devices


def ask(world: World, *requests: tuple[Device, f.ClientFrame]) -> list[f.ServerFrame]:
    """Have devices ask at once; return the answers."""
    numbers = [device.ask(frame) for device, frame in requests]
    world.run()
    world.settle()
    return [device.answers[number] for (device, _), number in zip(requests, numbers, strict=True)]


def outcomes(answers: list[f.ServerFrame]) -> list[str]:
    """Return the codes of errors, and the kinds of other answers."""
    return [answer.code if isinstance(answer, f.Error) else type(answer).__name__ for answer in answers]


def code(world: World, request: Request) -> str:
    """Return the code that an operator's command gives out."""
    answers = world.operate(0, request)
    world.settle()
    (rows,) = answers
    assert not isinstance(rows, Refused)
    return str(rows[0]["code"])


def test_one_name(world: World) -> None:
    """The first place on the bus gets it; nobody else has it even for a moment."""
    first, second = come(world, "ann", 0, "a"), come(world, "ann", 1, "b")
    world.settle()
    assert (first.welcomed, second.refusals) == (True, ["name_taken"])


def test_names_that_look_alike(world: World) -> None:
    """They count as the same one."""
    first, second = come(world, "bum", 0), come(world, "burn", 1)
    third = come(world, "bob", 0), come(world, "b0b", 1)
    world.settle()
    assert [one.welcomed for one in (first, *third)] == [True, True, False]
    assert second.welcomed or second.refusals == ["bad_name"]
    assert third[1].refusals == ["bad_name"]


def test_one_room(world: World) -> None:
    """Who comes second enters the room of the other, if they may and it is of the kind that they want."""
    ann, bob = pair(world)
    assert outcomes(ask(world, (ann, f.Join("#open")), (bob, f.Join("#open")))) == ["Room", "Room"]
    rooms: list[f.RoomKind] = ["private", "open"]
    assert outcomes(ask(world, *((one, f.Join("#private", "private")) for one in (ann, bob)))) == [
        "Room",
        "not_invited",
    ]
    wanted = zip((ann, bob), rooms[::-1], strict=True)
    assert outcomes(ask(world, *((one, f.Join("#kind", kind)) for one, kind in wanted))) == ["Room", "room_exists"]


def test_one_code(world: World) -> None:
    """A code or a token lets one device in."""
    ann, _ = pair(world)
    by_operator = code(world, Request("link", "ann", keep=True))
    first, second = come(world, "ann", 0, "b", link=by_operator), come(world, "ann", 1, "c", link=by_operator)
    world.settle()
    assert (first.welcomed, second.refusals) == (True, ["bad_code"])
    ask(world, (ann, f.MakeToken(scope="recover")))
    third, fourth = (come(world, "ann", node, "de"[node], link=ann.tokens[0]) for node in (0, 1))
    world.settle()
    assert (third.welcomed, fourth.refusals) == (True, ["bad_code"])


def test_the_last_use_of_an_invitation(open_world: Callable[[Limits], World]) -> None:
    """One more name cannot be had with it."""
    world = open_world(Limits(access="invite", message_rate=0))
    invitation = code(world, Request("invite", uses=1))
    ann, bob = come(world, "ann", 0, invite=invitation), come(world, "bob", 1, invite=invitation)
    world.settle()
    assert (ann.welcomed, bob.refusals) == (True, ["bad_code"])


def test_the_last_key(world: World) -> None:
    """Two devices that revoke each other's key do not leave the name to anybody."""
    ann, _ = pair(world)
    ask(world, (ann, f.Link()))
    other = come(world, "ann", 0, "b", link=ann.codes[0])
    world.settle()
    other.hang_up()
    come(world, "ann", 1, "b")
    keys = [ed25519_fingerprint(one.key.public) for one in (other, ann)]
    answers = ask(world, *((one, f.Revoke(key)) for one, key in zip((ann, other), keys, strict=True)))
    assert outcomes(answers) == ["Done", "not_allowed"]
    assert (ann.welcomed, other.connected, other.refusals[-1]) == (True, False, "kicked")


def test_owners_send_each_other_away(world: World) -> None:
    """The one who is left inherits the room."""
    ann, bob = pair(world)
    cyd = come(world, "cyd", 1)
    world.settle()
    for device in (ann, bob, cyd):
        ask(world, (device, f.Join("#square")))
    ask(world, (ann, f.Operate("own", "bob", "#square")))
    ask(world, (ann, f.Operate("kick", "bob", "#square")), (bob, f.Operate("kick", "ann", "#square")))
    for node in world.nodes:
        (room,) = node.hub.rooms.all()
        assert [user.name for user in room.owners] == ["cyd"] == [user.name for user in room.members]


def test_the_first_answer(world: World) -> None:
    """All others are told whose it was."""
    ann, bob = pair(world)
    for device in (ann, bob):
        ask(world, (device, f.Join("#square")))
    cyd = come(world, "cyd", 1)
    world.settle()
    ask(world, (cyd, f.Join("#square")))
    cyd.say("#square", "tea?", choices=["yes", "no"])
    world.run()
    world.settle()
    for number, device in enumerate((ann, bob)):
        device.say("#square", "", re=device.messages[-1].seq, answer=number)
    world.run()
    world.settle()
    assert [message.answer for message in cyd.messages] == [0]
    assert (ann.refusals, bob.refusals) == ([], ["not_open"])


def test_a_name_that_is_released_while_it_is_used(world: World) -> None:
    """Later requests of its owner have no effect, and the one who takes it meanwhile gets nothing of it."""
    ann, _ = pair(world)
    ask(world, (ann, f.Join("#cellar", "private")))
    answers = world.operate(1, Request("release", "ann"))
    world.publish(1)
    for frame in (f.MakeToken(scope="all"), f.Topic("#cellar", "mine"), f.Operate("invite", "bob", "#cellar")):
        ann.ask(frame)
    world.run()
    world.settle()
    assert not isinstance(answers[0], Refused)
    assert not ann.connected
    second = come(world, "ann", 1, "b")
    world.settle()
    assert second.welcomed
    assert second.user != ann.user
    for node in world.nodes:
        assert not node.hub.tokens.count
        assert not any(room.members or room.topic for room in node.hub.rooms.all())
        assert not any(user.invited for user in node.hub.users.all())
