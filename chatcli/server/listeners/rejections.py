"""Rejects callers in the protocol that they speak.

A server that is full has to say so, within TLS too, or its callers would take it for something else. The cost is
bounded: a number of callers at once and in a second get an answer, the others are only closed.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final, cast

from chatcli import __version__
from chatcli.gateway.opening import Dialect, dialect
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import ServerBye
from chatcli.server.listeners.tls import HandshakeQueue, TlsLayer

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Wire
    from chatcli.server.counts import Counts
    from chatcli.server.security.certificates import Certificates

MOST_AT_ONCE: Final = 64  # callers who are being rejected; they do not count as connections
_HANDSHAKES_A_SECOND: Final = 100  # of TLS for that, in the long run and at once: each takes about a millisecond
_PATIENCE: Final = 5.0  # seconds for a caller to send something, and to take the answer
_LINGER: Final = 1.0  # seconds for a caller to hang up: what it has sent meanwhile would cost it our answer
_BY_APPLICATION: Final = 11  # the reason for which SSH is ended


def answer(received: bytes, code: str, text: str, status: str = "400 Bad Request") -> bytes:
    """Return a reason in the protocol of a caller.

    Args:
        received: the first bytes from the caller.
        code: the stable code of the reason.
        text: the reason.
        status: the reason as HTTP has it.
    """
    match dialect(received):
        case Dialect.HTTP | Dialect.HTTP2:
            return _http_answer(received, text, status)
        case Dialect.IRC:
            return f"ERROR :{text}\r\n".encode()
        case Dialect.SSH:
            return _ssh_answer(text)
        case _:
            return encode(ServerBye(code, text))


def _http_answer(received: bytes, text: str, status: str) -> bytes:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + (b"" if received.startswith(b"HEAD ") else body)


def _ssh_answer(text: str) -> bytes:
    """Return a version and SSH_MSG_DISCONNECT, whose description clients show (RFC 4253, sections 6 and 11.1)."""
    description = text.encode()
    size = len(description)
    payload = struct.pack(f">BII{size}sI", 1, _BY_APPLICATION, size, description, 0)
    padding = 8 - (len(payload) + 5) % 8 + 8  # at least four bytes, to a multiple of eight
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
    return f"SSH-2.0-chatcli {__version__}\r\n".encode() + packet


class Rejections:
    """Rejects callers for whom there is no session.

    Args:
        certificates: what is shown to those who speak TLS.
        handshakes: runs their handshakes in turn.
        counts: count the callers.
    """

    def __init__(self, certificates: Certificates, handshakes: HandshakeQueue, counts: Counts) -> None:
        self._certificates = certificates
        self._counts = counts
        self._queue = handshakes
        self._open = 0  # callers who are being rejected
        self._handshakes = float(_HANDSHAKES_A_SECOND)  # that can be made at present
        self._counted_at = 0.0

    def reject(self, transport: asyncio.Transport, code: str, text: str) -> None:
        """Give a new caller the reason; close the connection if too many are being rejected."""
        self._counts.refused[code] += 1
        if self._open >= MOST_AT_ONCE:
            transport.abort()
            return
        self._open += 1
        transport.set_protocol(_RejectedConnection(self, transport, code, text))

    def remove(self) -> None:
        """Record that a caller has gone."""
        self._open -= 1

    def start_tls(self, below: Wire, peer: str, caller: _RejectedConnection) -> TlsLayer | None:
        """Return TLS for a caller, or None if there have been too many handshakes."""
        now = asyncio.get_running_loop().time()
        regained = (now - self._counted_at) * _HANDSHAKES_A_SECOND
        self._handshakes = min(_HANDSHAKES_A_SECOND, self._handshakes + regained)
        self._counted_at = now
        if self._handshakes < 1:
            return None
        self._handshakes -= 1
        return TlsLayer(
            below,
            self._certificates.identity.context,
            self._queue,
            peer,
            above=caller,
            charge=caller.charge,
        )


class _RejectedConnection(asyncio.Protocol):
    """One caller: read until its protocol is known, answered, and closed."""

    __slots__ = ("_answered", "_code", "_rejections", "_text", "_timer", "_tls", "_transport")

    def __init__(self, rejections: Rejections, transport: asyncio.Transport, code: str, text: str) -> None:
        self._rejections = rejections
        self._transport = transport
        self._code = code
        self._text = text
        self._tls: TlsLayer | None = None
        self._answered = False
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Answer in the protocol of the first bytes; ignore what follows the answer."""
        if self._answered:
            return
        if self._tls is not None:
            self._tls.received(data)
        elif dialect(data) is Dialect.TLS:
            peer = str(self._transport.get_extra_info("peername"))
            self._tls = self._rejections.start_tls(cast("Wire", self._transport), peer, self)
            if self._tls is None:
                self._transport.abort()
            else:
                self._tls.received(data)
        else:
            self.received(data)

    def received(self, data: bytes) -> None:
        """Answer the first bytes of a caller, which may have come within TLS."""
        if self._answered:
            return
        self._answered = True
        line = answer(data, self._code, self._text, "503 Service Unavailable")
        if self._tls is not None:
            self._tls.write(line)
            self._tls.close()
        else:
            self._transport.write(line)
            self._transport.write_eof()
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    def _give_up(self) -> None:
        """Answer a caller that has sent nothing; one whose handshake is not done gets no answer."""
        if self._tls is None and not self._answered:
            self.received(b"")
        else:
            self._transport.abort()

    def charge(self, _waste: int) -> None:
        """Close: a rejected caller has nothing to pay from."""
        self._transport.abort()

    def finished(self) -> None:
        """Close: the caller sends nothing more within TLS."""
        self._transport.close()

    def lost(self) -> None:
        """Do nothing: there is nothing to forget."""

    def eof_received(self) -> bool:
        """Close: the caller has hung up."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Make room for another caller."""
        self._timer.cancel()
        if self._tls is not None:
            self._tls.lost()
            self._tls = None
        self._rejections.remove()
