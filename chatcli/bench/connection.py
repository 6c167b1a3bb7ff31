"""A non-blocking connection of the load generator, which logs in and then counts messages and acknowledgements."""

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
from chatcli.bench.tunnel import Tunnel
from chatcli.errors import ServerNotTrusted, ServerUnreachable
from chatcli.protocol.values.address import Address

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
_CHUNK: Final = 65536  # bytes
_NEWLINE: Final = 10
#: Closes at once: a port in TIME_WAIT cannot be used again for a minute.
_ABRUPT: Final = struct.pack("ii", 1, 0)
_PRECISE: Final = 0.005  # seconds; shorter waits are not rounded up to milliseconds
_WANTS: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Handler(Protocol):
    """Handles the events of a descriptor."""

    def handle(self, what: int) -> None:
        """Handle events, as of poll."""


class Loop:
    """Waits for many sockets, by epoll where there is one, or else by poll."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = select.poll()
        self._poll_or_epoll: select.epoll | select.poll = self._epoll or self._poll
        self.connections: dict[int, Handler] = {}

    def add(self, descriptor: int, connection: Handler, events: int) -> None:
        """Watch a socket."""
        self.connections[descriptor] = connection
        self._poll_or_epoll.register(descriptor, events)

    def change(self, descriptor: int, events: int) -> None:
        """Change the events to wait for."""
        self._poll_or_epoll.modify(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Stop watching a socket."""
        if self.connections.pop(descriptor, None) is not None:
            self._poll_or_epoll.unregister(descriptor)

    def run_once(self, patience: float) -> None:
        """Handle the events that have occurred, or the next ones within ``patience`` seconds."""
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
                connection.handle(what)


class Endpoint(NamedTuple):
    """The server's endpoint.

    Attributes:
        host: its IP address.
        port: its TCP port.
        tls: the context for TLS; None without it.
        binding: SHA-256 of the certificate that it must show.
        tunnelled: whether TLS is within a WebSocket.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    binding: bytes
    tunnelled: bool = False


class Connection:
    """One connection, which can be dialled again once it is closed.

    Attributes:
        on_messages: called with the number of messages that have come.
        on_lines: called with the lines that they are in.
        on_step: called at each step of the login.
        is_acknowledged: whether acknowledgements are counted.
        reads_other_lines: whether lines between messages are read; otherwise only those that come without messages.
        received: the number of messages that have come.
        acknowledged: the number of acknowledgements.
        head: the newest message of the log at the login.
        dialled_at: the moment of dialling, by :func:`time.perf_counter`.
    """

    __slots__ = (
        "_conversation",
        "_dialect",
        "_endpoint",
        "_events",
        "_loop",
        "_out",
        "_rest",
        "_socket",
        "_state",
        "acknowledged",
        "caller",
        "dialled_at",
        "head",
        "is_acknowledged",
        "on_lines",
        "on_messages",
        "on_step",
        "reads_other_lines",
        "received",
    )  # fmt: skip

    def __init__(self, loop: Loop, dialect: Dialect, caller: Caller) -> None:
        self.caller = caller
        self.on_messages: Callable[[int], None] | None = None
        self.on_lines: Callable[[bytes], None] | None = None
        self.on_step: Callable[[Connection, Step], None] | None = None
        self.is_acknowledged = False
        self.reads_other_lines = True
        self.received = 0
        self.acknowledged = 0
        self.head = 0
        self.dialled_at = 0.0
        self._loop = loop
        self._dialect = dialect
        self._socket: socket.socket | Tunnel | None = None
        self._state: Callable[[int], None] = self._connected

    def dial(self, endpoint: Endpoint, source: str = "") -> None:
        """Connect to an endpoint, from an address of this machine.

        Raises:
            ServerUnreachable: that fails at once.
        """
        self.dialled_at = time.perf_counter()
        self._rest = b""
        self._out = bytearray()
        self._conversation = self._dialect.converse(self.caller)
        self._endpoint = endpoint
        self._state = self._connected
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        try:
            self._socket = connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            if source:
                connection.bind((source, 0))
            failed = connection.connect_ex((endpoint.host, endpoint.port))
        except OSError as error:
            raise self._broken(error) from None
        if failed not in (0, errno.EINPROGRESS):
            raise self._broken(OSError(failed, ""))
        self._events = READ | WRITE
        self._loop.add(connection.fileno(), self, self._events)

    @property
    def is_open(self) -> bool:
        """Whether the connection was dialled, and not closed since."""
        return self._socket is not None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._loop.remove(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def send(self, data: bytes) -> None:
        """Send data; what the socket does not accept is buffered."""
        connection = self._socket
        if connection is None:
            return
        if self._out:
            self._out += data
            return
        try:
            sent = connection.send(data)
        except _WANTS:
            sent = 0
        except OSError as error:
            raise self._broken(error) from None
        if sent < len(data):
            self._out += data[sent:]
            self._watch(READ | WRITE)

    def handle(self, what: int) -> None:
        """Continue after an event of the socket."""
        self._state(what)

    def _watch(self, events: int) -> None:
        if self._socket is not None and events != self._events:
            self._events = events
            self._loop.change(self._socket.fileno(), events)

    def _connected(self, what: int) -> None:
        connection = self._socket
        if not isinstance(connection, socket.socket) or not what & ~READ:
            return
        if failed := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise self._broken(OSError(failed, ""))
        if self._endpoint.tls is None:
            self._greet()
            return
        descriptor = connection.fileno()
        if self._endpoint.tunnelled:
            host = str(Address(self._endpoint.host, self._endpoint.port))
            self._socket = Tunnel(connection, self._endpoint.tls, host)
        else:
            self._socket = self._endpoint.tls.wrap_socket(connection, do_handshake_on_connect=False)
        assert self._socket.fileno() == descriptor  # noqa: S101 (it is what the loop watches)
        self._state = self._handshake
        self._handshake(what)

    def _handshake(self, _what: int) -> None:
        connection = self._socket
        assert isinstance(connection, ssl.SSLSocket | Tunnel)  # noqa: S101 (as made above)
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
                f"{self._endpoint.host}:{self._endpoint.port} did not answer in TLS: perhaps it is full, or "
                "has too many connections from here."
            ) from None
        else:
            shown = connection.getpeercert() if isinstance(connection, Tunnel) else connection.getpeercert(True) or b""
            if self._endpoint.binding and hashlib.sha256(shown).digest() != self._endpoint.binding:
                raise ServerNotTrusted("The server showed another certificate than before: nothing was sent to it.")
            self._greet()

    def _greet(self) -> None:
        self._watch(READ)
        self._state = self._exchange
        self.send(self._conversation.open())

    def _exchange(self, what: int) -> None:
        connection = self._socket
        if connection is None:
            return
        if what & WRITE:
            self._flush(connection)
        if what & ~WRITE:
            self._read(connection)
            while self._endpoint.tls is not None and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                self._read(self._socket)

    def _flush(self, connection: socket.socket | Tunnel) -> None:
        try:
            sent = connection.send(self._out)
        except _WANTS:
            return
        except OSError as error:
            raise self._broken(error) from None
        del self._out[:sent]
        if not self._out:
            self._watch(READ)

    def _read(self, connection: socket.socket | Tunnel) -> None:
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
        """Count messages and acknowledgements in whole lines; read the other lines, which are few."""
        messages = lines.count(self._dialect.message)
        if messages:
            self.received += messages
            if self.on_messages is not None:
                self.on_messages(messages)
            if self.on_lines is not None:
                self.on_lines(lines)
        acknowledged = 0
        if self.is_acknowledged and self._dialect.sent:
            acknowledged = lines.count(self._dialect.sent)
            self.acknowledged += acknowledged
        if self.reads_other_lines or not messages + acknowledged:
            self._read_others(lines)

    def _read_others(self, lines: bytes) -> None:
        connection = self._socket
        for line in lines.split(b"\n"):
            if connection is not self._socket:
                return  # a line has made the load close the connection
            if not line or self._dialect.message in line or (self._dialect.sent and self._dialect.sent in line):
                continue
            progress = self._conversation.receive(line)
            if progress.answer:
                self.send(progress.answer)
            if progress.step is Step.WELCOME:
                self.head = progress.head
            if progress.step is not Step.NONE and self.on_step is not None:
                self.on_step(self, progress.step)

    def _broken(self, error: OSError) -> ServerUnreachable:
        with contextlib.suppress(OSError):
            self.close()
        if isinstance(error, ssl.SSLError):  # its number is not an errno
            reason = error.reason or "it was closed within TLS"
        else:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return ServerUnreachable(f"A connection to {self._endpoint.host}:{self._endpoint.port} broke: {reason}.")
