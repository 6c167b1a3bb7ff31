"""Loads without conversations: idle connections, connecting, and catching up; and the base of all loads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from chatcli.bench.connection import Connection, Endpoint, Loop
from chatcli.bench.dialect import Caller, Dialect, Step
from chatcli.bench.histogram import Histogram
from chatcli.bench.plan import Order, Totals
from chatcli.errors import ServerUnreachable

MICROSECONDS: Final = 1_000_000
PATIENCE: Final = 20.0  # seconds without progress
_BRIEFLY: Final = 0.1  # seconds
_FILLING: Final = 2000  # messages in flight while the backlog is made
_PER_ADDRESS: Final = 20_000  # connections from one address of this machine: there are 28,000 ports


class Load:
    """One worker's share of a load.

    Attributes:
        latencies: the latencies measured while ``counting``.
        counting: whether the period of the measurement is on.
        sending: whether to send more.
        sent: the number of messages sent.
        held: whether, while ``counting``, less was sent than was due, as too many messages were in flight.
    """

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, endpoint: Endpoint) -> None:
        self.order = order
        self.latencies = Histogram()
        self.counting = False
        self.sending = True
        self.sent = 0
        self.held = False
        self._loop = loop
        self._dialect = dialect
        self._endpoint = endpoint
        self._all: list[Connection] = []
        self._missing = 0

    # Making the connections.

    def connections(self) -> Iterator[Connection]:
        """Yield the connections to dial before the load starts."""
        raise NotImplementedError

    def dial(self, connection: Connection) -> None:
        """Dial one of them; :meth:`waiting` returns the number of those that are not ready yet."""
        self._missing += 1
        connection.on_step = self._reached
        connection.dial(self._endpoint, self._source(len(self._all)))
        self._all.append(connection)

    def waiting(self) -> int:
        """Return the number of connections that are not ready yet."""
        return self._missing

    def _source(self, number: int) -> str:
        """Return the source address: a single one does not have enough ports for very many connections."""
        number += self.order.first
        if number < _PER_ADDRESS or not self._endpoint.host.startswith("127."):
            return ""
        return f"127.0.0.{1 + number // _PER_ADDRESS}"

    def _reached(self, connection: Connection, step: Step) -> None:
        if step is (self._dialect.ready if connection.caller.purpose == "listen" else Step.WELCOME):
            self._arrived(connection)

    def _arrived(self, connection: Connection) -> None:
        connection.on_step = None
        self._missing -= 1

    def connection(self, kind: str, number: int, purpose: str = "listen", since: int | None = None) -> Connection:
        """Return a connection for a name of this run."""
        name = f"{self.order.names}{kind}{number}"
        return Connection(self._loop, self._dialect, Caller(name, purpose, since))

    def keep_open(self) -> None:
        """Send a ping on each connection, so that the server keeps it open."""
        for connection in self._all:
            if connection.on_step is None:  # it is ready
                connection.send(self._dialect.ping)

    # The load.

    def start(self) -> None:
        """Start to send."""
        for connection in self._all:
            connection.reads_other_lines = False

    def send_due(self, now: float) -> float:  # noqa: ARG002 (for loads with a rate)
        """Send what is due; return the seconds until something is due again."""
        return 1.0

    def totals(self, said: int = 0) -> Totals:
        """Return the counts so far, given the number of messages sent by all workers."""
        acknowledged = sum(connection.acknowledged for connection in self._all)
        return Totals(self.sent, acknowledged, self.received(), self.expected(said))

    def received(self) -> int:
        """Return the number of messages, or of connections, as the load counts."""
        return sum(connection.received for connection in self._all)

    def expected(self, said: int) -> int:  # noqa: ARG002 (for loads whose senders and listeners are in different workers)
        """Return the final value of :meth:`received`, given the number of messages sent by all workers."""
        return self.sent

    def all_acknowledged(self) -> bool:
        """Return whether all messages are acknowledged, if the protocol has acknowledgements."""
        return not self._dialect.sent or sum(connection.acknowledged for connection in self._all) >= self.sent


class Idle(Load):
    """Idle connections."""

    def connections(self) -> Iterator[Connection]:
        """Yield all connections."""
        for number in range(self.order.first, self.order.first + self.order.count):
            yield self.connection("i", number)

    def received(self) -> int:
        """Return the number of open connections."""
        return sum(connection.is_open for connection in self._all)

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return the number of connections."""
        return self.order.count


class Connect(Load):
    """Connections that log in, close, and are dialled again at once."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, endpoint: Endpoint) -> None:
        super().__init__(order, loop, dialect, endpoint)
        self._welcomed = 0
        self._dialled = 0

    def connections(self) -> Iterator[Connection]:
        """Yield none: the logins are what is measured."""
        return iter(())

    def start(self) -> None:
        """Dial all connections."""
        self._all = [
            self.connection("c", number) for number in range(self.order.first, self.order.first + self.order.count)
        ]
        for connection in self._all:
            connection.on_step = self._welcome
            self._dial(connection)

    def _dial(self, connection: Connection) -> None:
        self._dialled += 1
        if self._dialect.fresh_names:
            number = self.order.first * _PER_ADDRESS + self._dialled
            connection.caller = connection.caller._replace(name=f"{self.order.names}c{number}")
        connection.dial(self._endpoint)

    def _welcome(self, connection: Connection, step: Step) -> None:
        if step is not Step.WELCOME:
            return
        self._welcomed += 1
        if self.counting:
            self.latencies.add(int((time.perf_counter() - connection.dialled_at) * MICROSECONDS))
        connection.close()
        if self.sending:
            self._dial(connection)

    def received(self) -> int:
        """Return the number of logins."""
        return self._welcomed

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return the number of connections dialled."""
        return self._dialled


class CatchUp(Load):
    """A reader who receives a long backlog, again and again."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, endpoint: Endpoint) -> None:
        super().__init__(order, loop, dialect, endpoint)
        self._reads = 0

    def connections(self) -> Iterator[Connection]:
        """Yield the reader, and, once it is closed, the sender of the backlog."""
        if self.order.first:
            return
        self._reader = reader = self.connection("r", 0)
        yield reader
        self._until(lambda: not self.waiting(), self.waiting)
        reader.close()
        reader.caller = reader.caller._replace(since=reader.head)
        speaker = self.connection("s", 0, "send")
        speaker.is_acknowledged = True
        yield speaker
        self._until(lambda: not self.waiting(), self.waiting)
        maker = self._dialect.maker(speaker.caller.name, reader.caller.name, self.order.load.text)

        def sent_all() -> bool:
            free = min(self.order.load.messages, speaker.acknowledged + _FILLING) - self.sent
            if free > 0:
                self.sent += free
                speaker.send(maker(free))
            return speaker.acknowledged >= self.order.load.messages

        self._until(sent_all, lambda: speaker.acknowledged)

    def _until(self, done: Callable[[], bool], progress: Callable[[], int]) -> None:
        """Run the loop until it is done.

        Raises:
            ServerUnreachable: there is no progress for a long time.
        """
        before, silent_since = progress(), time.monotonic()
        while not done():
            self._loop.run_once(_BRIEFLY)
            if progress() != before:
                before, silent_since = progress(), time.monotonic()
            elif time.monotonic() - silent_since > PATIENCE:
                raise ServerUnreachable(
                    f"The server has said nothing for {PATIENCE:.0f} seconds: there is nothing to catch up with yet."
                )

    def start(self) -> None:
        """Dial the reader."""
        self._reader.on_step = self._caught_up
        self._dial()

    def _dial(self) -> None:
        self._reads += 1
        self._reader.dial(self._endpoint)

    def _caught_up(self, connection: Connection, step: Step) -> None:
        if step is not Step.LIVE:
            return
        if self.counting:
            self.latencies.add(int((time.perf_counter() - connection.dialled_at) * MICROSECONDS))
        connection.close()
        if self.sending:
            self._dial()

    def expected(self, said: int) -> int:  # noqa: ARG002 (as above)
        """Return the number of messages read, in all rounds."""
        return self._reads * self.sent
