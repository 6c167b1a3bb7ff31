"""Frames as Server-Sent Events (WHATWG HTML, section 9.2) or as lines of JSON, made once for all who get the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from chatcli.protocol import frames as f
from chatcli.protocol.codec import server_frames
from chatcli.protocol.records import json_line, of_change, of_delivery

_MOST_KEPT: Final = 4 * 1024 * 1024  # bytes of lines, and of what was made of them
_MOST_EACH: Final = 1024 * 1024  # the same of one piece
_RETRY: Final = 3000  # milliseconds after which a reader of events connects again


class Style(Protocol):
    """A format of streams.

    Attributes:
        content_type: its media type.
        has_farewell: whether a reader is told why a stream ends. Where it is not, a stream that is ended has no end.
        idle: what is sent so that nobody on the way takes the connection for dead.
    """

    content_type: str
    has_farewell: bool
    idle: bytes

    def opening(self, seq: int) -> bytes:
        """Return the beginning of a stream after a message."""

    def record(self, name: str, seq: int, line: str) -> bytes:
        """Return a record, which is one line of JSON, of a kind."""

    def position(self, seq: int) -> bytes:
        """Return the news that there is nothing more up to a place."""

    def remark(self, name: str, code: str, text: str) -> bytes:
        """Return a remark, which has no place in the log."""


class Events:
    """Server-Sent Events.

    Args:
        epoch: that of the log. A restored log gives out its numbers once more, so a number alone identifies nothing.
    """

    content_type = "text/event-stream"
    has_farewell = True
    idle = b":\n\n"

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch

    def opening(self, seq: int) -> bytes:
        """Return the time after which a reader comes back, and the place from which it goes on."""
        return b"retry: %d\n%b" % (_RETRY, self.position(seq))

    def record(self, name: str, seq: int, line: str) -> bytes:
        """Return an event. There is no line end in JSON on one line."""
        return f"id: {seq}-{self._epoch}\nevent: {name}\ndata: {line}\n\n".encode()

    def position(self, seq: int) -> bytes:
        """Return an id without data: a reader remembers it, and is told of no event."""
        return f"id: {seq}-{self._epoch}\n\n".encode()

    def remark(self, name: str, code: str, text: str) -> bytes:
        """Return an event without an id: where a reader goes on does not change."""
        return f"event: {name}\ndata: {json_line({'code': code, 'text': text})}\n\n".encode()


class Lines:
    """Lines of JSON, as ``chatcli listen --json`` prints them."""

    content_type = "application/x-ndjson"
    has_farewell = False
    idle = b"\n"

    def opening(self, seq: int) -> bytes:  # noqa: ARG002 (each line has its own)
        """Return nothing."""
        return b""

    def record(self, name: str, seq: int, line: str) -> bytes:  # noqa: ARG002 (as above)
        """Return a line."""
        return f"{line}\n".encode()

    def position(self, seq: int) -> bytes:  # noqa: ARG002 (as above)
        """Return nothing."""
        return b""

    def remark(self, name: str, code: str, text: str) -> bytes:  # noqa: ARG002 (as above)
        """Return nothing: each line is a record."""
        return b""


class Rendering(NamedTuple):
    """Lines of the server in a format.

    Attributes:
        data: the bytes for readers.
        speakers: those who have said something to others in it.
        live: whether it reaches the head of the log.
        farewell: the end of the session, if it is in it.
    """

    data: bytes
    speakers: frozenset[str] = frozenset()
    live: bool = False
    farewell: f.ServerBye | None = None


class Renderer:
    """Makes streams of the server's lines, and keeps what it has made last.

    Everybody who is told the same gets the same bytes, which cost a hundred times as much to make as to send.

    Args:
        style: the format.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self._kept: dict[bytes | tuple[bytes, str], Rendering] = {}  # the oldest first
        self._size = 0

    def render(self, lines: bytes, hidden: str = "") -> Rendering:
        """Return lines of the server in the format.

        Args:
            lines: whole lines.
            hidden: somebody whose messages to others are left out; empty for nobody.
        """
        rendering = self._kept.get(lines)
        if rendering is None:
            rendering = self._keep(lines, self._make(lines, ""))
        if hidden not in rendering.speakers:
            return rendering
        key = lines, hidden
        without = self._kept.get(key)
        return self._keep(key, self._make(lines, hidden)) if without is None else without

    def _make(self, lines: bytes, hidden: str) -> Rendering:
        frames: Sequence[f.ServerFrame] = server_frames().decode_lines(lines)
        style = self.style
        parts: list[bytes] = []
        speakers: set[str] = set()
        live, farewell = False, None
        for frame in frames:
            match frame:
                case f.Message():
                    if frame.sender != frame.to:
                        speakers.add(frame.sender)
                        if frame.sender == hidden:
                            continue
                    parts.append(style.record("message", frame.seq, json_line(of_delivery(frame, replayed=False))))
                case f.NameChange():
                    parts.append(style.record("name-change", frame.seq, json_line(of_change(frame))))
                case f.Live():
                    parts.append(style.position(frame.seq))
                    live = True
                case f.Error():
                    parts.append(style.remark("notice", frame.code, frame.text))
                case f.ServerBye():
                    parts.append(style.remark("bye", frame.code, frame.text))
                    farewell = frame
                case _:
                    pass
        return Rendering(b"".join(parts), frozenset(speakers), live, farewell)

    def _keep(self, key: bytes | tuple[bytes, str], rendering: Rendering) -> Rendering:
        size = _size(key, rendering)
        if size <= _MOST_EACH:
            self._kept[key] = rendering
            self._size += size
            while self._size > _MOST_KEPT:
                oldest = next(iter(self._kept))
                self._size -= _size(oldest, self._kept.pop(oldest))
        return rendering


class Renderers:
    """The renderers of a server, one of each format, made when its first reader comes."""

    def __init__(self) -> None:
        self._made: dict[bool, Renderer] = {}

    def of(self, epoch: str, *, events: bool) -> Renderer:
        """Return the renderer of a format.

        Args:
            epoch: that of the log.
            events: whether it is for events, and not for lines.
        """
        renderer = self._made.get(events)
        if renderer is None:
            renderer = self._made[events] = Renderer(Events(epoch) if events else Lines())
        return renderer


def _size(key: bytes | tuple[bytes, str], rendering: Rendering) -> int:
    return len(key if isinstance(key, bytes) else key[0]) + len(rendering.data)
