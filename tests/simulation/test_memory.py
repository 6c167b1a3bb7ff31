"""The memory of one server equals that of a new one over the same database, whatever was asked for, written or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from chatcli.errors import Refused
from chatcli.protocol import frames as f
from chatcli.protocol.admin import Request, Row
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server.limits import Limits
from tests.simulation.checks import check_all, check_memory
from tests.simulation.device import Device
from tests.simulation.memory import check_at_rest
from tests.simulation.node import LIMITS
from tests.simulation.world import World


class Alone:
    """A server that is alone, and people who talk with it; its memory is checked after each request.

    Args:
        directory: for its data.
        limits: what clients may do.
    """

    def __init__(self, directory: Path, limits: Limits = LIMITS) -> None:
        self.world = World(directory, limits=limits)
        self.full: int | None = None  # the step of the database after which the disk is full

    def write(self) -> None:
        """Write what is queued, and check the memory."""
        node = self.world.nodes[0]
        if self.full is None:
            self.world.settle()
            check_at_rest(node.hub)
        else:
            self.world.pass_time()
            for _ in range(5):  # what depends on an outcome follows it
                self.world.fail(0, 1, self.full)
        check_memory(node, positions=self.full is None)

    def come(self, name: str, letter: str = "a", *, link: str = "", invite: str = "") -> Device:
        """Connect a device of a user."""
        device = self.world.device(name, letter)
        self.world.connect(device, link=link, invite=invite)
        self.write()
        return device

    def ask(self, device: Device, frame: f.ClientFrame) -> f.ServerFrame | None:
        """Have a device ask; return the answer."""
        number = device.ask(frame)
        self.world.run()
        self.write()
        return device.answers.get(number)

    def say(self, device: Device, to: str, text: str, **more: object) -> f.Sent | None:
        """Have a device send a message; return the answer, or None if it was refused."""
        identity = device.say(to, text, **more)
        self.world.run()
        self.write()
        return next((sent for sent in device.sent if sent.id == identity), None)

    def operate(self, do: str, to: str = "", **more: object) -> Row | Refused:
        """Have an operator execute a command; return the first row of the answer, or the refusal."""
        answers = self.world.operate(0, Request(do, to, **more))  # type: ignore[arg-type]
        self.write()
        (answer,) = answers
        return answer if isinstance(answer, Refused) else answer[0] if answer else {}

    def code(self, do: str, to: str = "", **more: object) -> str:
        """Return the code that an operator's command gives out."""
        row = self.operate(do, to, **more)
        assert not isinstance(row, Refused), row
        return str(row["code"])


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    """A server that is alone."""
    alone = Alone(tmp_path)
    yield alone
    alone.write()
    check_all(alone.world)
    alone.world.close()


def fingerprint(device: Device) -> str:
    """Return the fingerprint of a device's key."""
    return ed25519_fingerprint(device.key.public)


def keys_and_tokens(alone: Alone) -> None:
    """Keys come and go, with link codes, recovery tokens and codes of operators; so do tokens."""
    ann = alone.come("ann")
    code = alone.ask(ann, f.Link())
    if isinstance(code, f.LinkCode):
        alone.come("ann", "b", link=code.code)
    second = alone.world.device("ann", "b")
    alone.ask(ann, f.Keys())
    alone.ask(second, f.MakeToken("laptop", "all"))
    alone.ask(ann, f.MakeToken("robot", "send", ["ann"], 3))
    made = alone.ask(ann, f.MakeToken("spare", "recover"))
    if isinstance(made, f.Token):
        alone.come("ann", "c", link=made.token)
    reader = alone.ask(ann, f.MakeToken("reader", "read"))
    if isinstance(reader, f.Token):
        program = alone.world.device("ann", "program")
        program.token = reader.token
        alone.world.connect(program, purpose="listen")
        alone.write()
        alone.ask(ann, f.RevokeToken(reader.id))
    alone.world.pass_time(3600)
    alone.write()
    alone.ask(ann, f.Tokens())
    alone.ask(ann, f.Revoke(fingerprint(second)))
    alone.operate("link", "ann", keep=True)
    alone.come("ann", "d", link=alone.code("link", "ann") if alone.full is None else "")
    alone.ask(alone.world.device("ann", "d"), f.Revoke(fingerprint(alone.world.device("ann", "d"))))


def messages_and_positions(alone: Alone) -> None:
    """Messages, questions, answers, and how far everybody has read."""
    ann, bob = alone.come("ann"), alone.come("bob")
    first = alone.say(ann, "bob", "hello")
    alone.say(bob, "ann", "hello yourself", re=first.seq if first else 1)
    question = alone.say(ann, "bob", "tea?", choices=["yes", "no"], seconds=60)
    for answer in (0, 1):
        alone.say(bob, "ann", "", re=question.seq if question else 1, answer=answer)
    alone.ask(ann, f.Answers(question.seq if question else 1))
    for of in ("ann", ""):
        alone.ask(bob, f.MarkRead(bob.position, of))
    alone.ask(bob, f.MarkRead(1, "ann", back=True))
    bob.acknowledge()
    alone.world.run()
    alone.write()
    alone.ask(bob, f.Away("at lunch"))
    alone.say(bob, "cyd", "nobody")
    alone.ask(ann, f.History("bob"))
    bob.hang_up()
    alone.write()
    alone.come("bob")


def rooms(alone: Alone) -> None:
    """Rooms are made, entered, left and moderated, until nobody is left."""
    ann, bob, cyd = (alone.come(name) for name in ("ann", "bob", "cyd"))
    for device, room in ((ann, "#square"), (bob, "#square"), (cyd, "#SQUARE"), (ann, "#squаre"), (bob, "#square")):
        alone.ask(device, f.Join(room))
    alone.ask(ann, f.Join("#cellar", "private"))
    alone.ask(bob, f.Join("#news", "announcement"))
    alone.say(bob, "#square", "hello")
    alone.ask(ann, f.Topic("#cellar", "secrets"))
    alone.ask(ann, f.Topic("#square", "the weather"))

    def act(device: Device, do: f.Operation, to: str, room: str, seconds: int | None = None) -> None:
        alone.ask(device, f.Operate(do, to, room, seconds))

    for to in ("bob", "cyd"):
        act(ann, "invite", to, "#cellar")
    act(bob, "invite", "ann", "#news")
    alone.ask(bob, f.Join("#cellar"))
    act(ann, "own", "bob", "#cellar")
    act(bob, "invite", "cyd", "#cellar")
    act(bob, "disown", "ann", "#cellar")
    act(ann, "invite", "cyd", "#cellar")
    alone.ask(cyd, f.Leave("#cellar"))
    act(ann, "mute", "bob", "#square", 3)
    act(ann, "unmute", "bob", "#square")
    act(ann, "mute", "bob", "#square", 3)
    act(ann, "kick", "cyd", "#square")
    act(ann, "ban", "cyd", "#square")
    alone.ask(cyd, f.Join("#square"))
    act(ann, "unban", "cyd", "#square")
    act(bob, "ban", "cyd", "#cellar")
    act(ann, "ban", "cyd", "#square", 3)
    alone.world.pass_time(3600)
    alone.write()
    alone.ask(cyd, f.Join("#square"))
    act(bob, "invite", "ann", "#news")
    act(ann, "uninvite", "bob", "#news")
    act(bob, "uninvite", "ann", "#news")
    for device in (ann, bob, cyd):
        alone.ask(device, f.Leave("#square"))
        alone.ask(device, f.Leave("#cellar"))
    alone.ask(cyd, f.Join("#cellar"))
    alone.ask(bob, f.Join("#square"))
    alone.ask(bob, f.Rooms())


def operators(alone: Alone) -> None:
    """Operators ban, mute, release, invite, and make names for programs."""
    ann, bob, cyd = (alone.come(name) for name in ("ann", "bob", "cyd"))
    alone.operate("op", "ann")
    for device, room in ((ann, "#square"), (bob, "#square"), (cyd, "#square")):
        alone.ask(device, f.Join(room))
    alone.ask(bob, f.Join("#cellar", "private"))
    alone.ask(bob, f.Operate("invite", "cyd", "#cellar"))
    alone.say(bob, "cyd", "hello")
    for do in ("mute", "unmute", "kick", "ban", "unban"):
        alone.ask(ann, f.Operate(do, "bob", seconds=10 if do == "mute" else None))
    alone.come("bob")
    alone.operate("mute", "bob", seconds=3)
    alone.operate("token", "robot", places=["#square", "bob"], label="weather")
    alone.operate("token", "robot", seconds=3)
    row = alone.operate("token", "robot")
    alone.operate("tokens", "robot")
    if not isinstance(row, Refused):
        alone.operate("revoke", str(row["id"]))
    alone.operate("release", "robot")
    alone.operate("token", "robot")
    alone.operate("ban", fingerprint(cyd), seconds=3)
    alone.operate("ban", "nobody", anyway=True)
    alone.operate("op", "bob")
    alone.operate("link", "bob")
    alone.ask(alone.come("bob"), f.MakeToken(scope="all"))
    alone.operate("release", "bob")
    alone.come("bob", "b")
    alone.operate("release", "bob")
    alone.operate("link", "operator")
    alone.operate("deop", "ann")
    alone.world.pass_time(7200)
    alone.write()
    alone.operate("users")


SCENARIOS: Final = (keys_and_tokens, messages_and_positions, rooms, operators)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_memory_follows_the_log(alone: Alone, scenario: Callable[[Alone], None]) -> None:
    """After every request."""
    scenario(alone)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("full", [1, 60, 150, 400])
def test_memory_follows_the_log_while_the_disk_is_full_now_and_then(
    alone: Alone, scenario: Callable[[Alone], None], full: int
) -> None:
    """A small transaction can be written, a large one cannot."""
    alone.full = full
    scenario(alone)
    alone.full = None
    scenario(alone)


def test_memory_follows_invitations_to_the_server(tmp_path: Path) -> None:
    """A code is used up, whoever gets the name that it was for."""
    alone = Alone(tmp_path, Limits(access="invite", message_rate=0))
    code = alone.code("invite", uses=2)
    for name, letter in (("ann", "a"), ("ann", "b"), ("bob", "a"), ("cyd", "a")):
        alone.world.connect(alone.world.device(name, letter), invite=code)
    alone.write()
    assert [name for name, device in alone.world.devices.items() if device.user] == ["ann/a", "bob/a"]
    alone.world.close()
