"""Carries bytes between the client's end of a tunnel and its WebSocket, in a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import socket
import ssl
import time
from threading import Thread
from typing import TYPE_CHECKING, Final

from websockets.frames import Frame, Opcode
from websockets.protocol import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.client import ClientProtocol
    from websockets.protocol import Event

    from chatcli.client.transport.tunnel_tls import TlsLayers

_CHUNK: Final = 64 * 1024  # bytes read at a time
_MESSAGE: Final = 16 * 1024  # bytes of a message to the server: a record of TLS is as long
_BUFFERED: Final = 256 * 1024  # bytes in one direction, above which nothing more is read for it
_BETWEEN_PINGS: Final = 25.0  # seconds without a byte to the server: a proxy may close what is idle for half a minute
_FAREWELL: Final = 2.0  # seconds to send the client's last words after it has closed its end
_LAST_READS: Final = 16  # of what the server sends meanwhile
_UNSUPPORTED_DATA: Final = 1003  # the WebSocket's code for a message of the wrong kind (RFC 6455, section 7.4.1)


class Pump:
    """One tunnel. It closes both ends when either is closed, after what was received has been passed on.

    Args:
        network: the connection, non-blocking.
        tls: the layers of TLS on it.
        protocol: the WebSocket on it, which is open.
        client: the end of a pair of sockets, the other of which the client has.

    Raises:
        OSError: there is no descriptor left to wait for them.
    """

    def __init__(self, network: socket.socket, tls: TlsLayers, protocol: ClientProtocol, client: socket.socket) -> None:
        network.setblocking(False)
        client.setblocking(False)
        self._network, self._tls, self._protocol, self._client = network, tls, protocol, client
        self._to_network, self._to_client = bytearray(), bytearray()
        self._client_ended = self._network_ended = False
        self._last_sent = time.monotonic()
        self._farewell_until = 0.0
        self._selector = selectors.DefaultSelector()
        self._thread = Thread(target=self._run, name="tunnel", daemon=True)

    def start(self, early: Sequence[Event]) -> None:
        """Start the thread, with frames that have been received."""
        self._received(early)
        _running.add(self)
        self._thread.start()

    def finish(self, deadline: float) -> None:
        """Wait until what the client has sent is on its way; to be called from another thread when the program ends."""
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RD)
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        try:
            with self._network, self._client, self._selector:
                while not self._is_over:
                    self._wait()
                self._read_the_rest()
        finally:
            _running.discard(self)

    @property
    def _is_over(self) -> bool:
        if self._client_ended:
            return not self._to_network or time.monotonic() > self._farewell_until
        return self._network_ended and not self._to_client

    @property
    def _takes_from_network(self) -> bool:
        """Whether to read what the server sends: no more than the client takes, and no more pings than can be answered.

        Answers have room of their own beside the client's bytes, or two ends that both send first would stall.
        """
        has_room = len(self._to_client) < _BUFFERED and len(self._to_network) < 2 * _BUFFERED
        return has_room and not self._network_ended

    def _wait(self) -> None:
        """Wait until something can be done, and do it."""
        selector = self._selector
        reading, writing = selectors.EVENT_READ, selectors.EVENT_WRITE
        _watch(
            selector,
            self._network,
            reading * self._takes_from_network | writing * bool(self._to_network),
        )
        _watch(
            selector,
            self._client,
            reading * (not self._client_ended and len(self._to_network) < _BUFFERED) | writing * bool(self._to_client),
        )
        until = self._farewell_until if self._client_ended else self._last_sent + _BETWEEN_PINGS
        for key, events in selector.select(max(0.0, until - time.monotonic())):
            if key.fileobj is self._network:
                self._serve_network(events)
            else:
                self._serve_client(events)
        if time.monotonic() - self._last_sent > _BETWEEN_PINGS:
            self._ping()

    def _serve_network(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send_to_network()
        except OSError:
            self._to_network.clear()  # what the server has said last may still be read
        if events & selectors.EVENT_READ:
            self._read_network()

    def _serve_client(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                del self._to_client[: self._client.send(self._to_client)]
        except BlockingIOError:
            pass
        except OSError:
            self._to_client.clear()  # the client has closed its end; its last words may still be read
        if events & selectors.EVENT_READ:
            self._read_client()

    def _send_to_network(self) -> None:
        with contextlib.suppress(BlockingIOError):
            del self._to_network[: self._network.send(self._to_network)]

    def _read_network(self) -> None:
        try:
            if data := self._network.recv(_CHUNK):
                self._protocol.receive_data(self._tls.decrypt(data))
                self._received(self._protocol.events_received())
                return
        except BlockingIOError:
            return
        except OSError:  # errors of TLS included
            pass
        self._network_ended = True

    def _received(self, frames: Sequence[Event]) -> None:
        for frame in frames:
            assert isinstance(frame, Frame)  # noqa: S101 (the handshake is done)
            if frame.opcode is Opcode.TEXT:
                self._protocol.fail(_UNSUPPORTED_DATA)
            elif frame.opcode in {Opcode.BINARY, Opcode.CONT} and not self._client_ended:
                self._to_client += frame.data
        self._send_waiting()
        if self._protocol.state is not State.OPEN or self._tls.are_closed:
            self._network_ended = True

    def _read_client(self) -> None:
        try:
            data = self._client.recv(_MESSAGE)
        except BlockingIOError:
            return
        except OSError:  # closed without reading everything
            data = b""
        if self._network_ended:
            self._client_ended = self._client_ended or not data
        elif data:
            self._protocol.send_binary(data)
            self._send_waiting()
        else:
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        self._client_ended = True
        self._farewell_until = time.monotonic() + _FAREWELL
        self._to_client.clear()
        self._protocol.send_close(1000)
        self._send_waiting()

    def _ping(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._send_waiting()
        self._last_sent = time.monotonic()

    def _send_waiting(self) -> None:
        """Encrypt what the WebSocket has to send, and send as much of it as possible."""
        with contextlib.suppress(ssl.SSLError):  # the next read says so
            if data := self._tls.encrypt(b"".join(self._protocol.data_to_send())):
                self._last_sent = time.monotonic()
                self._to_network += data
        with contextlib.suppress(OSError):  # likewise
            self._send_to_network()

    def _read_the_rest(self) -> None:
        """Read what nobody wants: if a socket is closed with something unread, what was sent on it may be lost."""
        with contextlib.suppress(OSError):
            for _ in range(_LAST_READS):
                if not self._network.recv(_CHUNK):
                    break


def _watch(selector: selectors.BaseSelector, connection: socket.socket, events: int) -> None:
    """Wait for these events of a connection from now on; for none of them with 0."""
    key = selector.get_map().get(connection)
    if key is None and events:
        selector.register(connection, events)
    elif key is not None and not events:
        selector.unregister(connection)
    elif key is not None and key.events != events:
        selector.modify(connection, events)


_running: Final[set[Pump]] = set()


# A child process has copies of the parent's tunnels, but not their threads: when it ends, they go on.
os.register_at_fork(after_in_child=_running.clear)


@atexit.register
def _finish_all() -> None:
    """Have all tunnels send what their clients have said last: an operating system would do so for a socket."""
    deadline = time.monotonic() + _FAREWELL
    for pump in list(_running):
        pump.finish(deadline)
