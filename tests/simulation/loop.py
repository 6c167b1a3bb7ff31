"""The loop of a simulated server: lists that the test runs, and a clock that the test moves."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

START: Final = 1_800_000_000_000  # milliseconds since 1970-01-01 UTC
_MOST: Final = 100_000  # callbacks in one run; more of them never end


class Clock:
    """The time of the simulated world.

    Attributes:
        seconds: since the beginning of the simulation.
    """

    def __init__(self) -> None:
        self.seconds = 0.0


class Loop:
    """Calls callbacks when the test says so, in the order in which they were given.

    Args:
        clock: the time of the world.
        ahead: milliseconds by which the server's own clock is ahead of it.
    """

    def __init__(self, clock: Clock, ahead: int = 0) -> None:
        self._clock = clock
        self._ahead = ahead
        self._soon: list[Callable[[], None]] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def seconds(self) -> float:
        """Return the time on a clock that never goes back."""
        return self._clock.seconds

    def milliseconds(self) -> int:
        """Return the time in milliseconds since 1970-01-01 UTC, as the server sees it."""
        return START + int(self._clock.seconds * 1000) + self._ahead

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call a callback in the next run."""
        self._soon.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call a callback in the first run after a number of seconds."""
        heapq.heappush(self._timers, (self.seconds() + seconds, next(self._numbers), callback))

    def run(self) -> bool:
        """Call everything that is due, and what that makes due; return whether there was anything."""
        for done in range(_MOST):
            while self._timers and self._timers[0][0] <= self.seconds():
                self._soon.append(heapq.heappop(self._timers)[2])
            if not self._soon:
                return done > 0
            due, self._soon = self._soon, []
            for callback in due:
                callback()
        raise AssertionError("the callbacks never end")
