"""Counts the seconds of a connection of HTTP, in ticks: while the process stands still, no deadline comes closer."""

from __future__ import annotations

from typing import Final

REQUEST: Final = 30.0  # seconds for a whole request
GAP: Final = 10.0  # seconds without a byte of it
IDLE: Final = 60.0  # seconds between two requests
# The same after the page of the chat or one of its files. A browser opens six connections for these and then needs none
# of them, and all browsers of a class or a company may share an address.
LOADED: Final = 10.0


class RequestDeadlines:
    """Seconds of one connection.

    Args:
        age: seconds since the connection was opened.

    Attributes:
        idle: seconds between the last request and the next one.
        age: seconds since the request began, or since the last one was answered.
        gap: seconds without a byte of it.
        stalled: seconds in which the caller has taken nothing of what it is sent.
    """

    __slots__ = ("_unsent", "age", "gap", "idle", "stalled")

    def __init__(self, age: float) -> None:
        self._unsent = 0
        self.idle = IDLE
        self.age = age
        self.gap = 0.0
        self.stalled = 0.0

    def restart(self) -> None:
        """Count anew: a request begins, or is answered."""
        self.age = self.gap = 0.0

    def tick(self, seconds: float, unsent: int, *, held: bool, unpaid: bool) -> None:
        """Count a tick.

        Args:
            seconds: its length.
            unsent: bytes that the caller has yet to take.
            held: whether the server keeps the caller from sending anything.
            unpaid: whether it does so because an allowance is used up: a request is not kept for that without end.
        """
        self.stalled = self.stalled + seconds if unsent and unsent >= self._unsent else 0.0
        self._unsent = unsent
        if unpaid or not held:
            self.age += seconds
        if not held:
            self.gap += seconds

    def late(self, head: float | None) -> bool:
        """Return whether a request takes too long.

        Args:
            head: seconds for the head, if that is what has yet to come.
        """
        return self.gap > GAP or self.age > (REQUEST if head is None else head)
