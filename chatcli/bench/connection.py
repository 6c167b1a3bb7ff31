"""A connection of the generator: dialled without waiting, greeted, and from then on a count of what comes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from chatcli.bench.dialect import Caller, Dialect, Step
from chatcli.errors import ServerNotTrusted, ServerUnreachable

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
_CHUNK: Final = 65536  # bytes
_NEWLINE: Final = 10
#: Closes at once: a port that waits for stragglers is one that cannot be used again for a minute.
_ABRUPT: Final = struct.pack("ii", 1, 0)
_PRECISE: Final = 0.005  # seconds; shorter waits are not rounded up to milliseconds
_WANTS: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Watcher(Protocol):
    """What a loop tells of events."""

    def happened(self, what: int) -> None:
        """Go on after these."""


class Loop:
    """Waits for many sockets: epoll where there is one, poll elsewhere."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = select.poll()
        self._poll_or_epoll: select.epoll | select.poll = self._epoll or self._poll
        self.connections: dict[int, Watcher] = {}

    def add(self, descriptor: int, connection: Watcher, events: int) -> None:
        """Watch a socket."""
        self.connections[descriptor] = connection
        self._poll_or_epoll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Wait for other events of it."""
        self._poll_or_epoll.modify(descriptor, events)

    def drop(self, descriptor: int) -> None:
        """Forget it."""
        if self.connections.pop(descriptor, None) is not None:
            self._poll_or_epoll.unregister(descriptor)

    def turn(self, patience: float) -> None:
        """Handle what has happened, or what does first within so many seconds."""
        if self._epoll is None:
            events = self._poll.poll(patience * 1000)
        else:
            if 0 < patience < _PRECISE:
                select.select([self._epoll], [], [], patience)
                patience = 0
            events = self._epoll.poll(patience)
        connections = self.connections
        for descriptor, what in events:
            connection = connections.get(descriptor)
            if connection is not None:
                connection.happened(what)


class Way(NamedTuple):
    """How to reach the server.

    Attributes:
        host: its IP address.
        port: of TCP.
        tls: with what to encrypt, or None.
        binding: SHA-256 of the certificate that it must show.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    binding: bytes


class Connection:
    """One connection, from dialling to its end.

    Attributes:
        told: called with the number of messages in what has come.
        seen: called with the lines that these are in.
        reached: called as the connection comes so far.
        speaks: acknowledgements come.
        attentive: read what stands between messages, too; otherwise only what comes without any.
        received: messages that came.
        acknowledged: messages that were.
        head: where the log stood as it was welcomed.
        begun: when it was dialled, by the clock of :func:`time.perf_counter`.
    """

    __slots__ = (
        "_conversation", "_dialect", "_events", "_loop", "_out", "_rest", "_socket", "_state", "_way", "acknowledged",
        "attentive", "begun", "caller", "head", "reached", "received", "seen", "speaks", "told",
    )  # fmt: skip

    def __init__(self, loop: Loop, dialect: Dialect, caller: Caller) -> None:
        self.caller = caller
        self.told: Callable[[int], None] | None = None
        self.seen: Callable[[bytes], None] | None = None
        self.reached: Callable[[Connection, Step], None] | None = None
        self.speaks = False
        self.attentive = True
        self.received = 0
        self.acknowledged = 0
        self.head = 0
        self.begun = 0.0
        self._loop = loop
        self._dialect = dialect
        self._socket: socket.socket | None = None
        self._state: Callable[[int], None] = self._connected

    def dial(self, way: Way, source: str = "") -> None:
        """Connect, from that address of this machine.

        Raises:
            ServerUnreachable: at once.
        """
        self.begun = time.perf_counter()
        self._rest = b""
        self._out = bytearray()
        self._conversation = self._dialect.converse(self.caller)
        self._way = way
        self._state = self._connected
        family = socket.AF_INET6 if ":" in way.host else socket.AF_INET
        try:
            self._socket = connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            if source:
                connection.bind((source, 0))
            failed = connection.connect_ex((way.host, way.port))
        except OSError as error:
            raise self._broken(error) from None
        if failed not in (0, errno.EINPROGRESS):
            raise self._broken(OSError(failed, ""))
        self._events = READ | WRITE
        self._loop.add(connection.fileno(), self, self._events)

    @property
    def is_open(self) -> bool:
        """Whether it has been dialled, and not closed since."""
        return self._socket is not None

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._loop.drop(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def say(self, data: bytes) -> None:
        """Send, and keep what does not fit until it does."""
        connection = self._socket
        if connection is None:
            return
        if self._out:
            self._out += data
            return
        try:
            gone = connection.send(data)
        except _WANTS:
            gone = 0
        except OSError as error:
            raise self._broken(error) from None
        if gone < len(data):
            self._out += data[gone:]
            self._watch(READ | WRITE)

    def happened(self, what: int) -> None:
        """Go on after an event of the socket."""
        self._state(what)

    def _watch(self, events: int) -> None:
        if self._socket is not None and events != self._events:
            self._events = events
            self._loop.change(self._socket.fileno(), events)

    def _connected(self, what: int) -> None:
        if self._socket is None or not what & ~READ:
            return
        if failed := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise self._broken(OSError(failed, ""))
        if self._way.tls is None:
            self._greet()
            return
        descriptor = self._socket.fileno()
        self._socket = self._way.tls.wrap_socket(self._socket, do_handshake_on_connect=False)
        assert self._socket.fileno() == descriptor  # noqa: S101 (it is what the loop watches)
        self._state = self._shaking_hands
        self._shaking_hands(what)

    def _shaking_hands(self, _what: int) -> None:
        connection = self._socket
        assert isinstance(connection, ssl.SSLSocket)  # noqa: S101 (as made above)
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(READ)
        except ssl.SSLWantWriteError:
            self._watch(READ | WRITE)
        except OSError as error:
            broken = self._broken(error)
            if not isinstance(error, ssl.SSLError):
                raise broken from None
            raise ServerUnreachable(
                f"{self._way.host}:{self._way.port} did not answer in TLS: perhaps it is full, or has too many "
                "connections from here."
            ) from None
        else:
            shown = connection.getpeercert(binary_form=True) or b""
            if self._way.binding and hashlib.sha256(shown).digest() != self._way.binding:
                raise ServerNotTrusted("The server showed another certificate than before: nothing was said to it.")
            self._greet()

    def _greet(self) -> None:
        self._watch(READ)
        self._state = self._talking
        self.say(self._conversation.open())

    def _talking(self, what: int) -> None:
        connection = self._socket
        if connection is None:
            return
        if what & WRITE:
            self._flush(connection)
        if what & ~WRITE:
            self._read(connection)
            while self._way.tls is not None and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                self._read(self._socket)

    def _flush(self, connection: socket.socket) -> None:
        try:
            gone = connection.send(self._out)
        except _WANTS:
            return
        except OSError as error:
            raise self._broken(error) from None
        del self._out[:gone]
        if not self._out:
            self._watch(READ)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(_CHUNK)
        except _WANTS:
            return
        except OSError as error:
            raise self._broken(error) from None
        if not data:
            raise self._broken(ConnectionResetError(errno.ECONNRESET, ""))
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if data[-1] != _NEWLINE:
            end = data.rfind(b"\n") + 1
            self._rest = data[end:]
            data = data[:end]
        self._count(data)

    def _count(self, lines: bytes) -> None:
        """Count what whole lines hold; read those that are neither, which are few."""
        messages = lines.count(self._dialect.message)
        if messages:
            self.received += messages
            if self.told is not None:
                self.told(messages)
            if self.seen is not None:
                self.seen(lines)
        acknowledged = 0
        if self.speaks and self._dialect.sent:
            acknowledged = lines.count(self._dialect.sent)
            self.acknowledged += acknowledged
        if self.attentive or not messages + acknowledged:
            self._hear_others(lines)

    def _hear_others(self, lines: bytes) -> None:
        connection = self._socket
        for line in lines.split(b"\n"):
            if connection is not self._socket:
                return  # what was heard had us hang up
            if not line or self._dialect.message in line or (self._dialect.sent and self._dialect.sent in line):
                continue
            progress = self._conversation.receive(line)
            if progress.answer:
                self.say(progress.answer)
            if progress.step is Step.WELCOME:
                self.head = progress.head
            if progress.step is not Step.NONE and self.reached is not None:
                self.reached(self, progress.step)

    def _broken(self, error: OSError) -> ServerUnreachable:
        with contextlib.suppress(OSError):
            self.close()
        if isinstance(error, ssl.SSLError):  # its number is none of the system's
            reason = error.reason or "it was closed within TLS"
        else:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return ServerUnreachable(f"A connection to {self._way.host}:{self._way.port} broke: {reason}.")
