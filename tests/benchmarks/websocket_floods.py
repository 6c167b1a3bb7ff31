"""Floods of WebSocket frames that carry next to nothing, each on one connection, for :mod:`worst_frames`."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.gateway.frames import BINARY, PING, TEXT, frame
from tests.server.web.websockets import Raw
from tests.support import DEADLINE, ThreadServer, trusting

_CHUNK: Final = 64 * 1024
_CONTINUED: Final = 0
_FRAGMENTS: Final = 1000  # in one message
_RECORDS: Final = 200  # made at once
_QUERY: Final = b'{"t":"hello","version":1,"purpose":"query"}'

#: Makes the next bytes of a flood.
Source = Callable[[], bytes]


class Flood(NamedTuple):
    """A flood, and what opens its connection."""

    name: str
    start: Callable[[ThreadServer], tuple[socket.socket, Source]]


def _repeat(data: bytes, before: bytes = b"") -> Callable[[ThreadServer], tuple[socket.socket, Source]]:
    chunk = data * (_CHUNK // len(data) + 1)

    def start(server: ThreadServer) -> tuple[socket.socket, Source]:
        caller = Raw(server)
        caller.send(before)
        return caller.socket, lambda: chunk

    return start


def _records(size: int) -> Callable[[ThreadServer], tuple[socket.socket, Source]]:
    """Open a tunnel, in which there are so many records of one byte in each message."""

    def start(server: ThreadServer) -> tuple[socket.socket, Source]:
        caller = Raw(server)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        within = trusting(server.certificate).wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                within.do_handshake()
            except ssl.SSLWantReadError:
                caller.send(frame(BINARY, outgoing.read()))
                incoming.write(_content(caller.socket))
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
        return caller.socket, source

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


@contextlib.contextmanager
def flooding(server: ThreadServer, flood: Flood) -> Iterator[None]:
    """Flood the server during the block, and read all answers."""
    stop = threading.Event()
    thread = threading.Thread(target=_pour, args=(server, flood, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE)


def _pour(server: ThreadServer, flood: Flood, stop: threading.Event) -> None:
    while not stop.is_set():
        connection, source = flood.start(server)
        with connection, contextlib.suppress(OSError):  # closed because of its frames: open another one
            connection.setblocking(False)
            _send(connection, source, stop)


def _send(connection: socket.socket, source: Source, stop: threading.Event) -> None:
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while not stop.is_set():
            for _, events in selector.select(0.05):
                if events & selectors.EVENT_READ and not connection.recv(1 << 18):
                    return
                if events & selectors.EVENT_WRITE:
                    rest = rest or source()
                    rest = rest[connection.send(rest) :]
