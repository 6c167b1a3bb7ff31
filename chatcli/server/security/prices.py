"""Prices of frames, in points, and the purses from which clients pay them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame

# One point is about ten microseconds of the loop's time. Messages have an allowance of their own, which the operator
# sets. Everything else is paid in points, so that no setting for messages prevents requests, or evades the prices.
POINTS: Final = 2500.0  # per second, for one connection in the long run
POINTS_AT_ONCE: Final = 2000.0
PERSON: Final = 4  # times as much for a user on all connections, or for the nameless clients at an address

READ: Final = 1.0  # points: a read without a complete frame
READ_GREETING: Final = 0.1  # points: the same before the welcome, when clients have few points and few bytes to send
HANDSHAKE: Final = 10.0  # points: a TLS handshake
WASTE: Final = 32  # bytes of TLS without data, for one point
BLANK: Final = 0.01  # points: a blank line
KIB: Final = 1024  # bytes that a price includes; each further KiB costs a point, or for messages a message
BAD: Final = 5.0  # points: a line that is not a frame
REFUSED: Final = 3.0  # points: a refusal, in addition to the price of the frame
HINTS: Final = 60.0  # points: a search for names that are close to an unknown one
VISIT: Final = 10.0  # points: a connection that has ended, of which others get notices
NOTIFIED: Final = 1.0  # points: each connection that gets news of a change
LISTED: Final = 0.1  # points: each user in a long answer
SHARE: Final = 100  # connections of a room for which a message costs one more message

GREETING_KIB: Final = 4.0  # points for a KiB before the welcome, when no client needs more than a few

#: Points for each frame of clients. A message costs none: it is paid as a message, see :meth:`Purse.pay`.
PRICES: Final[Mapping[type, float]] = {
    f.Hello: 2,
    f.Prove: 10,
    f.Send: 0,
    f.Check: 2,
    f.Ack: 1,
    f.Who: 20,
    f.Away: 10,
    f.Join: 10,
    f.Leave: 10,
    f.Topic: 10,
    f.Rooms: 100,
    f.History: 5,
    f.Search: 50,
    f.Receipts: 5,
    f.Answers: 5,
    f.Unread: 50,
    f.Link: 5,
    f.Keys: 10,
    f.Revoke: 10,
    f.Operate: 10,
    f.Ping: 1,
    f.Bye: 1,
    BadFrame: BAD,
}


def _send(frame: f.Send) -> float:
    """Return the points in addition to the message: a reply is looked up in the log, a question is stored alone."""
    return 5.0 if frame.re is not None else 10.0 if frame.choices else 0.0


_MORE: Final[Mapping[type, Callable[[Any], float]]] = {
    f.Send: _send,
    f.History: lambda frame: frame.limit / 4,
    f.Search: lambda frame: frame.limit / 4,
}


def price(frame: f.ClientFrame | BadFrame) -> float:
    """Return the price of a frame, whatever the answer."""
    kind = type(frame)
    more = _MORE.get(kind)
    return PRICES[kind] if more is None else PRICES[kind] + more(frame)


class Terms(NamedTuple):
    """The size of a purse, and how much comes back per second, for messages and for points."""

    messages: float
    messages_at_once: float
    points: float = POINTS
    points_at_once: float = POINTS_AT_ONCE

    def times(self, factor: float) -> Terms:
        """Return the terms multiplied by a factor."""
        return Terms(*(factor * amount for amount in self))


#: Before the welcome, for a few attempts to log in, and for many clients at one address.
GREETING: Final = Terms(0, 0, 10, 120)
GREETINGS: Final = GREETING.times(100)


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
