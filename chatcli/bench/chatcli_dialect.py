"""The protocol of chatcli for the load generator: messages from templates in which only the id changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chatcli.bench.dialect import Caller, Maker, Progress, Step
from chatcli.bench.plan import Order
from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.key import Identity
from chatcli.protocol.client_connection import ClientConnection
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Error, Hello, Join, Live, Ping, Purpose, Room, ServerBye, Welcome
from chatcli.protocol.keys import Channel
from chatcli.protocol.values.address import Address

#: The ends of ids, in order. Everything between two of them is the same in all messages of a batch.
_ENDS: Final = [b"%04x" % number for number in range(1 << 16)]

_PURPOSES: Final[dict[str, Purpose]] = {"listen": "listen", "send": "send"}


class ChatcliConversation:
    """The client's end of one connection.

    Args:
        protocol: the state of the connection.
        hello: the first frame.
    """

    def __init__(self, protocol: ClientConnection, hello: Hello) -> None:
        self._protocol = protocol
        self._hello = hello

    def open(self) -> bytes:
        """Return the hello."""
        return self._protocol.send(self._hello)

    def receive(self, line: bytes) -> Progress:
        """Read a frame, and answer a challenge.

        Raises:
            Refused: the server refused something.
            ServerUnreachable: it closes the connection.
        """
        for frame in self._protocol.receive(line + b"\n"):
            if isinstance(frame, (Error, ServerBye)):
                raise as_exception(frame)
            if isinstance(frame, Welcome):
                return Progress(Step.WELCOME, head=frame.head)
            if isinstance(frame, Live):
                return Progress(Step.LIVE)
            if isinstance(frame, Room):
                return Progress(Step.ENTERED)
        return Progress(answer=self._protocol.send())


class ChatcliDialect:
    """The protocol of chatcli, version 1.

    Args:
        login: the server, and the key that all names belong to.
        channel: what proofs on the connections are bound to.
    """

    message = b'{"t":"message"'
    sent = b'{"t":"sent"'
    ready = Step.LIVE
    fresh_names = False
    ping = encode(Ping())

    def __init__(self, login: Login, channel: Channel) -> None:
        self._login = login
        self._channel = channel

    def converse(self, caller: Caller) -> ChatcliConversation:
        """Return the client's end of a new connection."""
        login = replace(self._login, user=caller.name)
        # Below revision 1 an acknowledgement also moves the read position: the load is that of people who read.
        hello = replace(login.hello(_PURPOSES[caller.purpose], caller.since), revision=0)
        return ChatcliConversation(ClientConnection(login.server, login.identity, self._channel), hello)

    def enter(self, room: str) -> bytes:
        """Return the frame that enters a room."""
        return encode(Join(room))

    def maker(self, speaker: str, to: str, text: int) -> Maker:  # noqa: ARG002 (the server knows the sender)
        """Return the maker of messages, whose ids are UUIDs of version 7, ordered by time."""
        start, end = b'{"t":"send","id":"', b'","to":"%s","text":"%s"}\n' % (to.encode(), b"x" * text)
        return _maker(start, end, os.urandom(7).hex())

    def sender_field(self, speaker: str) -> bytes:
        """Return the sender's field."""
        return b'"from":"%s"' % speaker.encode()


def _maker(start: bytes, end: bytes, random: str) -> Callable[[int], bytes]:
    """Return the maker of batches, which joins the ends of ids with the bytes between them."""
    # Of the 74 free bits of an id, 12 and 46 are the sender's own; the last 16 count its messages.
    rest = f"7{random[:3]}-8{random[3:6]}-{random[6:14]}"
    number = 0

    def make(count: int) -> bytes:
        nonlocal number
        moment = f"{time.time_ns() // 1_000_000:012x}"
        head = f"{moment[:8]}-{moment[8:]}-{rest}".encode()
        if number + count > len(_ENDS):
            number = 0
        ends = _ENDS[number : number + count]
        number += count
        return b"".join((start, head, (end + start + head).join(ends), end))

    return make


def dialect(order: Order) -> ChatcliDialect:
    """Return the dialect for the names of a run."""
    server = order.server
    login = Login(server=Server.at(Address(server.host, server.port)), identity=Identity(order.seed))
    return ChatcliDialect(login, Channel(server.key, server.binding))
