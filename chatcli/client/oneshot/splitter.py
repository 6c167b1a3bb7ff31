"""Splits a stream of bytes into lines, in bounded memory however long a line is."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

LONGEST: Final = 1024 * 1024  # bytes: no server accepts a longer text
_FRAME: Final = 1024  # bytes of a frame beside its text, at most
_LONGEST_ESCAPE: Final = 6  # bytes of JSON for one byte of text


class Line(NamedTuple):
    """A line.

    Attributes:
        number: its number in the input, from 1.
        text: its text; None if it is too long for a message.
        size: its length in bytes.
    """

    number: int
    text: str | None
    size: int


class LineSplitter:
    """Accepts bytes as they come, and returns lines on demand.

    Blank lines are skipped. Bytes that are not UTF-8 are replaced. Of a line that is too long no more is kept than a
    message may have.

    Attributes:
        has_replaced: whether bytes were replaced.
    """

    def __init__(self) -> None:
        self.has_replaced = False
        self._text, self._frame = LONGEST, 2 * LONGEST
        self._bytes = bytearray()
        self._ended = False
        self._number = 0  # lines that were split off
        self._dropped = 0  # bytes of the next line that were not kept

    def __len__(self) -> int:
        """Return the number of bytes that are kept."""
        return len(self._bytes)

    def set_limits(self, text: int, frame: int) -> None:
        """Set the largest text, and the largest frame with it, in bytes."""
        self._text, self._frame = text, frame

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._bytes += data

    def end(self) -> None:
        """End the input: an incomplete line counts as one."""
        self._ended = True

    def next_line(self) -> Line | None:
        """Return the next line; None if more bytes must come first."""
        while self._bytes or (self._ended and self._dropped):
            newline = self._bytes.find(b"\n")
            if newline < 0 and not self._ended:
                if self._dropped or len(self._bytes) > self._text + 1:  # one more may be the first half of CR LF
                    self._dropped += len(self._bytes)
                    self._bytes.clear()
                return None
            end = newline if newline >= 0 else len(self._bytes)
            raw = bytes(self._bytes[:end])
            del self._bytes[: end + 1]
            if (line := self._line(raw)) is not None:
                return line
        return None

    def _line(self, raw: bytes) -> Line | None:
        """Return a line, given the bytes that were kept of it; None if it is blank."""
        self._number += 1
        raw = raw.removesuffix(b"\r")
        size, self._dropped = len(raw) + self._dropped, 0
        if size > len(raw) or (size > self._text and not raw.isspace()):
            return Line(self._number, None, size)
        text = self._decode(raw)
        if not text or text.isspace():
            return None
        return Line(self._number, text if self._fits(text) else None, size)

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.has_replaced = True
            return raw.decode(errors="replace")

    def _fits(self, text: str) -> bool:
        frame = self._frame - _FRAME
        if len(text) * _LONGEST_ESCAPE <= min(self._text, frame):
            return True
        return len(text.encode()) <= self._text and len(msgspec.json.encode(text)) <= frame
