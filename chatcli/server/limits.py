"""What the server takes from its clients, and for how long it waits for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chatcli.protocol.frames import MAX_FRAME, MAX_TEXT


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    Attributes:
        text: UTF-8 of one message.
        frame: one line from a client, its newline included.
        connections: open at once.
        handshake: from the connection to a ``hello`` that is accepted.
        silence: without a word from a client before it is taken for dead.
        stalled: without a client's taking what is sent to it.
        closing: for what was said last to leave, once a connection is being closed.
        unsent: gathered for one connection before it stops being live and reads from the log instead.
        in_flight: said by one connection and not yet committed, before the server stops reading from it.
        pending: the same for all connections together.
        bad_frames: lines of one connection that are no frames, before it is closed.
        access: who may take a free name: ``open`` for anyone, ``invite`` for those with an invitation.
        message_rate: messages a second from one connection, in the long run; 0 for any number.
        message_burst: messages that may come at once before that counts.
        connections_per_address: open at once from one address.
        proofs: wrong proofs and codes from one address in a minute.
        names: new names from one address in an hour.
        exempt_loopback: whether connections from this machine are free of what counts by address.
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
    bad_frames: int = 20
    access: Literal["open", "invite"] = "open"
    message_rate: int = 500
    message_burst: int = 20_000
    connections_per_address: int = 500
    proofs: int = 20
    names: int = 200
    exempt_loopback: bool = True
