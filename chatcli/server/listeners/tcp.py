"""Accepts TCP connections, detects the protocol by the first byte, and gives each a session."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from chatcli.protocol import codes
from chatcli.protocol.values.address import Address, is_loopback
from chatcli.server.connection.session import Session
from chatcli.server.connection.wire import Wire
from chatcli.server.listeners import rejections
from chatcli.server.listeners.tls import HandshakeQueue, TlsLayer
from chatcli.server.security.prices import HANDSHAKE

if TYPE_CHECKING:
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.security.certificates import Certificates

logger = logging.getLogger(__name__)

_NOT_OURS: Final = 'This is a chatcli server: it speaks JSON, one object a line; people reach it with "chatcli join".'
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
    """Carries bytes between one socket and one session, through TLS if the caller speaks it.

    The session writes to this object, because it is made before it is known whether there will be TLS.

    Args:
        service: everything that connections share.
    """

    __slots__ = ("_detected", "_service", "_session", "_tls", "_transport", "_wire")

    _transport: asyncio.Transport
    _wire: Wire  # what is written to: the TLS layer, or the socket itself

    def __init__(self, service: Service) -> None:
        self._service = service
        self._session: Session | None = None
        self._tls: TlsLayer | None = None
        self._detected = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the connection a session, or reject it."""
        hub = self._service.hub
        transport = self._transport = self._wire = cast("asyncio.Transport", transport)
        if len(hub.sessions) >= hub.limits.connections:
            text = f"The server holds {_connections(hub.limits.connections)} and accepts no more: try again later."
            self._service.rejections.reject(transport, codes.FULL, text)
            return
        name = transport.get_extra_info("peername")
        peer = Address(name[0], name[1]) if name else Address("?", 0)
        if not hub.rate_limits.add_connection(peer.host):
            most = hub.limits.connections_per_address
            text = f"Your address has {_connections(most)} open, which is the limit: close some first."
            self._service.rejections.reject(transport, codes.TOO_MANY, text)
            return
        transport.set_write_buffer_limits(_HIGH_WATER)
        if not _INHERITED:
            limit_unsent(transport.get_extra_info("socket"))
        self._session = Session(hub, self._service.handlers, self, peer)

    def data_received(self, data: bytes) -> None:
        """Pass on bytes."""
        if self._tls is not None:
            self._tls.data_received(data)
        else:
            self._receive(data)

    def eof_received(self) -> bool:
        """Let the session answer what is open; it closes the connection itself."""
        if self._session is None:
            return False
        if self._tls is not None:
            self._tls.eof_received()
        else:
            self._session.eof_received()
        return True

    def pause_writing(self) -> None:
        """Pass on that the socket is full."""
        if self._session is not None:
            self._session.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the socket takes more."""
        if self._session is not None:
            self._session.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone, and drop the references that point back here."""
        if self._tls is not None:
            self._tls.connection_lost()
        if self._session is not None:
            self._session.connection_lost()
        self._session = self._tls = None
        self._wire = self._transport
        if error is not None:
            logger.debug("connection lost: %s", error)

    # The protocol of the caller

    def _receive(self, data: bytes) -> None:
        """Pass on plaintext, from the socket or from TLS."""
        if self._session is None:
            return
        if self._detected:
            self._session.receive(data)
        else:
            self._detect(self._session, data)

    def _detect(self, session: Session, data: bytes) -> None:
        """Start a protocol by its first byte. Another protocol gets its case here, and a class of its own."""
        match data[:1]:
            case rejections.TLS if self._tls is None:
                self._start_tls(session, data)
            case b"{" | b" " | b"\t" | b"\r" | b"\n":
                self._start_lines(session, data)
            case _:
                self._detected = True
                session.close_with(rejections.answer(data, codes.MALFORMED, _NOT_OURS))

    def _start_tls(self, session: Session, data: bytes) -> None:
        """Put TLS between the socket and the session; the plaintext has a first byte of its own."""
        identity = self._service.certificates.identity
        session.channel = identity.channel
        self._wire = self._tls = TlsLayer(
            self._transport,
            identity.context,
            self._service.handshakes,
            str(session.peer),
            receive=self._receive,
            ended=session.eof_received,
            charge=session.pay_for_waste,
        )
        session.account.charge(HANDSHAKE)
        self._tls.data_received(data)

    def _start_lines(self, session: Session, data: bytes) -> None:
        """Start our own protocol, one JSON object a line."""
        self._detected = True
        if self._tls is None and not (self._service.insecure or is_loopback(session.host)):
            session.close(codes.TLS_REQUIRED, "From another machine this server accepts TLS only: connect with TLS.")
            return
        session.receive(data)

    # What the session calls

    def write(self, data: bytes) -> None:
        """Send bytes; never blocks."""
        self._wire.write(data)

    def pause_reading(self) -> None:
        """Stop delivering bytes from the client."""
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        """Deliver bytes from the client again."""
        self._wire.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Return the number of written bytes that the socket has yet to take."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close once everything written has been sent."""
        self._wire.close()

    def abort(self) -> None:
        """Close now."""
        self._wire.abort()
