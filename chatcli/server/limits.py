"""The limits of what clients may send, hold open and keep waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatcli.protocol.frames import MAX_FRAME, MAX_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds.

    Attributes:
        text: one message, in UTF-8.
        frame: one line from a client, its newline included.
        connections: connections open at once.
        handshake: time from the connection to the welcome.
        silence: time without a byte from a client, after which it counts as dead.
        stalled: time without a byte taken by a client, after which it counts as dead.
        closing: time for the last bytes to leave while a connection is being closed.
        unsent: output of one connection in the buffer, beyond which its feed reads from the log instead.
        in_flight: messages of one connection that are not committed yet, beyond which the server stops reading from it.
        pending: the same for all connections together.
        bodies: bodies of requests by HTTP that have yet to come whole, for all connections together.
        bad_frames: invalid lines of one connection, after which it is closed.
        access: who may register a free name: ``open`` for anyone, ``invite`` for those with an invitation.
        message_rate: messages a second from one connection, in the long run; 0 for any number.
        message_burst: messages at once before the rate counts.
        connections_per_address: connections open at once from one address.
        proofs: wrong proofs and codes from one address in a minute.
        names: new names from one address in an hour.
        exempt_loopback: whether the limits for each address do not hold for connections from this machine.
    """

    text: int = MAX_TEXT
    frame: int = MAX_FRAME
    connections: int = 10_000
    handshake: float = 10
    silence: float = 60
    stalled: float = 300
    closing: float = 5
    unsent: int = 256 * 1024
    in_flight: int = 1024 * 1024
    pending: int = 64 * 1024 * 1024
    bodies: int = 64 * 1024 * 1024
    bad_frames: int = 20
    access: Literal["open", "invite"] = "open"
    message_rate: int = 500
    message_burst: int = 20_000
    connections_per_address: int = 500
    proofs: int = 20
    names: int = 200
    exempt_loopback: bool = True
