"""The simulated world: servers on one bus, and the devices of a few people, who do as the test says."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from chatcli.errors import Refused
from chatcli.protocol import frames as f
from chatcli.protocol.admin import Request, Row
from chatcli.server.limits import Limits
from tests.simulation.bus import Bus
from tests.simulation.device import Device
from tests.simulation.loop import Clock
from tests.simulation.node import LIMITS, Disk, Node
from tests.support import key_of

TICK: Final = 0.5  # seconds
_ALL: Final = 1_000_000  # batches


class _Errors(logging.Handler):
    """Collects what the servers log as errors.

    Attributes:
        found: the texts, with their tracebacks.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        logging.getLogger("chatcli").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Collect one."""
        self.found.append(logging.Formatter().format(record))

    def close(self) -> None:
        """Collect no more."""
        logging.getLogger("chatcli").removeHandler(self)
        super().close()


class World:
    """Servers on one bus, or a server alone, and devices.

    Args:
        directory: for the data directories.
        nodes: the number of servers.
        ahead: milliseconds by which the clock of each is ahead of that of the one before.
        limits: what clients may do.

    Attributes:
        bus: the bus.
        nodes: the servers.
        devices: all devices, by the user's name and a letter.
        commands: the servers that operators have given commands to, each with the answers, of which there is to be one.
    """

    def __init__(self, directory: Path, nodes: int = 1, *, ahead: int = 0, limits: Limits = LIMITS) -> None:
        self.bus = Bus()
        self.devices: dict[str, Device] = {}
        self.commands: list[tuple[Node, list[list[Row] | Refused]]] = []
        self._clock = Clock()
        self._ahead = ahead
        self._limits = limits
        self._disks = [Disk(directory / f"node-{number}") for number in range(nodes)]
        self._begin_as_one_log()
        self.nodes = [self._start(number) for number in range(nodes)]
        self._ready = [0] * nodes
        self._homes: dict[Device, Node] = {}
        self._errors = _Errors()

    def _begin_as_one_log(self) -> None:
        """Give all servers the same empty log: the name of its epoch is drawn when it is made."""
        first, *others = self._disks
        first.data.mkdir(mode=0o700, parents=True)
        Node(first, self._clock).log.close()
        for other in others:
            shutil.copytree(first.data, other.data)

    def _start(self, number: int) -> Node:
        disk, ahead = self._disks[number], number * self._ahead
        return Node(disk, self._clock, self._limits, number=number, nodes=len(self._disks), ahead=ahead)

    def check_log(self) -> None:
        """Check that no server has logged an error: an exception is logged there, too."""
        assert not self._errors.found

    def close(self) -> None:
        """Close all files."""
        self._errors.close()
        for node in self.nodes:
            node.log.close()

    def node(self, number: int) -> Node:
        """Return one of the servers; numbers go round."""
        return self.nodes[number % len(self.nodes)]

    # People

    def device(self, name: str, letter: str = "a") -> Device:
        """Return a device of a user; each has a key of its own."""
        label = f"{name}/{letter}"
        if label not in self.devices:
            self.devices[label] = Device(name, key_of(f"{label} of the simulation"), len(self.devices) + 1)
        return self.devices[label]

    def owners(self, room: str) -> list[Device]:
        """Return the devices that are connected of those who own a room."""
        found = self.nodes[0].hub.rooms.find_hidden(room)
        owners = {user.name for user in found.owners} if found is not None else set()
        return [device for device in self.devices.values() if device.name in owners and device.welcomed]

    def ready(self, device: Device, number: int) -> bool:
        """Return whether a device may connect to a server.

        A server that was started again first catches up with what it had published before. And a device does not go to
        one that has less than the device has seen: until a server can wait for that, it would get the rest twice.
        """
        node = self.node(number)
        return node.place >= self._ready[number % len(self.nodes)] and node.log.head >= device.position

    def connect(
        self,
        device: Device,
        number: int = 0,
        purpose: f.Purpose = "join",
        *,
        link: str = "",
        invite: str = "",
        present: f.Present = "attach",
    ) -> None:
        """Connect a device to a server."""
        node = self.node(number)
        self._homes[device] = node
        device.connect(node.connect, purpose, link=link, invite=invite, present=present)
        self.run()

    def operate(self, number: int, request: Request) -> list[list[Row] | Refused]:
        """Have an operator of a server execute a command; return a list to which the answer is added."""
        node = self.node(number)
        answers = node.operate(request)
        self.commands.append((node, answers))
        self.run()
        return answers

    def codes(self, name: str) -> list[str]:
        """Return the codes that were given out to a user, with which devices add their keys; most were used since."""
        given = [
            row for _, answers in self.commands for answer in answers if isinstance(answer, list) for row in answer
        ]
        of_operators = [str(row["code"]) for row in given if row.get("user") == name and "code" in row]
        return [code for one in self.devices.values() if one.name == name for code in one.codes] + of_operators

    # Time

    def run(self) -> None:
        """Let servers and devices do what they can do without the bus."""
        busy = True
        while busy:
            ran = [node.run() for node in self.nodes]
            heard = [device.hear() for device in self.devices.values()]
            busy = any(ran) or any(heard)

    def pass_time(self, seconds: float = TICK) -> None:
        """Move the clock, and have deadlines checked and positions committed."""
        self._clock.seconds += seconds
        for node in self.nodes:
            node.tick(TICK)
        self.run()

    # The bus; a server that is alone has none, and writes what it has queued

    @property
    def alone(self) -> bool:
        """Whether there is only one server."""
        return len(self.nodes) == 1

    def publish(self, number: int) -> None:
        """Have a server publish what it has queued."""
        if not self.alone:
            self.node(number).publish(self.bus)

    def apply(self, number: int, count: int = _ALL) -> None:
        """Have a server apply some of what is on the bus."""
        if self.alone:
            self.node(number).write()
        else:
            self.node(number).apply(self.bus, count)
        self.run()

    def fail(self, number: int, count: int, steps: int) -> None:
        """Have a server try to apply something while its disk is full."""
        with self.node(number).full_disk(steps):
            self.apply(number, count)

    def restart(self, number: int) -> None:
        """Kill a server, and start it again."""
        self.node(number).crash()
        self._replace(number)

    def restart_within(self, number: int, count: int, steps: int) -> None:
        """Kill a server within the transaction that applies the next batches, and start it again."""
        self.node(number).crash_within(self.bus, count, steps)
        self._replace(number)

    def _replace(self, number: int) -> None:
        old = self.node(number)
        for device, home in self._homes.items():
            if home is old:
                device.hang_up()
        number %= len(self.nodes)
        self.nodes[number] = self._start(number)
        self._ready[number] = len(self.bus)

    def settle(self) -> None:
        """Let everything happen that is under way."""
        for _ in range(1000):
            before = len(self.bus), [node.place for node in self.nodes]
            self.pass_time()
            for number in range(len(self.nodes)):
                self.publish(number)
            for number in range(len(self.nodes)):
                self.apply(number)
            idle = all(node.log.idle for node in self.nodes)
            if idle and before == (len(self.bus), [node.place for node in self.nodes]):
                return
        raise AssertionError("the servers never come to rest")

    def prune(self, number: int) -> None:
        """Have a server ask for the deletion of messages that are older than two seconds."""
        node = self.node(number)
        node.log.prune(node.hub.clock() - 2000, node.hub.clock())
        node.log.commit()
