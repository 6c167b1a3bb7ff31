"""Takes TCP connections and gives each a session, if its first byte is one of our protocol's."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import ServerBye
from chatcli.server.session import Session

if TYPE_CHECKING:
    from chatcli.server.hub import Hub

logger = logging.getLogger(__name__)

_HIGH_WATER: Final = 64 * 1024  # bytes that asyncio keeps for a socket that is full, before the session is told

_FIRST_BYTES: Final = b"{ \t\r\n"  # JSON lines; other protocols get listeners of their own here


class TcpConnection(asyncio.Protocol):
    """Carries bytes between one socket and one session."""

    __slots__ = ("_begun", "_hub", "_session", "_transport")

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the connection a session, or a reason why not."""
        transport = self._transport = cast("asyncio.Transport", transport)
        if len(self._hub.sessions) >= self._hub.limits.connections:
            text = f"The server holds {self._hub.limits.connections} connections and takes no more: try again later."
            transport.write(encode(ServerBye(codes.FULL, text)))
            transport.close()
            return
        transport.set_write_buffer_limits(_HIGH_WATER)
        self._session = Session(self._hub, transport, _peer(transport))

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        session = self._session
        if session is None:
            return
        if not self._begun:
            self._begun = True
            if data[0] not in _FIRST_BYTES:
                session.close(codes.MALFORMED, "This is a chatcli server: it speaks JSON, one object a line.")
        session.receive(data)

    def eof_received(self) -> bool:
        """Let the session answer what is open; it closes the connection itself."""
        if self._session is None:
            return False
        self._session.ended()
        return True

    def pause_writing(self) -> None:
        """Pass on that the socket is full."""
        if self._session is not None:
            self._session.stalled()

    def resume_writing(self) -> None:
        """Pass on that the socket takes more."""
        if self._session is not None:
            self._session.drained()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone."""
        if self._session is not None:
            self._session.lost()
        if error is not None:
            logger.debug("connection lost: %s", error)


def _peer(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return str(Address(name[0], name[1])) if name else "?"
