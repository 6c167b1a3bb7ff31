"""Turns bytes into frames and frames into bytes: one JSON object in UTF-8 a line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar, get_args

import msgspec

from chatcli.protocol import codes
from chatcli.protocol.frames import MAX_FRAME, ClientFrame, ServerFrame

Frame = TypeVar("Frame")

# RecursionError: msgspec's answer to a line of nothing but opening brackets.
_OPEN: Final = ord("{")
_MALFORMED: Final = "That line is not a JSON object in UTF-8."
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BadFrame(NamedTuple):
    """A line that is not a frame: the code and the sentence for its sender, and the id or number in it if readable."""

    code: str
    text: str
    id: str | None = None
    n: int | None = None


_encoder: Final = msgspec.json.Encoder()
_encode, _encode_lines = _encoder.encode, _encoder.encode_lines


def encode(frame: ClientFrame | ServerFrame) -> bytes:
    """Return the frame as one line, its newline included."""
    return _encode(frame) + b"\n"


def raw(part: msgspec.Struct) -> msgspec.Raw:
    """Return an encoded part of a frame, so that a long frame can be encoded in pieces."""
    return msgspec.Raw(_encode(part))


def encode_all(frames: Sequence[ClientFrame | ServerFrame]) -> bytes:
    """Return the frames as lines, newlines included."""
    return _encode_lines(frames)


class FrameReader(Generic[Frame]):
    """Splits a stream of bytes into the frames of one direction.

    An unreadable line becomes a :class:`BadFrame` in its place, and its neighbours are unharmed. At most one line of
    ``limit`` bytes is buffered.

    Args:
        decoder: decodes the union of frames that the other side may send.
        limit: the longest line, in bytes, its newline included.
        patience: stop decoding a chunk after this many bad lines.

    Attributes:
        blank: blank lines skipped since the reader of this attribute last reset it.
    """

    __slots__ = ("_decoder", "_limit", "_partial", "_patience", "_skipping", "blank")

    def __init__(
        self, decoder: msgspec.json.Decoder[Frame], limit: int = MAX_FRAME, patience: int = sys.maxsize
    ) -> None:
        self._decoder = decoder
        self._limit = limit
        self._patience = patience
        self._partial: bytearray | None = None  # an incomplete line
        self._skipping = False  # inside a line that was too long and has been reported
        self.blank = 0

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Return the frames that a chunk of bytes completes, in order."""
        end = data.rfind(b"\n") + 1
        if not end:
            return self._buffer(data)
        if self._skipping or self._partial is not None:
            return self._finish_line(data, end)
        lines = data[:end] if end != len(data) else data
        frames = self._decode_lines(lines)
        if end != len(data):
            frames += self._buffer(data[end:])
        return frames

    def _buffer(self, rest: bytes) -> list[Frame | BadFrame]:
        if self._skipping:
            return []
        if self._partial is None:
            self._partial = bytearray()
        self._partial += rest
        if len(self._partial) < self._limit:
            return []
        begun = bytes(self._partial)
        self._partial = None
        self._skipping = True
        return [self._too_long(begun)]

    def _finish_line(self, data: bytes, end: int) -> list[Frame | BadFrame]:
        """Complete the buffered line, then decode the rest as usual."""
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
        # One call for a chunk is a quarter faster than a call per line, but it reports only that something is wrong,
        # and accepts any white space between frames. There is one frame per line if there are as many frames as lines
        # and each line begins and ends with a brace: inside a frame a comma would come between two braces. Whenever
        # that does not hold, decode line by line.
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
        written = list(filter(None, pieces))  # a flood of line feeds costs no Python step for each
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
            return self._too_long(line)
        try:
            return self._decoder.decode(line)
        except msgspec.ValidationError as error:
            return self._decode_without_nulls(line, error)
        except _UNDECODABLE:
            return _bad(line, codes.MALFORMED, _MALFORMED)

    def _decode_without_nulls(self, line: bytes, error: msgspec.ValidationError) -> Frame | BadFrame:
        """Take a field that is null for one that is left out."""
        try:
            fields = msgspec.json.decode(line) if b"null" in line else None
            if isinstance(fields, dict) and None in fields.values():
                kept = {name: value for name, value in fields.items() if value is not None}
                return self._decoder.decode(msgspec.json.encode(kept))
        except msgspec.ValidationError as other:
            error = other
        except _UNDECODABLE:
            return _bad(line, codes.MALFORMED, _MALFORMED)
        return _explain(line, error)

    def _too_long(self, line: bytes) -> BadFrame:
        text = f"A frame may be {self._limit} bytes long; this one is longer."
        return _bad(line[: self._limit], codes.FRAME_TOO_LONG, text, cut=True)


def _explain(line: bytes, error: msgspec.ValidationError) -> BadFrame:
    """Return the error for a line that msgspec does not accept: not a frame, or a frame with wrong fields."""
    from chatcli.protocol.labels import label_of  # noqa: PLC0415 (only bad lines pay for it)

    if not line.lstrip().startswith(b"{"):
        return _bad(line, codes.MALFORMED, _MALFORMED)
    tag = label_of(line).tag
    if tag is None:
        return _bad(line, codes.UNKNOWN_TAG, 'A frame is tagged by a string, as in {"t":"ping"}.')
    if "`$.t`" in str(error):
        if tag in _tags() and line.count(b'"t"') > 1:
            return _bad(line, codes.UNKNOWN_TAG, "A frame has one tag; this one has several.")
        return _bad(line, codes.UNKNOWN_TAG, f"There is no frame {tag[:40]!r} in this direction.")
    return _bad(line, codes.INVALID, f"The frame {tag[:40]!r} is invalid: {str(error)[:200]}.")


def _bad(line: bytes, code: str, text: str, *, cut: bool = False) -> BadFrame:
    """Return the error for a line, with the id or number found in it."""
    from chatcli.protocol.labels import label_of  # noqa: PLC0415 (as above)

    _, identity, number = label_of(line, cut=cut)
    return BadFrame(code, text, identity, number)


@functools.cache
def _tags() -> frozenset[object]:
    return frozenset(frame.__struct_config__.tag for frame in get_args(ClientFrame))


# Built on first use: that takes a millisecond or two, and each end of a connection needs only one.


@functools.cache
def client_frames() -> msgspec.json.Decoder[ClientFrame]:
    """Return the decoder of a client's frames."""
    return msgspec.json.Decoder(ClientFrame)


@functools.cache
def server_frames() -> msgspec.json.Decoder[ServerFrame]:
    """Return the decoder of the server's frames."""
    return msgspec.json.Decoder(ServerFrame)
