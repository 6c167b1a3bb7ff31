"""What a worker does with its connections: what all loads share, and those in which nobody talks with anybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from chatcli.bench.connection import Connection, Loop, Way
from chatcli.bench.dialect import Caller, Dialect, Step
from chatcli.bench.histogram import Histogram
from chatcli.bench.plan import Order, Totals
from chatcli.errors import ServerUnreachable

MICROSECONDS: Final = 1_000_000
PATIENCE: Final = 20.0  # seconds without anything having happened
_BRIEFLY: Final = 0.1  # seconds
_FILLING: Final = 2000  # messages in flight while a backlog is made
_PER_ADDRESS: Final = 20_000  # connections from one address of this machine: there are 28,000 ports


class Load:
    """The part of a load that one worker carries.

    Attributes:
        latencies: of what was counted while ``counting``.
        counting: whether to take the time.
        talking: whether to say more.
        sent: messages said.
        held: while ``counting`` less was said than was due, as too much was on its way.
    """

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, way: Way) -> None:
        self.order = order
        self.latencies = Histogram()
        self.counting = False
        self.talking = True
        self.sent = 0
        self.held = False
        self._loop = loop
        self._dialect = dialect
        self._way = way
        self._all: list[Connection] = []
        self._missing = 0

    # Coming in.

    def callers(self) -> Iterator[Connection]:
        """Yield the connections to be made before the load begins."""
        raise NotImplementedError

    def enter(self, connection: Connection) -> None:
        """Dial one of them; :meth:`waiting` tells how many are not there yet."""
        self._missing += 1
        connection.reached = self._reached
        connection.dial(self._way, self._source(len(self._all)))
        self._all.append(connection)

    def waiting(self) -> int:
        """How many connections are being made."""
        return self._missing

    def _source(self, number: int) -> str:
        """Return the address to come from: one does not have ports for all of very many connections."""
        number += self.order.first
        if number < _PER_ADDRESS or not self._way.host.startswith("127."):
            return ""
        return f"127.0.0.{1 + number // _PER_ADDRESS}"

    def _reached(self, connection: Connection, step: Step) -> None:
        if step is (self._dialect.ready if connection.caller.purpose == "listen" else Step.WELCOME):
            self._arrived(connection)

    def _arrived(self, connection: Connection) -> None:
        connection.reached = None
        self._missing -= 1

    def caller(self, kind: str, number: int, purpose: str = "listen", since: int | None = None) -> Connection:
        """Return a connection for a name of this run."""
        name = f"{self.order.names}{kind}{number}"
        return Connection(self._loop, self._dialect, Caller(name, purpose, since))

    def keep_open(self) -> None:
        """Say something on each connection, lest the server takes it for dead."""
        for connection in self._all:
            if connection.reached is None:  # nothing is waited for
                connection.say(self._dialect.ping)

    # The load.

    def begin(self) -> None:
        """Begin to talk."""
        for connection in self._all:
            connection.attentive = False

    def pace(self, now: float) -> float:  # noqa: ARG002 (for those that keep a pace)
        """Say what is due; return for how many seconds nothing is."""
        return 1.0

    def totals(self, said: int = 0) -> Totals:
        """Return what was said and heard so far, where all workers together have said so much."""
        acknowledged = sum(connection.acknowledged for connection in self._all)
        return Totals(self.sent, acknowledged, self.received(), self.expected(said))

    def received(self) -> int:
        """Return what is counted: messages that came, unless it says otherwise."""
        return sum(connection.received for connection in self._all)

    def expected(self, said: int) -> int:  # noqa: ARG002 (where speakers and listeners are not together)
        """Return how much is to be counted here in the end, where all workers together have said so much."""
        return self.sent

    def all_acknowledged(self) -> bool:
        """Return whether everything said was acknowledged, if that is done at all."""
        return not self._dialect.sent or sum(connection.acknowledged for connection in self._all) >= self.sent


class Idle(Load):
    """Connections that are there, and no more."""

    def callers(self) -> Iterator[Connection]:
        """Yield them."""
        for number in range(self.order.first, self.order.first + self.order.count):
            yield self.caller("i", number)

    def received(self) -> int:
        """Return how many there are."""
        return sum(connection.is_open for connection in self._all)

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return how many there should be."""
        return self.order.count


class Connect(Load):
    """So many at once come in, and leave as soon as they are welcome."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, way: Way) -> None:
        super().__init__(order, loop, dialect, way)
        self._welcomed = 0
        self._dialled = 0

    def callers(self) -> Iterator[Connection]:
        """Yield none: coming in is what is measured."""
        return iter(())

    def begin(self) -> None:
        """Have all of them dial."""
        self._all = [
            self.caller("c", number) for number in range(self.order.first, self.order.first + self.order.count)
        ]
        for connection in self._all:
            connection.reached = self._welcome
            self._dial(connection)

    def _dial(self, connection: Connection) -> None:
        self._dialled += 1
        if self._dialect.fresh_names:
            number = self.order.first * _PER_ADDRESS + self._dialled
            connection.caller = connection.caller._replace(name=f"{self.order.names}c{number}")
        connection.dial(self._way)

    def _welcome(self, connection: Connection, step: Step) -> None:
        if step is not Step.WELCOME:
            return
        self._welcomed += 1
        if self.counting:
            self.latencies.add(int((time.perf_counter() - connection.begun) * MICROSECONDS))
        connection.close()
        if self.talking:
            self._dial(connection)

    def received(self) -> int:
        """Return how many were welcomed."""
        return self._welcomed

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return how many have dialled."""
        return self._dialled


class CatchUp(Load):
    """One who missed many messages reads them, again and again."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, way: Way) -> None:
        super().__init__(order, loop, dialect, way)
        self._reads = 0

    def callers(self) -> Iterator[Connection]:
        """Yield the reader, then, once it has gone, who says what it misses."""
        if self.order.first:
            return
        self._reader = reader = self.caller("r", 0)
        yield reader
        self._until(lambda: not self.waiting(), self.waiting)
        reader.close()
        reader.caller = reader.caller._replace(since=reader.head)
        speaker = self.caller("s", 0, "send")
        speaker.speaks = True
        yield speaker
        self._until(lambda: not self.waiting(), self.waiting)
        maker = self._dialect.maker(speaker.caller.name, reader.caller.name, self.order.load.text)

        def said_all() -> bool:
            free = min(self.order.load.messages, speaker.acknowledged + _FILLING) - self.sent
            if free > 0:
                self.sent += free
                speaker.say(maker(free))
            return speaker.acknowledged >= self.order.load.messages

        self._until(said_all, lambda: speaker.acknowledged)

    def _until(self, done: Callable[[], bool], progress: Callable[[], int]) -> None:
        """Go on until it is done, as long as there is progress.

        Raises:
            ServerUnreachable: there is none for long.
        """
        before, silent_since = progress(), time.monotonic()
        while not done():
            self._loop.turn(_BRIEFLY)
            if progress() != before:
                before, silent_since = progress(), time.monotonic()
            elif time.monotonic() - silent_since > PATIENCE:
                raise ServerUnreachable(
                    f"The server has said nothing for {PATIENCE:.0f} seconds: there is nothing to catch up with yet."
                )

    def begin(self) -> None:
        """Have the reader come back."""
        self._reader.reached = self._came_back
        self._dial()

    def _dial(self) -> None:
        self._reads += 1
        self._reader.dial(self._way)

    def _came_back(self, connection: Connection, step: Step) -> None:
        if step is not Step.LIVE:
            return
        if self.counting:
            self.latencies.add(int((time.perf_counter() - connection.begun) * MICROSECONDS))
        connection.close()
        if self.talking:
            self._dial()

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return how many messages are read by then."""
        return self._reads * self.sent
