"""A queue that shares work time fairly among users, however much each of them queues."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

_MAX_IDLE: Final = 1000  # users without items whose clocks are kept


class FairQueue(Generic[Item]):
    """Start-time fair queueing: the next item is one of the user who has used the least time.

    Each user has a clock that advances by the time that they use; the clock of a new user starts at that of the user
    who was served last. So no user can save up time, and none waits for all that another has queued, but only for
    what is being worked on. The items of one user stay in order.

    Args:
        limit: maximum number of a user's items that are worked on at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[int, deque[Item]] = {}
        self._clocks: dict[int, float] = {}
        self._running: dict[int, int] = {}
        self._order: list[tuple[float, int, int]] = []  # of the users who may be served: clock, a number, user
        self._numbers = itertools.count()
        self._now = 0.0  # the clock of the user who was served last

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def waiting(self, user: int) -> int:
        """Return the number of a user's items that wait."""
        return len(self._waiting.get(user, ()))

    def put(self, user: int, item: Item) -> None:
        """Add an item of a user."""
        queue = self._waiting.setdefault(user, deque())
        queue.append(item)
        if len(queue) == 1 and self._running.get(user, 0) < self._limit:
            self._line_up(user)

    def _line_up(self, user: int) -> None:
        clock = self._clocks[user] = max(self._clocks.get(user, 0.0), self._now)
        heapq.heappush(self._order, (clock, next(self._numbers), user))

    def get(self) -> tuple[int, Item] | None:
        """Return the next item with its user; None if no item may be worked on now."""
        if not self._order:
            return None
        self._now, _, user = heapq.heappop(self._order)
        queue = self._waiting[user]
        item = queue.popleft()
        self._running[user] = self._running.get(user, 0) + 1
        if not queue:
            del self._waiting[user]
        elif self._running[user] < self._limit:
            self._line_up(user)
        return user, item

    def finish(self, user: int, seconds: float) -> None:
        """Record that an item of a user is done, and the time that it has used."""
        running = self._running[user] - 1
        if running:
            self._running[user] = running
        else:
            del self._running[user]
        self._clocks[user] = self._clocks.get(user, self._now) + seconds
        if running == self._limit - 1 and user in self._waiting:
            self._line_up(user)
        self._drop_clocks()

    def _drop_clocks(self) -> None:
        if len(self._clocks) > _MAX_IDLE:
            busy = self._waiting.keys() | self._running.keys()
            self._clocks = {one: clock for one, clock in self._clocks.items() if one in busy or clock > self._now}

    def clear(self) -> list[Item]:
        """Remove and return all items that wait."""
        items = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._order.clear()
        return items
