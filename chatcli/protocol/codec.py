"""Turns bytes into frames and frames into bytes: one JSON object in UTF-8 a line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from chatcli.protocol import codes
from chatcli.protocol.frames import MAX_FRAME, ClientFrame, ServerFrame

Frame = TypeVar("Frame")

# RecursionError: msgspec's answer to a line of nothing but opening brackets.
_OPEN: Final = ord("{")
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BadFrame(NamedTuple):
    """A line that is no frame: what the offender is told."""

    code: str
    text: str


class _Tagged(msgspec.Struct):
    t: object = None


_tag_decoder: Final = msgspec.json.Decoder(_Tagged)
_encoder: Final = msgspec.json.Encoder()
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines


def encode(frame: ClientFrame | ServerFrame) -> bytes:
    """Return the frame as one line, its newline included."""
    return _encode(frame) + b"\n"


def encode_all(frames: Sequence[ClientFrame | ServerFrame]) -> bytes:
    """Return frames as lines, one behind the other."""
    return _encode_lines(frames)


class FrameReader(Generic[Frame]):
    """Cuts a stream of bytes into frames of one direction.

    A line that cannot be read comes out as a :class:`BadFrame` in its place; the lines around it are not harmed.
    Whatever arrives, no more than one line of ``limit`` bytes is ever kept.

    Args:
        decoder: reads the union of frames that may come from the other side.
        limit: the longest line, in bytes, its newline included.
        patience: after so many bad lines in one read the rest of it is not looked at.

    Attributes:
        blank: blank lines that were passed over; whoever counts them sets it back.
    """

    __slots__ = ("_decoder", "_limit", "_partial", "_patience", "_skipping", "blank")

    def __init__(
        self, decoder: msgspec.json.Decoder[Frame], limit: int = MAX_FRAME, patience: int = sys.maxsize
    ) -> None:
        self._decoder = decoder
        self._limit = limit
        self._patience = patience
        self._partial: bytearray | None = None  # the line that was begun
        self._skipping = False  # in the middle of a line that was too long, and told so
        self.blank = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Take what arrived and return the frames that it completes, in order."""
        end = data.rfind(b"\n") + 1
        if not end:
            return self._keep(data)
        if self._skipping or self._partial is not None:
            return self._finish_line(data, end)
        lines = data[:end] if end != len(data) else data
        frames = self._decode_lines(lines)
        if end != len(data):
            frames += self._keep(data[end:])
        return frames

    def _keep(self, rest: bytes) -> list[Frame | BadFrame]:
        if self._skipping:
            return []
        if self._partial is None:
            self._partial = bytearray()
        self._partial += rest
        if len(self._partial) < self._limit:
            return []
        self._partial = None
        self._skipping = True
        return [self._too_long()]

    def _finish_line(self, data: bytes, end: int) -> list[Frame | BadFrame]:
        """Complete the line that was begun, then go on with the rest as usual."""
        first = data.find(b"\n", 0, end) + 1
        if self._partial is None:
            self._skipping = False
            frames: list[Frame | BadFrame] = []
        else:
            line = bytes(self._partial + data[:first])
            self._partial = None
            frames = self._decode_lines(line)
        if first < len(data):
            frames += self.feed(data[first:])
        return frames

    def _decode_lines(self, lines: bytes) -> list[Frame | BadFrame]:
        # One call for the whole read is a quarter faster than a call a line, but it only tells that something is wrong,
        # and it takes any white space for what separates frames. There is one frame a line if there are as many as
        # lines, and each line begins with a brace and ends with one: between two of these inside a frame there would
        # be a comma. Whenever that does not hold, look at each line.
        if len(lines) <= self._limit and lines[0] == _OPEN:
            try:
                frames: list[Frame | BadFrame] = list(self._decoder.decode_lines(lines))
            except _UNDECODABLE:
                pass
            else:
                if len(frames) == lines.count(b"\n") == lines.count(b"}\n{") + 1:
                    return frames
        return self._decode_each(lines)

    def _decode_each(self, lines: bytes) -> list[Frame | BadFrame]:
        frames: list[Frame | BadFrame] = []
        bad = 0
        if len(lines) <= self._limit and lines.isspace():
            self.blank += lines.count(b"\n")
            return frames
        pieces = lines.split(b"\n")
        pieces.pop()
        written = list(filter(None, pieces))  # a flood of line feeds passes by without a step of ours for each
        self.blank += len(pieces) - len(written)
        for line in written:
            if len(line) < self._limit and line.isspace():
                self.blank += 1
                continue
            frame = self._decode(line)
            frames.append(frame)
            if isinstance(frame, BadFrame):
                bad += 1
                if bad >= self._patience:
                    break
        return frames

    def _decode(self, line: bytes) -> Frame | BadFrame:
        if len(line) >= self._limit:
            return self._too_long()
        try:
            return self._decoder.decode(line)
        except _UNDECODABLE as error:
            return _explain(line, error)

    def _too_long(self) -> BadFrame:
        return BadFrame(codes.FRAME_TOO_LONG, f"A frame may be {self._limit} bytes long; this one is longer.")


def _explain(line: bytes, error: Exception) -> BadFrame:
    """Tell a line that is not JSON from one that is no frame and one whose fields are wrong."""
    if not isinstance(error, msgspec.ValidationError):
        return BadFrame(codes.MALFORMED, "That line is not a JSON object in UTF-8.")
    try:
        tag = _tag_decoder.decode(line).t
    except _UNDECODABLE:
        return BadFrame(codes.MALFORMED, "That line is not a JSON object in UTF-8.")
    if not isinstance(tag, str):
        return BadFrame(codes.UNKNOWN_TAG, 'A frame is tagged by a string, as in {"t":"ping"}.')
    if "`$.t`" in str(error):
        return BadFrame(codes.UNKNOWN_TAG, f"There is no frame {tag[:40]!r} in this direction.")
    return BadFrame(codes.INVALID, f"The frame {tag[:40]!r} does not hold: {str(error)[:200]}.")


# Made when they are first asked for: that takes a millisecond or two, and each end of a connection reads only one.


@functools.cache
def client_frames() -> msgspec.json.Decoder[ClientFrame]:
    """Return what reads the frames of a client."""
    return msgspec.json.Decoder(ClientFrame)


@functools.cache
def server_frames() -> msgspec.json.Decoder[ServerFrame]:
    """Return what reads the frames of the server."""
    return msgspec.json.Decoder(ServerFrame)
