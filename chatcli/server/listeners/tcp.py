"""Accepts TCP connections, detects protocols by their first words, and gives those who speak ours a session."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
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
    from chatcli.gateway.websocket import WebSocket
    from chatcli.server.security.certificates import Certificates
    from chatcli.server.web.connection import HttpConnection
    from chatcli.server.web.site import Site
    from chatcli.server.web.websocket import WebSocketLayer

logger = logging.getLogger(__name__)

_HIGH_WATER: Final = 64 * 1024  # bytes that asyncio keeps for a full socket before the session learns of it
_UNSENT_IN_KERNEL: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Linux and macOS have it
_TLS_ONLY: Final = "From another machine this server accepts TLS only: connect with TLS."
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
        site: what is served, and to whom.
        certificates: what the server shows to those who speak TLS.
        handshakes: runs the TLS handshakes in turn.
        rejections: rejects callers for whom there is no session.
    """

    site: Site
    certificates: Certificates
    handshakes: HandshakeQueue
    rejections: rejections.Rejections


class TcpConnection(asyncio.Protocol):
    """Carries bytes between one socket and one session, through layers such as TLS and a WebSocket.

    The lowest layer is fed by the socket, each other one by the layer below it, and the session by the uppermost, to
    which it writes. Without layers the socket itself feeds the session, and is written to.

    The session is made when the caller has begun to speak our protocol. Until then there is an opening in its place,
    and while it speaks HTTP a connection of that.

    Args:
        service: everything that connections share.

    Attributes:
        speaks: the dialect of the caller, for the metrics.
    """

    __slots__ = ("_end", "_lowest", "_service", "_uppermost", "_websocket", "speaks")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._end: Opening | Session | HttpConnection | None = (
            None  # None before the connection is accepted, and once it is gone
        )
        self._lowest: Receiver | None = None  # what the socket feeds
        self._uppermost: Layer | None = None  # what the session writes to, if not to the socket
        self._websocket: WebSocketLayer | None = None
        self.speaks = "nothing"

    def __str__(self) -> str:
        return str(self._end)

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or reject it."""
        hub = self._service.site.hub
        transport = cast("asyncio.Transport", transport)
        if len(hub.connections) >= hub.limits.connections:
            text = f"The server holds {_connections(hub.limits.connections)} and accepts no more: try again later."
            self._service.rejections.reject(transport, codes.FULL, text)
            return
        name = transport.get_extra_info("peername")
        # Interned: whoever comes from the same address shares one string.
        peer = Address(sys.intern(name[0]), name[1]) if name else Address("?", 0)
        if self._service.site.counts(peer.host) and not hub.rate_limits.add_connection(peer.host):
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
            site = self._service.site
            site.hub.connections.discard(self)
            if site.counts(self._end.caller):
                site.hub.rate_limits.remove_connection(self._end.caller)
            self._lowest.lost()
            logger.info("%s has gone", self)
        self._end = self._lowest = self._uppermost = self._websocket = None
        if error is not None:
            logger.debug("connection lost: %s", error)

    # The protocol of the caller. Another one gets its case here, and a layer of its own.

    def _detect(self, data: bytes) -> None:
        """Start a protocol by the first word on the socket."""
        opening = self._opening
        match dialect(data):
            case None:
                pass  # not a whole word yet
            case Dialect.TLS:
                self._start_tls(opening, data, self._detect_in_tls)
            case Dialect.HTTP:
                self._start_http(opening, data)
            case Dialect.LINES if self._service.site.insecure or is_loopback(opening.peer.host):
                self._start_lines(opening, data)
            case Dialect.LINES:
                self._demand_tls(opening, _TLS_ONLY)
            case _:
                self._reject(opening, data)

    def _detect_in_tls(self, data: bytes) -> None:
        """Start a protocol by the first word within TLS."""
        opening = self._opening
        match dialect(data):
            case None:
                pass
            case Dialect.HTTP:
                self._start_http(opening, data)
            case Dialect.LINES:
                self._start_lines(opening, data)
            case _:
                self._reject(opening, data)

    def _detect_in_websocket(self, data: bytes) -> None:
        """Start lines, if that is what it carries, or TLS: whoever ends the TLS outside must not read the stream."""
        opening = self._opening
        if self._websocket is not None and self._websocket.carries_lines:
            if opening.readable:
                self._demand_tls(opening, _TLS_ONLY)
            else:
                self._start_lines(opening, data)
            return
        match dialect(data):
            case None:
                pass
            case Dialect.TLS:
                self.speaks = "tunnel"
                self._start_tls(opening, data, self._detect_in_tunnel)
            case _:
                self._demand_tls(
                    opening,
                    "Binary messages are a tunnel, within which this server accepts TLS only; lines are text messages.",
                )

    def _detect_in_tunnel(self, data: bytes) -> None:
        """Start our own protocol by the first word within the TLS of a tunnel."""
        opening = self._opening
        match dialect(data):
            case None:
                pass
            case Dialect.LINES:
                self._start_lines(opening, data)
            case _:
                self._reject(opening, data)

    @property
    def _opening(self) -> Opening:
        assert isinstance(self._end, Opening)  # noqa: S101 (it calls what asks for it)
        return self._end

    def _demand_tls(self, opening: Opening, text: str) -> None:
        self._service.site.hub.counts.refused[codes.TLS_REQUIRED] += 1
        opening.close(codes.TLS_REQUIRED, text)

    def _reject(self, opening: Opening, data: bytes) -> None:
        self._service.site.hub.counts.refused[codes.MALFORMED] += 1
        if dialect(data) is Dialect.HTTP2:
            text, status = "This is a chatcli server, which speaks HTTP/1.1.", "505 HTTP Version Not Supported"
            opening.close_with(rejections.answer(data, codes.MALFORMED, text, status))
        else:
            opening.close_with(rejections.answer(data, codes.MALFORMED, NOT_OURS))

    def _start_tls(self, opening: Opening, data: bytes, on_bytes: Callable[[bytes], None]) -> None:
        """Put TLS on top; the plaintext has a first word of its own."""
        identity = self._service.certificates.identity
        peer = str(opening.peer)
        layer = TlsLayer(
            opening.wire, identity.context, self._service.handshakes, peer, above=opening, charge=self._charge
        )
        opening.channel = identity.channel
        opening.owns_page = None  # no page of a browser speaks TLS within a WebSocket
        opening.expect(on_bytes)
        self._put_layer(opening, layer)
        opening.account.charge(HANDSHAKE)
        layer.received(data)

    def _start_http(self, opening: Opening, data: bytes) -> None:
        """Start HTTP."""
        # Loaded with the first such caller, unless that has been done in the meantime.
        from chatcli.server.web.connection import HttpConnection  # noqa: PLC0415 (see above)

        self.speaks = "http"
        secure = self._uppermost is not None
        end = HttpConnection(self._service.site, opening, secure=secure, upgrade=self._start_websocket)
        self._end = end
        self._put_on_top(end)
        end.received(data)

    def _start_websocket(self, opening: Opening, socket: WebSocket, data: bytes) -> None:
        """Put a WebSocket in the place of HTTP; what it carries has a first word of its own."""
        from chatcli.server.web.websocket import WebSocketLayer  # noqa: PLC0415 (as HttpConnection)

        self._end = opening
        later = self._service.site.hub.later
        layer = WebSocketLayer(opening.wire, socket, later, above=opening, charge=self._charge)
        self._websocket = layer
        self.speaks = "websocket"
        opening.expect(self._detect_in_websocket)
        self._put_layer(opening, layer)
        if data:
            layer.received(data)

    def _start_lines(self, opening: Opening, data: bytes) -> None:
        """Start our own protocol, one JSON object a line."""
        if self._websocket is None:
            self.speaks = "lines"
        session = self._end = Session(self._service.site.hub, self._service.site.handlers, opening)
        lines = Lines(session, self._service.site.hub.limits)
        session.read_from(lines)
        self._put_on_top(lines)
        lines.received(data)

    def _put_layer(self, opening: Opening, layer: Layer) -> None:
        """Put a layer on top of the others, and the opening on top of that."""
        self._put_on_top(layer)
        self._uppermost = layer
        opening.move(layer)

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
        return None if self._end is None else self._end.session

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        if self._end is not None:
            self._end.tick(seconds)
        if self._websocket is not None:
            self._websocket.tick(seconds)

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
