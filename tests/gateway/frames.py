"""Frames of WebSockets: a client's, made by hand, and the server's, as the library reads them."""

from __future__ import annotations

import struct

from websockets.frames import Frame
from websockets.protocol import CLIENT, Protocol, State

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """Return a frame of a client."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask = b"\x9a\x04\xf1\x37" if masked else b""
    size = len(data)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, bit | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    content = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)) if masked else data
    return head + mask + content


def closing(code: int, reason: bytes = b"") -> bytes:
    """Return a frame that closes."""
    return frame(CLOSE, code.to_bytes(2) + reason)


def frames_in(data: bytes) -> list[Frame]:
    """Return the frames of the server, as a client reads them."""
    client = Protocol(CLIENT, state=State.OPEN, max_size=None)
    client.receive_data(data)
    return [event for event in client.events_received() if isinstance(event, Frame)]
