"""Accepts TCP connections, detects the protocol by the first word, and gives those who speak ours a session."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from chatcli.gateway.opening import Dialect, dialect
from chatcli.protocol import codes
from chatcli.protocol.values.address import Address, is_loopback
from chatcli.server.connection.lines import Lines
from chatcli.server.connection.opening import NOT_OURS, Opening
from chatcli.server.connection.session import Session
from chatcli.server.connection.wire import Layer, Receiver
from chatcli.server.listeners import rejections
from chatcli.server.listeners.tls import HandshakeQueue, TlsLayer
from chatcli.server.security.prices import HANDSHAKE

if TYPE_CHECKING:
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.security.certificates import Certificates

logger = logging.getLogger(__name__)

_HIGH_WATER: Final = 64 * 1024  # bytes that asyncio keeps for a full socket before the session learns of it
_UNSENT_IN_KERNEL: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS have it
_INHERITED: Final = sys.platform == "linux"  # connections inherit the options of the listening socket


def _connections(count: int) -> str:
    return "1 connection" if count == 1 else f"{count} connections"


def limit_unsent(connection: socket.socket) -> None:
    """Limit what the system buffers of a connection, or of those that a listening socket will accept.

    Else it buffers megabytes for a client that reads nothing, and hides that from us.
    """
    if _UNSENT_IN_KERNEL is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _UNSENT_IN_KERNEL, _HIGH_WATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything that connections share.

    Attributes:
        hub: the hub that sessions belong to.
        handlers: the handler of each frame that a client may send once it is logged in.
        certificates: what the server shows to those who speak TLS.
        handshakes: runs the TLS handshakes in turn.
        rejections: rejects callers for whom there is no session.
        insecure: whether callers from other machines may do without TLS.
    """

    hub: Hub
    handlers: Mapping[type, Handler]
    certificates: Certificates
    handshakes: HandshakeQueue
    rejections: rejections.Rejections
    insecure: bool = False


class TcpConnection(asyncio.Protocol):
    """Carries bytes between one socket and one session, through layers such as TLS.

    The lowest layer is fed by the socket, each other one by the layer below it, and the session by the uppermost, to
    which it writes. Without layers the socket itself feeds the session, and is written to.

    The session is made when the caller has begun to speak our protocol. Until then there is an opening in its place.

    Args:
        service: everything that connections share.
    """

    __slots__ = ("_end", "_lowest", "_service", "_uppermost")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._end: Opening | Session | None = None  # None before the connection is accepted, and once it is gone
        self._lowest: Receiver | None = None  # what the socket feeds
        self._uppermost: Layer | None = None  # what the session writes to, if not to the socket

    def __str__(self) -> str:
        return str(self._end)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or reject it."""
        hub = self._service.hub
        transport = cast("asyncio.Transport", transport)
        if len(hub.connections) >= hub.limits.connections:
            text = f"The server holds {_connections(hub.limits.connections)} and accepts no more: try again later."
            self._service.rejections.reject(transport, codes.FULL, text)
            return
        name = transport.get_extra_info("peername")
        # Interned: whoever comes from the same address shares one string.
        peer = Address(sys.intern(name[0]), name[1]) if name else Address("?", 0)
        if not hub.rate_limits.add_connection(peer.host):
            most = hub.limits.connections_per_address
            text = f"Your address has {_connections(most)} open, which is the limit: close some first."
            self._service.rejections.reject(transport, codes.TOO_MANY, text)
            return
        transport.set_write_buffer_limits(_HIGH_WATER)
        if not _INHERITED:
            limit_unsent(transport.get_extra_info("socket"))
        self._end = self._lowest = Opening(hub, transport, peer, self._detect)
        hub.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass on bytes."""
        if self._lowest is not None:
            self._lowest.received(data)

    def eof_received(self) -> bool:
        """Let the session answer what is open; it closes the connection itself."""
        if self._lowest is None:
            return False
        self._lowest.finished()
        return True

    def pause_writing(self) -> None:
        """Pass on that the socket is full."""
        if self._end is not None:
            self._end.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the socket takes more."""
        if self._end is not None:
            self._end.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone, and drop the references that point back here."""
        if self._end is not None and self._lowest is not None:
            hub = self._service.hub
            hub.connections.discard(self)
            hub.rate_limits.remove_connection(self._end.host)
            self._lowest.lost()
            logger.info("%s has gone", self)
        self._end = self._lowest = self._uppermost = None
        if error is not None:
            logger.debug("connection lost: %s", error)

    # The protocol of the caller

    def _detect(self, data: bytes) -> None:
        """Start a protocol by its first word. Another protocol gets its case here, and a layer of its own."""
        assert isinstance(self._end, Opening)  # noqa: S101 (it calls this)
        opening = self._end
        match dialect(data):
            case None:
                pass  # not a whole word yet
            case Dialect.LINES:
                self._start_lines(opening, data)
            case Dialect.TLS if self._uppermost is None:
                self._start_tls(opening, data)
            case _:
                opening.close_with(rejections.answer(data, codes.MALFORMED, NOT_OURS))

    def _start_tls(self, opening: Opening, data: bytes) -> None:
        """Put TLS on top of the socket; the plaintext has a first word of its own."""
        identity = self._service.certificates.identity
        peer = str(opening.peer)
        layer = TlsLayer(
            opening.wire, identity.context, self._service.handshakes, peer, above=opening, charge=self._charge
        )
        self._put_on_top(layer)
        self._uppermost = layer
        opening.begun = b""
        opening.channel = identity.channel
        opening.move(layer)
        opening.account.charge(HANDSHAKE)
        layer.received(data)

    def _start_lines(self, opening: Opening, data: bytes) -> None:
        """Start our own protocol, one JSON object a line."""
        if self._uppermost is None and not (self._service.insecure or is_loopback(opening.host)):
            opening.close(codes.TLS_REQUIRED, "From another machine this server accepts TLS only: connect with TLS.")
            return
        session = self._end = Session(self._service.hub, self._service.handlers, opening)
        lines = Lines(session, self._service.hub.limits)
        session.read_from(lines)
        self._put_on_top(lines)
        lines.received(data)

    def _charge(self, waste: int) -> None:
        if self._end is not None:
            self._end.pay_for_waste(waste)

    def _put_on_top(self, receiver: Receiver) -> None:
        """Have the uppermost layer feed something else from now on; or the socket, if there is no layer."""
        if self._uppermost is None:
            self._lowest = receiver
        else:
            self._uppermost.above = receiver

    # What the hub calls

    @property
    def session(self) -> Session | None:
        """Its session; None until the first word of the caller."""
        return self._end if isinstance(self._end, Session) else None

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        if self._end is not None:
            self._end.tick(seconds)

    def stop_reading(self) -> None:
        """Process nothing more from the caller: the server is about to stop."""
        if self._end is not None:
            self._end.stop_reading()

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""
        if self._end is not None:
            self._end.close(code, text)

    def abort(self) -> None:
        """Close at once, without sending what is unsent."""
        if self._end is not None:
            self._end.abort()
