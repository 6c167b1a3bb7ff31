"""Loads in which people talk: each with another one, at a pace, or in a room."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from chatcli.bench.connection import Connection, Loop, Way
from chatcli.bench.dialect import Dialect, Maker, Step
from chatcli.bench.loads import MICROSECONDS, Load
from chatcli.bench.plan import Order

_IN_A_TURN: Final = 2000  # messages that are said at a pace before it is seen what has come
_ON_THEIR_WAY: Final = 20_000  # messages, of all workers: what a server does not take is not to fill the memory


class Flight:
    """What one speaker has on its way to one listener, who gets it in order: for the time that each message takes."""

    __slots__ = ("_load", "_on_its_way")

    def __init__(self, load: Load) -> None:
        self._load = load
        self._on_its_way: deque[tuple[float, int]] = deque()

    def leaves(self, count: int) -> None:
        """Note that so many messages go out now."""
        self._on_its_way.append((time.perf_counter(), count))

    def arrives(self, count: int) -> None:
        """Note that so many came in."""
        now = time.perf_counter()
        on_its_way, load = self._on_its_way, self._load
        while count:
            begun, some = on_its_way[0]
            landed = min(some, count)
            if load.counting:
                load.latencies.add(int((now - begun) * MICROSECONDS), landed)
            count -= landed
            if landed == some:
                on_its_way.popleft()
            else:
                on_its_way[0] = begun, some - landed


class Pairs(Load):
    """Each speaker has a listener, and says as many as that one has heard."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, way: Way) -> None:
        super().__init__(order, loop, dialect, way)
        self._speakers: list[tuple[Connection, Maker, Flight]] = []

    def callers(self) -> Iterator[Connection]:
        """Yield listeners, each before its speaker."""
        for number in range(self.order.first, self.order.first + self.order.count):
            listener, speaker = self.caller("r", number), self.caller("s", number, "send")
            speaker.speaks = True
            maker = self._dialect.maker(speaker.caller.name, listener.caller.name, self.order.load.text)
            flight = Flight(self)
            self._speakers.append((speaker, maker, flight))
            self._join(listener, speaker, maker, flight)
            yield listener
            yield speaker

    def _join(self, listener: Connection, speaker: Connection, maker: Maker, flight: Flight) -> None:
        def told(count: int) -> None:
            flight.arrives(count)
            if self.talking:
                self._say(speaker, maker, flight, count)

        listener.told = told

    def _say(self, speaker: Connection, maker: Maker, flight: Flight, count: int) -> None:
        self.sent += count
        flight.leaves(count)
        speaker.say(maker(count))

    def begin(self) -> None:
        """Have each speaker say as many as may be on their way."""
        super().begin()
        for speaker, maker, flight in self._speakers:
            self._say(speaker, maker, flight, self.order.load.window)


class Paced(Pairs):
    """The speakers say one after the other, at a steady pace, whatever has been heard."""

    def _join(self, listener: Connection, speaker: Connection, maker: Maker, flight: Flight) -> None:  # noqa: ARG002
        listener.told = flight.arrives

    def begin(self) -> None:
        """Begin with the first speaker."""
        Load.begin(self)
        self._pause = self.order.load.clients / (self.order.load.rate * self.order.count)  # seconds between two
        self._begun = time.monotonic()

    def pace(self, now: float) -> float:
        """Say what is due by now, as much of it as one turn of the loop is for."""
        if not self.talking:
            return 1.0
        due = min(int((now - self._begun) / self._pause) + 1 - self.sent, _IN_A_TURN)
        free = _ON_THEIR_WAY // self.order.workers - (self.sent - self.received())
        if due > free:
            self.held = self.held or self.counting
        self._say_in_turn(min(due, free))
        if due > free:
            return 1.0  # what comes next ends the wait
        return max(self._begun + self.sent * self._pause - now, 0)

    def _say_in_turn(self, count: int) -> None:
        """Have each speaker say as many as its turn has it say."""
        if count <= 0:
            return
        first, places = self.sent, len(self._speakers)
        each, odd = divmod(count, places)
        for place in range(min(count, places)):
            speaker, maker, flight = self._speakers[(first + place) % places]
            self._say(speaker, maker, flight, each + (place < odd))


class Room(Load):
    """A room in which a few speak; all speakers are with the first worker, and each hears all the others."""

    def __init__(self, order: Order, loop: Loop, dialect: Dialect, way: Way) -> None:
        super().__init__(order, loop, dialect, way)
        self._name = f"#{order.names}room"
        self._speakers: list[tuple[Connection, Maker, Flight]] = []
        self._heard = 0
        self._last = 0

    def callers(self) -> Iterator[Connection]:
        """Yield the members, the speakers first."""
        load, witnessed = self.order.load, False
        for number in range(self.order.first, self.order.first + self.order.count):
            member = self.caller("m", number)
            if number < load.speakers:
                member.speaks = True
                maker = self._dialect.maker(member.caller.name, self._name, load.text)
                self._speakers.append((member, maker, Flight(self)))
            elif not witnessed and self._speakers:
                witnessed = True
                member.seen = self._witness
            member.told = self._tell
            yield member

    def _arrived(self, connection: Connection) -> None:
        """Enter the room before it counts as there."""
        connection.reached = self._entered
        connection.say(self._dialect.enter(self._name))

    def _entered(self, connection: Connection, step: Step) -> None:
        if step is Step.ENTERED:
            super()._arrived(connection)

    def _witness(self, lines: bytes) -> None:
        """Take the time of what one member hears, by who has said it."""
        for speaker, _, flight in self._speakers:
            if count := lines.count(self._dialect.said_by(speaker.caller.name)):
                flight.arrives(count)

    def _tell(self, count: int) -> None:
        self._heard += count

    def begin(self) -> None:
        """Have each speaker say as many as may be on their way."""
        super().begin()
        self.pace(0)

    def pace(self, now: float) -> float:  # noqa: ARG002 (it goes by what was heard)
        """Say as much as everyone here has heard, in the mean."""
        if not (self._speakers and self.talking):
            return 1.0
        # Whoever speaks does not hear itself, and all speakers are here.
        everywhere = self._heard // max(self.order.count - 1, 1)
        free = self.order.load.window * len(self._speakers) - (self.sent - everywhere)
        each, odd = divmod(free, len(self._speakers))
        for place in range(len(self._speakers)):
            speaker, maker, flight = self._speakers[(self._last + place) % len(self._speakers)]
            if some := each + (place < odd):
                self.sent += some
                flight.leaves(some)
                speaker.say(maker(some))
        self._last += odd
        return 1.0

    def expected(self, said: int) -> int:
        """Return how many messages are to come: each to all but its speaker."""
        return said * self.order.count - self.sent
