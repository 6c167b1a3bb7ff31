"""Two servers on one bus agree, whatever is late, comes twice, fails or dies, and their memory follows the log.

Hypothesis chooses the actions. ``SIMULATION_EXAMPLES=500`` in the environment sets a number of stories that differ from
run to run; without it the same few are tried each time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from chatcli.protocol import frames as f
from chatcli.protocol.admin import Request
from chatcli.protocol.keys import ed25519_fingerprint
from tests.simulation.checks import check_all, check_memory
from tests.simulation.device import Device
from tests.simulation.settings import chosen
from tests.simulation.world import World

NAMES: Final = ("ann", "bob", "cyd", "eve", "fay")
ROOMS: Final = {"#square": "open", "#cellar": "private", "#news": "announcement"}
IN_ROOMS: Final = ("kick", "ban", "unban", "mute", "unmute", "invite", "uninvite", "own", "disown")
OF_OPERATORS: Final = ("kick", "ban", "unban", "mute", "unmute", "op", "deop", "release", "link", "token", "revoke")

names = st.sampled_from(NAMES)
spellings = st.sampled_from([*NAMES, *map(str.upper, NAMES)])
someone = st.integers(0, 30)  # one of those who are connected
rooms = st.sampled_from(list(ROOMS))
letters = st.sampled_from("ab")
nodes = st.integers(0, 1)
counts = st.integers(1, 4)
steps = st.integers(1, 4000)  # of the database: all of a small transaction


class Chat(RuleBasedStateMachine):
    """A few users with two devices each, and two servers."""

    number_of_nodes = 2

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="chatcli-simulation-")
        self.world = World(Path(self.folder.name), self.number_of_nodes, ahead=700)
        self.words = 0
        self.restarts = 3  # each costs time

    @initialize()
    def everyone_comes(self) -> None:
        """Let most users come, some of them at once to both servers."""
        for number, name in enumerate(NAMES[:3]):
            self.world.connect(self.world.device(name), number)
        self.world.settle()
        for name in NAMES[:3]:
            self.ask(self.world.device(name), f.Join("#square"))
        ann, bob = self.world.device("ann"), self.world.device("bob")
        self.ask(ann, f.Join("#cellar", "private"))
        self.ask(ann, f.Link())
        self.world.settle()
        self.ask(ann, f.Operate("invite", "bob", "#cellar"))
        self.world.connect(self.world.device("ann", "b"), link=ann.codes[0])
        self.world.settle()
        self.ask(bob, f.Join("#cellar"))
        self.ask(bob, f.Join("#news", "announcement"))

    def one(self, number: int) -> Device:
        """Return one of the devices that are connected, if there is any."""
        devices = [device for device in self.world.devices.values() if device.connected]
        return devices[number % len(devices)] if devices else self.world.device("ann")

    def ask(self, device: Device, frame: f.ClientFrame) -> None:
        """Have a device ask for something."""
        note(f"{device}: {frame}")
        device.ask(frame)
        self.world.run()

    # Connections and keys

    @rule(
        name=names,
        letter=letters,
        node=nodes,
        purpose=st.sampled_from(["join", "listen", "send"]),
        present=st.sampled_from(["attach", "attach", "refuse", "takeover"]),
        chosen=st.integers(0, 2),
    )
    def connect(self, name: str, letter: str, node: int, purpose: f.Purpose, present: f.Present, chosen: int) -> None:
        """A device connects, perhaps to the other server than before, with a code if it needs and has one."""
        device = self.world.device(name, letter)
        if self.world.ready(device, node):
            codes = self.world.codes(name)
            needed = not device.user or device.refusals[-1:] == ["name_taken"]
            link = codes[-1 - chosen % len(codes)] if needed and codes else ""
            note(f"{device} connects to {node} {purpose} {present} {link}")
            self.world.connect(device, node, purpose, link=link, present=present)

    @rule(name=names, purpose=st.sampled_from(["join", "send"]))
    def connect_at_once(self, name: str, purpose: f.Purpose) -> None:
        """Two devices of which none needs a code connect at once to both servers; one of them gets the name."""
        for node, letter in enumerate("xy"):
            device = self.world.device(name, letter)
            if self.world.ready(device, node):
                note(f"{device} connects to {node} {purpose}")
                self.world.connect(device, node, purpose)

    @rule(who=someone)
    def hang_up(self, who: int) -> None:
        """A device hangs up."""
        device = self.one(who)
        note(f"{device} hangs up")
        device.hang_up()
        self.world.run()

    @rule(who=someone, recover=st.booleans())
    def get_code(self, who: int, recover: bool) -> None:
        """A device asks for a code with which another one adds its key."""
        device = self.one(who)
        if device.welcomed:
            self.ask(device, f.MakeToken(scope="recover") if recover else f.Link())

    @rule(name=names, node=nodes)
    def connect_program(self, name: str, node: int) -> None:
        """A program connects with a token."""
        program = self.world.device(name, "program")
        tokens = [token for device in self.world.devices.values() if device.name == name for token in device.tokens]
        if tokens and self.world.ready(program, node):
            program.token = tokens[-1]
            note(f"{program} connects to {node}")
            self.world.connect(program, node, "listen")

    @rule(who=someone, of=letters)
    def revoke_key(self, who: int, of: str) -> None:
        """A device revokes a key."""
        device = self.one(who)
        self.ask(device, f.Revoke(ed25519_fingerprint(self.world.device(device.name, of).key.public)))

    @rule(who=someone, scope=st.sampled_from(["send", "read", "all"]), limited=st.booleans())
    def make_token(self, who: int, scope: f.Scope, limited: bool) -> None:
        """A device makes a token."""
        places = ["ann", "#square"] if limited and scope != "all" else []
        self.ask(self.one(who), f.MakeToken(scope=scope, to=places, seconds=5))

    # Messages

    @rule(who=someone, to=st.one_of(spellings, rooms), count=counts)
    def say(self, who: int, to: str, count: int) -> None:
        """A device sends messages."""
        self.speak(self.one(who), to, count)

    @rule(who=someone, count=counts)
    def say_to_all(self, who: int, count: int) -> None:
        """A device sends messages to the room of everybody."""
        self.speak(self.one(who), "#square", count)

    @rule(name=names, letter=letters, to=st.one_of(spellings, rooms))
    def say_later(self, name: str, letter: str, to: str) -> None:
        """A device sends a message, or keeps it until it is connected."""
        self.speak(self.world.device(name, letter), to, 1)

    def speak(self, device: Device, to: str, count: int) -> None:
        """Have a device send messages."""
        for _ in range(count):
            self.words += 1
            device.say(to, f"w{self.words}")
        note(f"{device} says to {to}: {count} up to w{self.words}")
        self.world.run()

    @rule(who=someone, to=st.one_of(spellings, rooms), seconds=st.none() | st.just(2))
    def pose(self, who: int, to: str, seconds: int | None) -> None:
        """A device asks a question, which is open for a while or until it is answered."""
        self.words += 1
        device = self.one(who)
        note(f"{device} asks {to}: w{self.words} for {seconds}")
        device.say(to, f"w{self.words}", choices=["yes", "no"], seconds=seconds)
        self.world.run()

    @rule(number=st.integers(0, 3), answer=st.integers(-1, 1))
    def answer(self, number: int, answer: int) -> None:
        """All who have got one of the last questions answer it at once."""
        for device in [device for device in self.world.devices.values() if device.has_feed]:
            questions = [one for one in device.messages if one.choices]
            if number < len(questions):
                question = questions[-1 - number]
                to = question.to if question.to in ROOMS else question.sender
                note(f"{device} answers {question.seq}: {answer}")
                device.say(to, "", re=question.seq, answer=answer)
        self.world.run()

    @rule(who=someone)
    def repeat(self, who: int) -> None:
        """A device sends again what is not answered."""
        self.one(who).repeat()
        self.world.run()

    @rule(who=someone, of=st.none() | st.integers(0, 9), back=st.booleans())
    def read(self, who: int, of: int | None, back: bool) -> None:
        """A device acknowledges what it has, and has read one conversation or all."""
        device = self.one(who)
        device.acknowledge()
        if of is None or not device.messages:
            self.ask(device, f.MarkRead(device.position))
        else:  # one that is there: the log has no positions in others
            message = device.messages[of % len(device.messages)]
            name = message.to if message.to in ROOMS or message.sender == device.name else message.sender
            self.ask(device, f.MarkRead(message.seq - back, name, back=back))

    # Rooms

    @rule(who=someone, room=rooms, what=st.sampled_from(["join", "join", "leave", "topic"]))
    def in_room(self, who: int, room: str, what: str) -> None:
        """A user enters a room, leaves it, or sets its topic."""
        device = self.one(who)
        match what:
            case "join":
                frame: f.ClientFrame = f.Join(room, ROOMS[room])  # type: ignore[arg-type]
            case "leave":
                frame = f.Leave(room)
            case _:
                self.words += 1
                frame = f.Topic(room, f"t{self.words}")
        self.ask(device, frame)

    @rule(who=someone, room=rooms, to=names, do=st.sampled_from(IN_ROOMS), brief=st.booleans())
    def moderate(self, who: int, room: str, to: str, do: f.Operation, brief: bool) -> None:
        """A user acts upon another one in a room, most often one who owns it."""
        owners = self.world.owners(room)
        device = self.one(who) if who % 5 == 0 or not owners else owners[who % len(owners)]
        self.ask(device, f.Operate(do, to, room, 3 if brief else None))

    # Operators

    @rule(node=nodes, do=st.sampled_from(OF_OPERATORS), to=names, brief=st.booleans())
    def operate(self, node: int, do: str, to: str, brief: bool) -> None:
        """An operator acts upon a user."""
        request = Request(do, to, 3 if brief else None, keep=brief)
        if do == "token":
            request = Request(do, "robot", places=["#square"] if brief else [])
        note(f"{node}: {request}")
        self.world.operate(node, request)

    @rule(node=nodes, to=names, brief=st.booleans())
    def ban(self, node: int, to: str, brief: bool) -> None:
        """An operator bans a user, or ends that."""
        banned = self.world.node(node).hub.moderation.get("ban", to) is not None
        self.operate(node, "unban" if banned else "ban", to, brief)

    # Servers

    @rule(node=nodes, count=counts)
    def publish_and_apply(self, node: int, count: int) -> None:
        """A server publishes what it has, and applies some of what is there."""
        note(f"{node} publishes and applies {count}")
        self.world.publish(node)
        self.world.apply(node, count)

    @rule(node=nodes)
    def publish_and_apply_all(self, node: int) -> None:
        """A server publishes what it has, and applies everything that is there."""
        note(f"{node} publishes and applies")
        self.world.publish(node)
        self.world.apply(node)

    @rule(node=nodes)
    def publish(self, node: int) -> None:
        """A server publishes what it has."""
        note(f"{node} publishes")
        self.world.publish(node)

    @rule(node=nodes, count=counts, step=steps)
    def fail(self, node: int, count: int, step: int) -> None:
        """A server cannot write."""
        note(f"{node} fails after {step} steps with {count}")
        self.world.fail(node, count, step)

    @precondition(lambda self: self.restarts > 0)
    @rule(node=nodes, count=counts, step=st.none() | steps)
    def restart(self, node: int, count: int, step: int | None) -> None:
        """A server is killed and started again."""
        note(f"{node} is killed after {step} steps with {count}")
        self.restarts -= 1
        if step is None:
            self.world.restart(node)
        else:
            self.world.restart_within(node, count, step)

    @precondition(lambda self: len(self.world.bus) > 0)
    @rule(back=st.integers(1, 8))
    def publish_again(self, back: int) -> None:
        """A batch comes a second time."""
        place = max(0, len(self.world.bus) - back)
        note(f"{place} comes again")
        self.world.bus.repeat(place)

    @rule(node=nodes)
    def prune(self, node: int) -> None:
        """A server has old messages deleted."""
        note(f"{node} deletes old messages")
        self.world.prune(node)

    @rule(seconds=st.sampled_from([0.5, 2, 3600]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.world.pass_time(seconds)

    @rule(node=nodes)
    def look(self, node: int) -> None:
        """The memory of a server follows the log at any time."""
        check_memory(self.world.node(node))

    @rule()
    def settle(self) -> None:
        """Everything happens that is under way."""
        note("settle")
        self.world.settle()
        check_all(self.world)

    def teardown(self) -> None:
        """Check everything at the end."""
        try:
            self.world.settle()
            check_all(self.world)
        finally:
            self.world.close()
            self.folder.cleanup()


class ChatOnOneServer(Chat):
    """The same with a server that is alone, and answers whoever is concerned if it cannot write."""

    number_of_nodes = 1


@pytest.mark.parametrize(("chat", "examples"), [(Chat, 40), (ChatOnOneServer, 25)])
def test_servers_agree_with_their_databases(chat: type[Chat], examples: int) -> None:
    """Two servers with each other, too; see the module."""
    run_state_machine_as_test(chat, settings=chosen(examples, stateful_step_count=50))
