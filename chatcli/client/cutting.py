"""Cuts a stream of bytes into texts that can be sent: a line each, and a line that is too long in parts."""

from __future__ import annotations

from typing import Final

import msgspec

from chatcli.protocol.frames import MAX_FRAME, MAX_TEXT

_FRAME: Final = 1024  # bytes of a frame that are not its text, at most
_LONGEST_ESCAPE: Final = 6  # bytes that stand for one in JSON
_NEAR: Final = 8  # a space in the last eighth of a part ends it


class Cutter:
    """Takes bytes as they come, and gives texts as they are wanted; in between it keeps no more than it was given.

    Lines without anything to see are passed over. What is not UTF-8 is replaced.

    Attributes:
        replaced: something was.
    """

    def __init__(self) -> None:
        self.replaced = False
        self._text, self._frame = MAX_TEXT, MAX_FRAME
        self._bytes = bytearray()
        self._ended = False

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

    def take(self) -> str | None:
        """Return the next text; None where more must come first."""
        while self._bytes:
            newline = self._bytes.find(b"\n")
            if newline < 0 and not self._ended and len(self._bytes) <= self._text:
                return None
            end = newline if newline >= 0 else len(self._bytes)
            cut = end if end <= self._text else self._boundary(self._text)
            least = self._character()  # which is said whatever its size: the server has to say that it is too long
            while not self._fits(text := self._decoded(cut)) and cut > least:
                cut = self._boundary(cut // 2)
            del self._bytes[: cut + (cut == newline)]
            if text and not text.isspace():
                return text.removesuffix("\r") if cut == end else text
        return None

    def _boundary(self, most: int) -> int:
        """Return where to cut so that a part has so many bytes at most: behind a space, or before a character.

        A part has one character at least.
        """
        if most <= (least := self._character()):
            return least
        if space := self._bytes.rfind(b" ", most - most // _NEAR, most) + 1:
            return space
        whole = most
        while whole > most - 4 and self._bytes[whole] & 0xC0 == 0x80:
            whole -= 1
        return whole if self._bytes[whole] & 0xC0 != 0x80 else most  # which is not UTF-8 anyway

    def _character(self) -> int:
        """Return how many bytes the first character has; a lead byte is followed by three others at most."""
        end = 1
        while end < min(4, len(self._bytes)) and self._bytes[end] & 0xC0 == 0x80:
            end += 1
        return end

    def _decoded(self, cut: int) -> str:
        try:
            return self._bytes[:cut].decode()
        except UnicodeDecodeError:
            self.replaced = True
            return self._bytes[:cut].decode(errors="replace")

    def _fits(self, text: str) -> bool:
        frame = self._frame - _FRAME
        if len(text) * _LONGEST_ESCAPE <= min(self._text, frame):
            return True
        return len(text.encode()) <= self._text and len(msgspec.json.encode(text)) <= frame
