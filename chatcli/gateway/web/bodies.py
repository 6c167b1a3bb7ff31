"""Bodies of requests, of a known length or in chunks (RFC 9112, sections 6 and 7), read portion by portion."""

from __future__ import annotations

import enum
import re
from typing import Final, Protocol

_PIECES: Final = 64  # chunks and lines that are read at once: each may carry a single byte
_LONGEST_LINE: Final = 4 * 1024  # bytes of the line before a chunk, or of one of the lines after the last chunk
_MOST_TRAILERS: Final = 8 * 1024  # bytes of all lines after the last chunk
# Sizes of sixteen and more digits overflow what others count with.
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n")
_END: Final = b"\r\n"


class BadBody(Exception):
    """A body that is not what it says."""


class BodyReader(Protocol):
    """Reads one body."""

    @property
    def left(self) -> int | None:
        """Bytes that have yet to be read; None if nobody knows."""

    @property
    def ended(self) -> bool:
        """Whether the body is complete."""

    @property
    def busy(self) -> bool:
        """Whether the last portion was not all that there is."""

    def read(self, raw: bytearray) -> bytes:
        """Return the next portion of the body, which is removed from what has come.

        Raises:
            BadBody: the bytes are not a body of this kind.
        """


class SizedBody:
    """Reads a body of a known length.

    Args:
        left: its length.

    Attributes:
        left: bytes that have yet to be read.
    """

    busy = False

    def __init__(self, left: int) -> None:
        self.left = left

    @property
    def ended(self) -> bool:
        """Whether the body is complete."""
        return not self.left

    def read(self, raw: bytearray) -> bytes:
        """Return the part of the body that is there, which is removed from what has come."""
        data = bytes(raw[: self.left])
        del raw[: self.left]
        self.left -= len(data)
        return data


class _Expected(enum.Enum):
    """The line that is expected next."""

    SIZE = "the size of a chunk"
    FOOTER = "the end of a chunk"
    TRAILER = "a line after the last chunk"
    NOTHING = "none"


class ChunkedBody:
    """Reads a body in chunks.

    Attributes:
        busy: whether the last portion was not all that there is.
    """

    left = None

    def __init__(self) -> None:
        self._expected = _Expected.SIZE
        self._chunk = 0  # bytes of the present chunk that have yet to be read
        self._trailers = 0  # bytes after the last chunk
        self.busy = False

    @property
    def ended(self) -> bool:
        """Whether the body is complete."""
        return self._expected is _Expected.NOTHING

    def read(self, raw: bytearray) -> bytes:
        """Return the next portion of the body, which is removed from what has come.

        Raises:
            BadBody: the bytes are not a body of this kind.
        """
        parts: list[bytes] = []
        self.busy = False
        for _ in range(_PIECES):
            if self._chunk and raw:
                parts.append(bytes(raw[: self._chunk]))
                del raw[: self._chunk]
                self._chunk -= len(parts[-1])
            elif self._chunk or not self._read_line(raw):
                break
        else:
            self.busy = bool(raw) and not self.ended
        return b"".join(parts)

    def _read_line(self, raw: bytearray) -> bool:
        """Process a line; return whether there was one that was expected."""
        if self.ended:
            return False
        size = raw.find(b"\n", 0, _LONGEST_LINE) + 1
        if not size:
            if len(raw) >= _LONGEST_LINE:
                raise BadBody
            return False
        line = bytes(raw[:size])
        del raw[:size]
        match self._expected:
            case _Expected.SIZE:
                self._start_chunk(line)
            case _Expected.FOOTER if line == _END:
                self._expected = _Expected.SIZE
            case _Expected.FOOTER:
                raise BadBody
            case _:
                self._trailers += size
                if line == _END:
                    self._expected = _Expected.NOTHING
                elif self._trailers > _MOST_TRAILERS or not _TRAILER.fullmatch(line):
                    raise BadBody
        return True

    def _start_chunk(self, line: bytes) -> None:
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise BadBody
        self._chunk = int(found[1], 16)
        self._expected = _Expected.FOOTER if self._chunk else _Expected.TRAILER
