"""Floods of WebSocket frames that carry next to nothing, each on one connection, for :mod:`worst_frames`.

They come from a process of their own, so that making them takes no time from the server's interpreter.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import selectors
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, NamedTuple, Self

from chatcli.protocol.values.address import Address
from tests.gateway.frames import BINARY, PING, TEXT, frame
from tests.server.web.websockets import request
from tests.support import DEADLINE, trusting

_CHUNK: Final = 64 * 1024
_CONTINUED: Final = 0
_FRAGMENTS: Final = 1000  # in one message
_RECORDS: Final = 200  # made at once
_QUERY: Final = b'{"t":"hello","version":1,"purpose":"query"}'

#: Makes the next bytes of a flood.
Source = Callable[[], bytes]


class Target(NamedTuple):
    """The server."""

    address: Address
    certificate: Path

    def open(self) -> socket.socket:
        """Open a WebSocket."""
        opened = socket.create_connection(self.address[:2], DEADLINE)
        opened.sendall(request())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += opened.recv(1)
        return opened


class Flood(NamedTuple):
    """A flood, and what opens its connection."""

    name: str
    start: Callable[[Target], tuple[socket.socket, Source]]


def _repeat(data: bytes, before: bytes = b"") -> Callable[[Target], tuple[socket.socket, Source]]:
    chunk = data * (_CHUNK // len(data) + 1)

    def start(target: Target) -> tuple[socket.socket, Source]:
        connection = target.open()
        connection.sendall(before)
        return connection, lambda: chunk

    return start


def _records(size: int) -> Callable[[Target], tuple[socket.socket, Source]]:
    """Open a tunnel, in which there are so many records of one byte in each message."""

    def start(target: Target) -> tuple[socket.socket, Source]:
        connection = target.open()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        within = trusting(target.certificate).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                within.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(frame(BINARY, outgoing.read()))
                incoming.write(_content(connection))
            else:
                break

        def source() -> bytes:
            messages = [frame(BINARY, outgoing.read())] if outgoing.pending else []
            for _ in range(_RECORDS // size):
                for _ in range(size):
                    within.write(b" ")
                messages.append(frame(BINARY, outgoing.read()))
            return b"".join(messages)

        within.write(_QUERY + b"\n")
        return connection, source

    return start


def _content(connection: socket.socket) -> bytes:
    """Return the content of the server's next message."""
    head = connection.recv(2, socket.MSG_WAITALL)
    size = head[1]
    if size >= 126:
        size = int.from_bytes(connection.recv(2 if size == 126 else 8, socket.MSG_WAITALL))
    return connection.recv(size, socket.MSG_WAITALL)


_HELLO: Final = frame(TEXT, _QUERY)
_FRAGMENTED: Final = b"".join(
    [
        frame(TEXT, b" ", fin=False),
        frame(_CONTINUED, b" ", fin=False) * (_FRAGMENTS - 2),
        frame(_CONTINUED, b" "),
    ]
)

FLOODS: Final = (
    Flood("empty text frames", _repeat(frame(TEXT), _HELLO)),
    Flood("... before hello", _repeat(frame(TEXT))),
    Flood("empty binary frames", _repeat(frame(BINARY))),
    Flood("pings", _repeat(frame(PING), _HELLO)),
    Flood("... before hello", _repeat(frame(PING))),
    Flood("pings of 125 bytes", _repeat(frame(PING, b"x" * 125), _HELLO)),
    Flood("texts of one byte", _repeat(frame(TEXT, b" "), _HELLO)),
    Flood("... before hello", _repeat(frame(TEXT, b" "))),
    Flood("fragments of one byte", _repeat(_FRAGMENTED, _HELLO)),
    Flood("fragments of none", _repeat(frame(_CONTINUED, fin=False), _HELLO + frame(TEXT, fin=False))),
    Flood("TLS, a record a message", _records(1)),
    Flood("TLS, 200 a message", _records(200)),
)


class Flooder:
    """A process that floods a server when it is told to."""

    def __init__(self, target: Target) -> None:
        context = mp.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(target, other), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(None)
        self._process.join(DEADLINE)

    @contextlib.contextmanager
    def flooding(self, number: int) -> Iterator[None]:
        """Flood the server during the block, and have all answers read."""
        self._pipe.send(number)
        assert self._pipe.recv()
        try:
            yield
        finally:
            self._pipe.send(None)
            assert self._pipe.recv()


def _serve(target: Target, pipe: Connection) -> None:
    while (number := pipe.recv()) is not None:
        pipe.send(True)
        while not pipe.poll():
            connection, source = FLOODS[number].start(target)
            with connection, contextlib.suppress(OSError):  # closed because of its frames: open another one
                # Reset at the end: else the server would go on with what has come, beside the next flood.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.setblocking(False)
                _send(connection, source, pipe)
        pipe.recv()
        pipe.send(True)


def _send(connection: socket.socket, source: Source, pipe: Connection) -> None:
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not pipe.poll():
            for _, events in selector.select(0.05):
                if events & selectors.EVENT_READ and not connection.recv(1 << 18):
                    return
                if events & selectors.EVENT_WRITE:
                    rest = rest or source()
                    rest = rest[connection.send(rest) :]
