"""Purses: token buckets from which clients pay for messages and for everything else."""

from __future__ import annotations

from typing import Final, NamedTuple

# The allowance of messages is set by the operator. Everything else is paid in points, so that no setting for messages
# prevents requests, or evades their prices.
POINTS: Final = 2500.0  # per second, for one connection in the long run
POINTS_AT_ONCE: Final = 2000.0


class Terms(NamedTuple):
    """The size of a purse, and how much comes back per second, for messages and for points."""

    messages: float
    messages_at_once: float
    points: float = POINTS
    points_at_once: float = POINTS_AT_ONCE

    def times(self, factor: float) -> Terms:
        """Return the terms multiplied by a factor."""
        return Terms(*(factor * amount for amount in self))


class Purse:
    """A token bucket for messages and one for points. Each can be overdrawn once, and fills again with time.

    Args:
        terms: the sizes and rates.
        now: the time, in seconds on a clock that never goes back.
    """

    __slots__ = ("_at", "_messages", "_points", "_terms")

    def __init__(self, terms: Terms, now: float) -> None:
        self._terms = terms
        self._messages = terms.messages_at_once
        self._points = terms.points_at_once
        self._at = now

    def pay(self, messages: float, points: float) -> bool:
        """Pay from the purse; return whether it was overdrawn without what has come back since :meth:`wait`."""
        self._messages -= messages
        self._points -= points
        return self._messages < 0 or self._points < 0

    def wait(self, now: float) -> float:
        """Return the seconds until the purse is not overdrawn any more; 0.0 if it is not."""
        terms, passed = self._terms, now - self._at
        self._at = now
        self._messages = min(terms.messages_at_once, self._messages + passed * terms.messages)
        self._points = min(terms.points_at_once, self._points + passed * terms.points)
        return max(_until(self._messages, terms.messages), _until(self._points, terms.points))

    @property
    def low(self) -> bool:
        """Whether the rest is reserved for requests: extras such as hints are not paid from it."""
        return self._points < 0.9 * self._terms.points_at_once

    def full(self, now: float) -> bool:
        """Return whether the purse is full."""
        self.wait(now)
        return self._messages >= self._terms.messages_at_once and self._points >= self._terms.points_at_once


def _until(balance: float, rate: float) -> float:
    return -balance / rate if balance < 0 and rate else 0.0
