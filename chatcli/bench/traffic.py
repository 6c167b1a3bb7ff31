"""Loads with conversations: in pairs, at a steady rate, or in a room."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from chatcli.bench.connection import Connection, Endpoint, Loop
from chatcli.bench.dialect import Dialect, Maker, Step
from chatcli.bench.loads import MICROSECONDS, Load
from chatcli.bench.plan import Order

_AT_ONCE: Final = 2000  # messages sent at a steady rate before received ones are read
_IN_FLIGHT: Final = 20_000  # messages of all workers: what the server does not accept must not fill the memory


class Flight:
    """The messages in flight from one sender to one listener, who receives them in order: measures their latencies."""

    __slots__ = ("_departures", "_load")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._departures: deque[tuple[float, int]] = deque()

    def depart(self, count: int) -> None:
        """Record that messages are sent now."""
        self._departures.append((time.perf_counter(), count))

    def arrive(self, count: int) -> None:
        """Record that messages have arrived."""
        now = time.perf_counter()
        departures, load = self._departures, self._load
        while count:
            begun, some = departures[0]
            landed = min(some, count)
            if load.counting:
                load.latencies.add(int((now - begun) * MICROSECONDS), landed)
            count -= landed
            if landed == some:
                departures.popleft()
            else:
                departures[0] = begun, some - landed


class Pairs(Load):
    """Each sender has a listener, and sends as many messages as that one has received."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, endpoint: Endpoint) -> None:
        super().__init__(order, loop, dialect, endpoint)
        self._speakers: list[tuple[Connection, Maker, Flight]] = []

    def connections(self) -> Iterator[Connection]:
        """Yield the listeners, each before its sender."""
        for number in range(self.order.first, self.order.first + self.order.count):
            listener, speaker = self.connection("r", number), self.connection("s", number, "send")
            speaker.is_acknowledged = True
            maker = self._dialect.maker(speaker.caller.name, listener.caller.name, self.order.load.text)
            flight = Flight(self)
            self._speakers.append((speaker, maker, flight))
            self._join(listener, speaker, maker, flight)
            yield listener
            yield speaker

    def _join(self, listener: Connection, speaker: Connection, maker: Maker, flight: Flight) -> None:
        def on_messages(count: int) -> None:
            flight.arrive(count)
            if self.sending:
                self._send(speaker, maker, flight, count)

        listener.on_messages = on_messages

    def _send(self, speaker: Connection, maker: Maker, flight: Flight, count: int) -> None:
        self.sent += count
        flight.depart(count)
        speaker.send(maker(count))

    def start(self) -> None:
        """Have each sender fill its window."""
        super().start()
        for speaker, maker, flight in self._speakers:
            self._send(speaker, maker, flight, self.order.load.window)


class Paced(Pairs):
    """The senders send in turn, at a steady rate, whatever the listeners have received."""

    def _join(self, listener: Connection, speaker: Connection, maker: Maker, flight: Flight) -> None:  # noqa: ARG002
        listener.on_messages = flight.arrive

    def start(self) -> None:
        """Start with the first sender."""
        Load.start(self)
        self._pause = self.order.load.clients / (
            self.order.load.rate * self.order.count
        )  # seconds between two messages
        self._begun = time.monotonic()

    def send_due(self, now: float) -> float:
        """Send what is due by now, as much of it as one round of the loop may."""
        if not self.sending:
            return 1.0
        due = min(int((now - self._begun) / self._pause) + 1 - self.sent, _AT_ONCE)
        free = _IN_FLIGHT // self.order.workers - (self.sent - self.received())
        if due > free:
            self.held = self.held or self.counting
        self._send_in_turn(min(due, free))
        if due > free:
            return 1.0  # the next message that arrives ends the wait
        return max(self._begun + self.sent * self._pause - now, 0)

    def _send_in_turn(self, count: int) -> None:
        """Divide messages among the senders, beginning with the one whose turn it is."""
        if count <= 0:
            return
        first, places = self.sent, len(self._speakers)
        each, odd = divmod(count, places)
        for place in range(min(count, places)):
            speaker, maker, flight = self._speakers[(first + place) % places]
            self._send(speaker, maker, flight, each + (place < odd))


class Room(Load):
    """A room in which a few members send; all of them are with the first worker, and receive what the others send."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, endpoint: Endpoint) -> None:
        super().__init__(order, loop, dialect, endpoint)
        self._name = f"#{order.names}room"
        self._speakers: list[tuple[Connection, Maker, Flight]] = []
        self._received = 0
        self._last = 0

    def connections(self) -> Iterator[Connection]:
        """Yield the members, the senders first."""
        load, witnessed = self.order.load, False
        for number in range(self.order.first, self.order.first + self.order.count):
            member = self.connection("m", number)
            if number < load.speakers:
                member.is_acknowledged = True
                maker = self._dialect.maker(member.caller.name, self._name, load.text)
                self._speakers.append((member, maker, Flight(self)))
            elif not witnessed and self._speakers:
                witnessed = True
                member.on_lines = self._witness
            member.on_messages = self._count
            yield member

    def _arrived(self, connection: Connection) -> None:
        """Enter the room: only then is the connection ready."""
        connection.on_step = self._entered
        connection.send(self._dialect.enter(self._name))

    def _entered(self, connection: Connection, step: Step) -> None:
        if step is Step.ENTERED:
            super()._arrived(connection)

    def _witness(self, lines: bytes) -> None:
        """Measure the latencies of the messages that one member receives, by their sender."""
        for speaker, _, flight in self._speakers:
            if count := lines.count(self._dialect.sender_field(speaker.caller.name)):
                flight.arrive(count)

    def _count(self, count: int) -> None:
        self._received += count

    def start(self) -> None:
        """Have each sender fill its window."""
        super().start()
        self.send_due(0)

    def send_due(self, now: float) -> float:  # noqa: ARG002 (it depends on what was received)
        """Send as many messages as the members here have received on average."""
        if not (self._speakers and self.sending):
            return 1.0
        # A sender does not receive its own messages, and all senders are here.
        everywhere = self._received // max(self.order.count - 1, 1)
        free = self.order.load.window * len(self._speakers) - (self.sent - everywhere)
        each, odd = divmod(free, len(self._speakers))
        for place in range(len(self._speakers)):
            speaker, maker, flight = self._speakers[(self._last + place) % len(self._speakers)]
            if some := each + (place < odd):
                self.sent += some
                flight.depart(some)
                speaker.send(maker(some))
        self._last += odd
        return 1.0

    def expected(self, said: int) -> int:
        """Return the number of messages to receive: each by all but its sender."""
        return said * self.order.count - self.sent
