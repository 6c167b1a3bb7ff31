"""Sends callers away in the language that they speak.

A server that is full still has to say so, within TLS too, or its callers would take it for something else. What that
may cost is bounded: so many are told at once and in a second, and the others are only closed.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Final, cast

from chatcli import __version__
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import ServerBye
from chatcli.server.listeners.tls import Handshakes, TlsLayer

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Wire
    from chatcli.server.security.certificates import Certificates

AT_ONCE: Final = 64  # callers who are being told; they are no connections that count
_A_SECOND: Final = 100  # handshakes of TLS for that, in the long run and at once: each takes about a millisecond
_PATIENCE: Final = 5.0  # seconds for a caller to say something, and to take the answer
_LINGER: Final = 1.0  # seconds for a caller to hang up: what it had said meanwhile would cost it our answer
_METHODS: Final = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI ")
_BY_APPLICATION: Final = 11  # why SSH is ended
_IRC: Final = (b"NICK ", b"USER ", b"CAP ", b"PASS ", b"PING ", b"JOIN ")
TLS: Final = b"\x16"  # how a caller begins who speaks TLS


def worded(said: bytes, code: str, text: str, status: str = "400 Bad Request") -> bytes:
    """Return a reason in the language of a caller.

    Args:
        said: what it has said first.
        code: the stable code of the reason.
        text: the reason.
        status: how HTTP says it.
    """
    start = said[:16].upper()
    if start.startswith(_METHODS):
        body = f"{text}\n".encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + (b"" if start.startswith(b"HEAD ") else body)
    if start.startswith(_IRC):
        return f"ERROR :{text}\r\n".encode()
    if start.startswith(b"SSH-"):
        return _in_ssh(text)
    return encode(ServerBye(code, text))


def _in_ssh(text: str) -> bytes:
    """Return a version and SSH_MSG_DISCONNECT, whose description clients show (RFC 4253, sections 6 and 11.1)."""
    said = text.encode()
    payload = struct.pack(f">BII{len(said)}sI", 1, _BY_APPLICATION, len(said), said, 0)
    padding = 8 - (len(payload) + 5) % 8 + 8  # at least four bytes, to a multiple of eight
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
    return f"SSH-2.0-chatcli {__version__}\r\n".encode() + packet


class Refusals:
    """How many callers are told why there is no session for them.

    Args:
        certificates: what is shown to those who speak TLS.
        handshakes: has them shake hands by turns.
    """

    def __init__(self, certificates: Certificates, handshakes: Handshakes) -> None:
        self._shaking = handshakes
        self._certificates = certificates
        self._telling = 0
        self._handshakes = float(_A_SECOND)
        self._looked = 0.0

    def refuse(self, transport: asyncio.Transport, code: str, text: str) -> None:
        """Tell a caller who has just connected, or close the connection if too many are being told."""
        if self._telling >= AT_ONCE:
            transport.abort()
            return
        self._telling += 1
        transport.set_protocol(_Refused(self, transport, code, text))

    def told(self) -> None:
        """Note that a caller has gone."""
        self._telling -= 1

    def shake_hands(self, below: Wire, peer: str, refused: _Refused) -> TlsLayer | None:
        """Return TLS for a caller, or None if there were too many handshakes of late."""
        now = asyncio.get_running_loop().time()
        self._handshakes = min(_A_SECOND, self._handshakes + (now - self._looked) * _A_SECOND)
        self._looked = now
        if self._handshakes < 1:
            return None
        self._handshakes -= 1
        return TlsLayer(
            below,
            self._certificates.identity.context,
            self._shaking,
            peer,
            receive=refused.hear,
            ended=refused.ended,
            charge=refused.charge,
        )


class _Refused(asyncio.Protocol):
    """One caller: heard until it is known how it speaks, told, and closed."""

    __slots__ = ("_code", "_leaving", "_refusals", "_said", "_text", "_timer", "_tls", "_transport")

    def __init__(self, refusals: Refusals, transport: asyncio.Transport, code: str, text: str) -> None:
        self._refusals = refusals
        self._transport = transport
        self._code = code
        self._text = text
        self._tls: TlsLayer | None = None
        self._said = False
        self._leaving = False
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Find out how the caller speaks; what it says once it was told is not heard."""
        if self._said:
            return
        if self._tls is not None:
            self._tls.received(data)
        elif data.startswith(TLS):
            peer = str(self._transport.get_extra_info("peername"))
            self._tls = self._refusals.shake_hands(cast("Wire", self._transport), peer, self)
            if self._tls is None:
                self._transport.abort()
            else:
                self._tls.received(data)
        else:
            self.hear(data)

    def hear(self, data: bytes) -> None:
        """Answer the caller's first words."""
        if self._said:
            return
        self._said = True
        answer = worded(data, self._code, self._text, "503 Service Unavailable")
        if self._tls is not None:
            self._tls.write(answer)
            self._tls.close()
        else:
            self._transport.write(answer)
            self._transport.write_eof()
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LINGER, self._transport.abort)

    def _give_up(self) -> None:
        """Tell a caller that says nothing; one that does not get done with its handshake is told nothing."""
        if self._tls is None and not self._said:
            self.hear(b"")
        else:
            self._transport.abort()

    def charge(self, _waste: int) -> None:
        """Close: there is nothing to pay from, and no reason to say much."""
        self._transport.abort()

    def ended(self) -> None:
        """Close: the caller has said its last word within TLS."""
        self._transport.close()

    def eof_received(self) -> bool:
        """Close: the caller has hung up."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Make room for another one."""
        self._timer.cancel()
        if self._tls is not None:
            self._tls.lost()
            self._tls = None
        self._refusals.told()
