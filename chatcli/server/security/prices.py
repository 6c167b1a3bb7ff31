"""Prices: what each thing that a client says costs, and the purses that it is paid from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame

# One point stands for about ten microseconds of the loop's time. Messages have an allowance of their own, which the
# operator sets; all else is paid for in points, so that no setting for messages keeps anyone from asking or opens a way
# around the prices.
POINTS: Final = 2500.0  # a second, from one connection in the long run
POINTS_AT_ONCE: Final = 2000.0
PERSON: Final = 4  # times as much has a person on all connections together, or an address that gives no name

READ: Final = 1.0  # points: a read that completes no frame
READ_GREETING: Final = 0.1  # points: the same before the welcome, when there are few points, and few bytes to come
HANDSHAKE: Final = 10.0  # points: one of TLS, before the welcome
WASTE: Final = 32  # bytes of TLS that carry nothing, for a point
BLANK: Final = 0.01  # points: a blank line
KIB: Final = 1024  # bytes: each frame pays for so many of them; each further KiB is a point, or a message in messages
BAD: Final = 5.0  # points: a line that cannot be taken
REFUSED: Final = 3.0  # points, beside the price of the frame
HINTS: Final = 60.0  # points: looking for names that come close to an unknown one
VISIT: Final = 10.0  # points: having come in and gone, of which others are told
NOTIFIED: Final = 1.0  # points: each connection that is told of a change
LISTED: Final = 0.1  # points: each person or message of a long answer
SHARE: Final = 100  # connections that a message to a room reaches for the price of one more message

GREETING_KIB: Final = 4.0  # points for a KiB before the welcome, when nobody has more than a few to say

#: Points for each frame that a client may say. A message is paid for as one, see :meth:`Purse.pay`.
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
    """Return the points beside the message: a reply has its message looked up, a question is stored by itself."""
    return 5.0 if frame.re is not None else 10.0 if frame.choices else 0.0


_MORE: Final[Mapping[type, Callable[[Any], float]]] = {
    f.Send: _send,
    f.History: lambda frame: frame.limit / 4,
    f.Search: lambda frame: frame.limit / 4,
}


def price(frame: f.ClientFrame | BadFrame) -> float:
    """Return the points that a frame costs, however it is answered."""
    kind = type(frame)
    more = _MORE.get(kind)
    return PRICES[kind] if more is None else PRICES[kind] + more(frame)


class Terms(NamedTuple):
    """How much of each there is at once, and how much comes back in a second."""

    messages: float
    messages_at_once: float
    points: float = POINTS
    points_at_once: float = POINTS_AT_ONCE

    def times(self, factor: float) -> Terms:
        """Return so many times as much."""
        return Terms(*(factor * amount for amount in self))


#: Before the welcome: a few greetings, and a few KiB. One address has room for many callers at once.
GREETING: Final = Terms(0, 0, 10, 120)
GREETINGS: Final = GREETING.times(100)


class Purse:
    """What may be said at the moment. It fills again with time, and can be overdrawn once.

    Args:
        terms: how much goes into it.
        now: seconds, on a clock that never goes back.
    """

    __slots__ = ("_at", "_messages", "_points", "_terms")

    def __init__(self, terms: Terms, now: float) -> None:
        self._terms = terms
        self._messages = terms.messages_at_once
        self._points = terms.points_at_once
        self._at = now

    def pay(self, messages: float, points: float) -> bool:
        """Take something out; return whether it may be overdrawn now, as far as can be told without the time."""
        self._messages -= messages
        self._points -= points
        return self._messages < 0 or self._points < 0

    def wait(self, now: float) -> float:
        """Return the seconds until it is not overdrawn any more; 0.0 if it is not."""
        terms, passed = self._terms, now - self._at
        self._at = now
        self._messages = min(terms.messages_at_once, self._messages + passed * terms.messages)
        self._points = min(terms.points_at_once, self._points + passed * terms.points)
        return max(_until(self._messages, terms.messages), _until(self._points, terms.points))

    @property
    def low(self) -> bool:
        """Whether what is left is kept for what was asked for itself."""
        return self._points < 0.9 * self._terms.points_at_once

    def full(self, now: float) -> bool:
        """Return whether it is as good as a new one."""
        self.wait(now)
        return self._messages >= self._terms.messages_at_once and self._points >= self._terms.points_at_once


def _until(balance: float, rate: float) -> float:
    return -balance / rate if balance < 0 and rate else 0.0
