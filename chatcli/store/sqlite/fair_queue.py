"""Whose turn it is: shares what many want among people, however often each of them asks."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_REMEMBERED: Final = 1000  # people who have nothing waiting, and what they have used


class FairQueue(Generic[Item]):
    """Hands out what waits, next to whom has used least; a person's own in the order in which it came.

    This is start-time fair queueing: each person has a clock that runs on by what they use, and somebody who comes
    anew begins with the clock of whoever was served last. So nobody saves up turns, and nobody waits for all that
    another has asked for, but for what is under way.

    Args:
        most: of one person may be under way at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[int, deque[Item]] = {}
        self._clocks: dict[int, float] = {}
        self._running: dict[int, int] = {}
        self._order: list[tuple[float, int, int]] = []  # those whose turn may come: clock, a number, person
        self._numbers = itertools.count()
        self._now = 0.0  # the clock of whoever was served last

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def waiting(self, person: int) -> int:
        """Return how much one person has waiting."""
        return len(self._waiting.get(person, ()))

    def put(self, person: int, item: Item) -> None:
        """Add something that one person wants."""
        queue = self._waiting.setdefault(person, deque())
        queue.append(item)
        if len(queue) == 1 and self._running.get(person, 0) < self._most:
            self._line_up(person)

    def _line_up(self, person: int) -> None:
        clock = self._clocks[person] = max(self._clocks.get(person, 0.0), self._now)
        heapq.heappush(self._order, (clock, next(self._numbers), person))

    def get(self) -> tuple[int, Item] | None:
        """Return what is next, and whose it is; None if there is nothing of which more may be under way."""
        if not self._order:
            return None
        self._now, _, person = heapq.heappop(self._order)
        queue = self._waiting[person]
        item = queue.popleft()
        self._running[person] = self._running.get(person, 0) + 1
        if not queue:
            del self._waiting[person]
        elif self._running[person] < self._most:
            self._line_up(person)
        return person, item

    def done(self, person: int, used: float) -> None:
        """Note that something of a person's is done, and what it has used: they are served the later for it."""
        running = self._running[person] - 1
        if running:
            self._running[person] = running
        else:
            del self._running[person]
        self._clocks[person] = self._clocks.get(person, self._now) + used
        if running == self._most - 1 and person in self._waiting:
            self._line_up(person)
        self._forget()

    def _forget(self) -> None:
        if len(self._clocks) > _REMEMBERED:
            busy = self._waiting.keys() | self._running.keys()
            self._clocks = {one: clock for one, clock in self._clocks.items() if one in busy or clock > self._now}

    def clear(self) -> list[Item]:
        """Return all that waits, which then does so no longer."""
        items = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._order.clear()
        return items
