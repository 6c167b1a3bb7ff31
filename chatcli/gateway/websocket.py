"""The server's end of a WebSocket (RFC 6455): lines of our protocol as text, or any bytes as binary data."""

from __future__ import annotations

import enum
import struct
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidUpgrade
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SERVER, Protocol, State
from websockets.server import ServerProtocol

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.protocol import codes
from chatcli.protocol import frames as f

try:
    from websockets.speedups import apply_mask
except ImportError:  # there is no compiled version for this machine
    from websockets.utils import apply_mask

VERSION: Final = "13"
_HEADERS: Final = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version")
AT_ONCE: Final = 64  # frames that are taken apart at once
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_WHOLE: Final = {0x80 | Opcode.TEXT: Opcode.TEXT, 0x80 | Opcode.BINARY: Opcode.BINARY}  # first bytes: FIN, opcode
_BINARY: Final = int(Opcode.BINARY)
_FIN: Final = 0x80
_MASKED: Final = 0x80
_MASK: Final = 4  # bytes
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # lengths that say how many bytes the length itself has
_SHORTEST: Final = 6  # bytes of a frame of a client without content
_LONGEST_SHORT: Final = 0xFFFF
_pack_short: Final = struct.Struct(">BBH").pack
_pack_long: Final = struct.Struct(">BBQ").pack
_MOST_TEXT: Final = 256 * 1024  # bytes of one message of ours, about: many clients accept no more than a mebibyte
_REASON: Final = 123  # bytes (section 5.5)
_BYE: Final = b'{"t":"bye"'
#: How a goodbye of our protocol is said by that of WebSockets; all others are a matter of the server's rules.
_CLOSE_CODES: Final = {
    codes.LEFT: CloseCode.NORMAL_CLOSURE,
    codes.STOPPING: CloseCode.GOING_AWAY,
    codes.MALFORMED: CloseCode.INVALID_DATA,
    codes.STORAGE: CloseCode.TRY_AGAIN_LATER,
    codes.FULL: CloseCode.TRY_AGAIN_LATER,
}


class Kind(enum.Enum):
    """The kind of data that a WebSocket carries, which its first message decides."""

    LINES = "text: whole lines of our protocol"
    BYTES = "binary: a stream of bytes, as a socket carries it"


_NO_OPENING: Final = "That does not open a WebSocket: it has one Sec-WebSocket-Key, of 16 bytes in Base64 (RFC 6455)."
_OTHER_VERSION: Final = (
    "This is for WebSockets: ask in HTTP/1.1, with Upgrade: websocket, Connection: Upgrade and "
    f"Sec-WebSocket-Version: {VERSION}."
)
_BYTES: Final = Kind.BYTES  # looked up in its class, it costs as much as a call


def accept(head: Head) -> list[tuple[str, str]]:
    """Return the headers of the answer that opens a WebSocket. Extensions and subprotocols are not accepted.

    Raises:
        Fault: the request opens none.
    """
    if head.has_body:
        raise Fault(HTTPStatus.BAD_REQUEST, "A request for a WebSocket has no body.")
    given = [(name, head.headers[name]) for name in _HEADERS if name in head.headers]
    try:
        if head.version != "1.1":
            raise InvalidUpgrade("HTTP", head.version)
        request = Request(head.path, Headers(given), protocol="HTTP/1.1")
        key, _extensions, _protocol = ServerProtocol().process_request(request)
    except InvalidHandshake as error:  # whose sentence repeats what has come
        wants_other = isinstance(error, InvalidUpgrade) or head.headers.get("sec-websocket-version") != VERSION
        status = HTTPStatus.UPGRADE_REQUIRED if wants_other else HTTPStatus.BAD_REQUEST
        headers = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION)]
        raise Fault(status, _OTHER_VERSION if wants_other else _NO_OPENING, headers) from None
    return [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key)]


class WebSocket:
    """A WebSocket that is open: bytes in, data out, and back.

    Messages in one frame, which is how nearly all data comes, are taken apart here, and the frames of the server are
    put together here. Everything else, be it control frames, fragments or mistakes, is left to the library.

    Args:
        most: bytes in a message of the client.

    Attributes:
        kind: the kind of data that it carries; None before the first message.
        frames: frames that have come since this was set to zero.
        alive: whether the client has pinged, or answered a ping, since this was set to False.
    """

    __slots__ = ("_buffer", "_bye", "_library", "_most", "_text", "_writes", "alive", "frames", "kind")

    def __init__(self, most: int) -> None:
        self._most = most
        self._library: Protocol | None = None  # made when it is needed: most connections never do
        self._buffer = b""  # from the client, not taken apart yet
        self._text: bytearray | None = None  # what has come of a text in fragments
        self._writes: list[bytes] = []
        self._bye = b""  # the goodbye that was sent
        self.kind: Kind | None = None
        self.frames = 0
        self.alive = False

    @property
    def _protocol(self) -> Protocol:
        if self._library is None:
            self._library = Protocol(SERVER, state=State.OPEN, max_size=self._most)
        return self._library

    @property
    def closing(self) -> bool:
        """Whether nothing more is sent: either side has closed, or the client has broken the rules."""
        return self._library is not None and self._library.state is not State.OPEN

    @property
    def over(self) -> bool:
        """Whether nothing more comes: the client has closed, or has broken the rules."""
        return self._library is not None and self._library.eof_sent

    @property
    def confirmed(self) -> bool:
        """Whether the client has closed, be it first or as an answer."""
        return self._library is not None and self._library.close_rcvd is not None

    @property
    def behind(self) -> bool:
        """Whether the next frame has come whole, and would be taken apart by another call of :meth:`receive`."""
        return bool(self._buffer) and not self.over and _find(self._buffer, 0, self._most)[1] > 0

    # What comes from the client

    def receive(self, data: bytes) -> bytes:
        """Return the data in bytes from the client; lines are whole, and each ends with a line feed.

        At most :data:`AT_ONCE` frames are taken apart; the others wait for the next call.
        """
        if self.kind is _BYTES and not self._buffer and self._between_messages and not self.over:
            content = _only(data, self._most)
            if content:
                self.frames += 1
                return apply_mask(data[content:], data[content - _MASK : content])
        buffer = b"" if self.over else self._buffer + data
        parts: list[bytes] = []
        start = 0
        for _ in range(AT_ONCE):
            content, end = _find(buffer, start, self._most)
            if not end:
                break
            self.frames += 1
            opcode = _WHOLE.get(buffer[start])
            if content and opcode is not None and self._between_messages:
                self._take(opcode, apply_mask(buffer[content:end], buffer[content - _MASK : content]), parts)
            else:
                self._leave_to_library(buffer[start:end], parts)
            start = end
            if self.over:
                break
        self._buffer = b"" if self.over else buffer[start:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def _between_messages(self) -> bool:
        return self._library is None or self._library.current_size is None

    def _leave_to_library(self, data: bytes, parts: list[bytes]) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            assert isinstance(event, Frame)  # noqa: S101 (the handshake is done)
            if event.opcode not in _DATA:
                self.alive = True
            elif event.opcode is not Opcode.CONT and event.fin:
                self._take(event.opcode, bytes(event.data), parts)
            else:
                self._take_fragment(event, parts)
        self._writes += protocol.data_to_send()

    def _take_fragment(self, frame: Frame, parts: list[bytes]) -> None:
        if frame.opcode is not Opcode.CONT and not self._decide(frame.opcode):
            return
        if self.kind is Kind.BYTES:
            parts.append(bytes(frame.data))
            return
        if self._text is None:
            self._text = bytearray()
        self._text += frame.data
        if frame.fin:
            text, self._text = self._text, None
            self._take(Opcode.TEXT, bytes(text), parts)

    def _decide(self, opcode: Opcode) -> bool:
        """Have the first message decide what is carried; return whether another one agrees with that."""
        kind = Kind.LINES if opcode is Opcode.TEXT else Kind.BYTES
        if self.kind is None:
            self.kind = kind
        elif self.kind is not kind:
            self._fail(CloseCode.UNSUPPORTED_DATA, "Text and binary messages do not mix.")
            return False
        return True

    def _take(self, opcode: Opcode, data: bytes, parts: list[bytes]) -> None:
        """Add the data of a whole message."""
        if not self._decide(opcode):
            return
        if self.kind is Kind.BYTES:
            parts.append(data)
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "Text is in UTF-8.")
        else:
            parts.append(data if data.endswith(b"\n") or not data else data + b"\n")

    def _fail(self, code: CloseCode, reason: str) -> None:
        protocol = self._protocol
        protocol.fail(code, reason)
        self._writes += protocol.data_to_send()

    # What is sent

    def send(self, data: bytes) -> None:
        """Send data: of the kind that the client has chosen, or lines if it has chosen none."""
        if self.closing or not data:
            return
        if data.endswith(b"}\n") and data.startswith(_BYE, last := data.rfind(b"\n", 0, -1) + 1):
            self._bye = data[last:]
        if self.kind is _BYTES:
            self._writes += (_header(_BINARY, len(data)), data)
            return
        while len(data) > _MOST_TEXT and (end := data.rfind(b"\n", 0, _MOST_TEXT) + 1 or data.find(b"\n") + 1):
            self._writes += (_header(Opcode.TEXT, end), data[:end])
            data = data[end:]
        if data:
            self._writes += (_header(Opcode.TEXT, len(data)), data)

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        if not self.closing:
            self._protocol.send_ping(b"")
            self._writes += self._protocol.data_to_send()

    def close(self) -> None:
        """Say that nothing more follows, with the reason of the goodbye that was sent, if one was."""
        if self.closing:
            return
        code, reason = CloseCode.NORMAL_CLOSURE, ""
        if self._bye:
            bye = msgspec.json.decode(self._bye, type=f.ServerBye)
            code = _CLOSE_CODES.get(bye.code, CloseCode.POLICY_VIOLATION)
            reason = bye.text.encode()[:_REASON].decode(errors="ignore")
        self._protocol.send_close(code, reason)
        self._writes += self._protocol.data_to_send()

    def to_send(self) -> bytes:
        """Return the bytes for the client."""
        if not self._writes:
            return b""
        writes, self._writes = self._writes, []
        return b"".join(writes)


def _only(data: bytes, most: int) -> int:
    """Return where the content begins if data is one short binary message of a client and nothing else; otherwise 0.

    Nearly all reads from a tunnel are.
    """
    size = len(data)
    if size <= _SHORTEST or size > most or data[0] != _FIN | _BINARY or data[1] == _MASKED | _EIGHT_BYTES:
        return 0
    length, content = data[1] - _MASKED, 2 + _MASK
    if length == _TWO_BYTES:
        length, content = data[2] << 8 | data[3], 4 + _MASK
    return content if content < size == content + length else 0


def _find(buffer: bytes, start: int, most: int) -> tuple[int, int]:
    """Return where the content of a client's frame begins, and where the frame ends; 0 if its end has yet to come.

    Of a frame that is too long or not masked there is nothing to wait for: it has no content, and ends with the buffer.

    Args:
        buffer: bytes from the client.
        start: where the frame begins.
        most: bytes that its content may have.
    """
    have = len(buffer)
    if have < start + 2:
        return 0, 0
    second = buffer[start + 1]
    if not second & _MASKED:
        return 0, have
    length, head = second & 0x7F, start + 2
    if length >= _TWO_BYTES:
        head = start + (4 if length == _TWO_BYTES else 10)
        if have < head:
            return 0, 0
        length = int.from_bytes(buffer[start + 2 : head])
    if length > most:
        return 0, have
    content = head + _MASK
    end = content + length
    return content, end if end <= have else 0


def _header(opcode: int, size: int) -> bytes:
    """Return the beginning of a whole frame of the server."""
    if size < _TWO_BYTES:
        return bytes((_FIN | opcode, size))
    if size <= _LONGEST_SHORT:
        return _pack_short(_FIN | opcode, _TWO_BYTES, size)
    return _pack_long(_FIN | opcode, _EIGHT_BYTES, size)
