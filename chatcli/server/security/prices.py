"""Prices of frames and of other work that clients cause, in points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame
from chatcli.protocol.values.names import is_room
from chatcli.server.purse import Terms

# One point is about ten microseconds of the loop's time.
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

REQUEST: Final = 5.0  # points: a request of HTTP, in addition to what is done for it
PROBE: Final = 1.0  # points, of those below: a probe of the health for whose address nobody else can pay
REQUEST_PORTION: Final = 5.0  # points: a portion of a body in small chunks

GREETING_KIB: Final = 4.0  # points for a KiB before the welcome, when no client needs more than a few

#: Points for each frame of clients. A message costs none: it is paid from the purse of messages.
PRICES: Final[Mapping[type, float]] = {
    f.Hello: 2,
    f.Prove: 10,
    f.Send: 0,
    f.Check: 2,
    f.Ack: 1,
    f.MarkRead: 2,
    f.Who: 2,
    f.Away: 10,
    f.Idle: 2,
    f.Join: 10,
    f.Leave: 10,
    f.Topic: 10,
    f.Rooms: 100,
    f.History: 5,
    f.Search: 50,
    f.Receipts: 5,
    f.Answers: 5,
    f.Unread: 50,
    f.Conversations: 50,
    f.Link: 5,
    f.Keys: 10,
    f.Revoke: 10,
    f.MakeToken: 20,
    f.Tokens: 10,
    f.RevokeToken: 10,
    f.Operate: 10,
    f.Ping: 1,
    f.Bye: 1,
    BadFrame: BAD,
}


def _send(frame: f.Send) -> float:
    """Return the points in addition to the message: a reply is looked up in the log, a question is stored alone."""
    return 5.0 if frame.re is not None else 10.0 if frame.choices else 0.0


def _who(frame: f.Who) -> float:
    """Return the points in addition for a list, which is made anew for each who asks; one person is looked up."""
    return 0.0 if frame.to and not is_room(frame.to) else 18.0


_MORE: Final[Mapping[type, Callable[[Any], float]]] = {
    f.Send: _send,
    f.Who: _who,
    f.History: lambda frame: frame.limit / 4,
    f.Search: lambda frame: frame.limit / 4,
    f.Conversations: lambda frame: frame.limit / 4,
}


def price(frame: f.ClientFrame | BadFrame) -> float:
    """Return the price of a frame, whatever the answer."""
    kind = type(frame)
    more = _MORE.get(kind)
    return PRICES[kind] if more is None else PRICES[kind] + more(frame)


#: Before the welcome, for a few attempts to log in, and for many clients at one address.
GREETING: Final = Terms(0, 0, 10, 120)
GREETINGS: Final = GREETING.times(100)

#: Probes of the health from addresses whose purses are empty, for all together: fifty a second.
PROBES: Final = Terms(0, 0, 50, 50)

#: All connections under one token together: 60 messages a minute, and 600 at once. Points are paid from other purses.
TOKEN: Final = Terms(1, 600, 0, 0)
