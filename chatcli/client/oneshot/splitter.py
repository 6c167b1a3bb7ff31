"""Cuts a stream of bytes into lines, in bounded memory however long a line is."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

LONGEST: Final = 1024 * 1024  # bytes: no server takes a longer text
_FRAME: Final = 1024  # bytes of a frame that are not its text, at most
_LONGEST_ESCAPE: Final = 6  # bytes that stand for one in JSON


class Line(NamedTuple):
    """A line.

    Attributes:
        number: which of the input, counted from 1.
        text: what it says; None where a message cannot be that long.
        size: its length in bytes.
    """

    number: int
    text: str | None
    size: int


class Cutter:
    """Takes bytes as they come, and gives lines as they are wanted.

    Lines without anything to see are passed over. What is not UTF-8 is replaced. Of a line that is too long, no more is
    kept than a message may have.

    Attributes:
        replaced: something was.
    """

    def __init__(self) -> None:
        self.replaced = False
        self._text, self._frame = LONGEST, 2 * LONGEST
        self._bytes = bytearray()
        self._ended = False
        self._number = 0  # lines that were cut
        self._dropped = 0  # bytes of the next line that were not kept

    def __len__(self) -> int:
        """Return how many bytes are kept."""
        return len(self._bytes)

    def limit(self, text: int, frame: int) -> None:
        """Let no text have more bytes than this, and no frame with it."""
        self._text, self._frame = text, frame

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._bytes += data

    def end(self) -> None:
        """Note that nothing comes any more: what there is of a line is one."""
        self._ended = True

    def take(self) -> Line | None:
        """Return the next line; None where more must come first."""
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
        """Return a line, given what was kept of it; None where there is nothing to see."""
        self._number += 1
        raw = raw.removesuffix(b"\r")
        size, self._dropped = len(raw) + self._dropped, 0
        if size > len(raw) or (size > self._text and not raw.isspace()):
            return Line(self._number, None, size)
        text = self._decoded(raw)
        if not text or text.isspace():
            return None
        return Line(self._number, text if self._fits(text) else None, size)

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.replaced = True
            return raw.decode(errors="replace")

    def _fits(self, text: str) -> bool:
        frame = self._frame - _FRAME
        if len(text) * _LONGEST_ESCAPE <= min(self._text, frame):
            return True
        return len(text.encode()) <= self._text and len(msgspec.json.encode(text)) <= frame
