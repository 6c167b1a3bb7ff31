"""The server's end of a WebSocket (RFC 6455): lines of our protocol as text, or any bytes as binary data."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SERVER, Protocol, State
from websockets.server import ServerProtocol

_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_MOST_TEXT: Final = 256 * 1024  # bytes of one message of ours, about: many clients accept no more than a mebibyte
_CONTROL: Final = 123  # bytes of a reason (section 5.5)


class Kind(enum.Enum):
    """The kind of data that a WebSocket carries, which its first message decides."""

    LINES = "text: whole lines of our protocol"
    BYTES = "binary: a stream of bytes, as a socket carries it"


def accept(path: str, headers: Mapping[str, str], version: str) -> list[tuple[str, str]]:
    """Return the headers of the answer that opens a WebSocket.

    Args:
        path: of the request.
        headers: of the request, by name in small letters.
        version: of HTTP.

    Raises:
        ValueError: the request opens none; the message says why.
    """
    request = Request(path, Headers(headers.items()), protocol=f"HTTP/{version}")
    try:
        key, _extensions, _protocol = ServerProtocol(subprotocols=None).process_request(request)
    except InvalidHandshake as error:
        raise ValueError(str(error)) from None
    return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key)]


class WebSocket:
    """A WebSocket that is open: bytes in, data out, and back.

    Args:
        most: bytes in a message of the client.

    Attributes:
        kind: the kind of data that it carries; None before the first message.
        frames: frames that have come since this was set to zero.
        ponged: whether an answer to a ping has come since this was set to False.
    """

    def __init__(self, most: int) -> None:
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=most)
        self._text: list[bytes] = []  # parts of a message
        self._failed = False
        self.kind: Kind | None = None
        self.frames = 0
        self.ponged = False

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: the client has closed it, or has broken its rules."""
        return self._failed or self._protocol.state is not State.OPEN

    def receive(self, data: bytes) -> bytes:
        """Return the data in bytes from the client; lines are whole, and each ends with a line feed."""
        if self.ended:
            return b""
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        parts: list[bytes] = []
        for event in events:
            assert isinstance(event, Frame)  # noqa: S101 (the handshake is done)
            self.frames += 1
            if event.opcode in _DATA:
                self._take(event, parts)
            elif event.opcode is Opcode.PONG:
                self.ponged = True
            if self._failed:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take(self, frame: Frame, parts: list[bytes]) -> None:
        if frame.opcode is not Opcode.CONT:
            kind = Kind.LINES if frame.opcode is Opcode.TEXT else Kind.BYTES
            if self.kind is None:
                self.kind = kind
            elif self.kind is not kind:
                self._fail(CloseCode.UNSUPPORTED_DATA, "text and binary data do not mix")
                return
        data = bytes(frame.data)
        if self.kind is Kind.BYTES:
            parts.append(data)
            return
        self._text.append(data)
        if frame.fin:
            text = b"".join(self._text)
            self._text.clear()
            try:
                text.decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "text is in UTF-8")
            else:
                parts.append(text if text.endswith(b"\n") else text + b"\n")

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._failed = True
        self._protocol.fail(code, reason)

    def send(self, data: bytes) -> None:
        """Send data: of the kind that the client has chosen, or lines if it has chosen none."""
        if self.ended:
            return
        if self.kind is Kind.BYTES:
            self._protocol.send_binary(data)
            return
        while len(data) > _MOST_TEXT and (end := data.rfind(b"\n", 0, _MOST_TEXT) + 1 or data.find(b"\n") + 1):
            self._protocol.send_text(data[:end])
            data = data[end:]
        if data:
            self._protocol.send_text(data)

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        if not self.ended:
            self._protocol.send_ping(b"")

    def close(self, reason: str = "") -> None:
        """Say that nothing more follows."""
        if not self.ended:
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE, reason[:_CONTROL])

    def to_send(self) -> bytes:
        """Return the bytes for the client."""
        return b"".join(self._protocol.data_to_send())
