"""A WebSocket as a layer: a byte stream for what is above it, in messages for what is below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.gateway.websocket import Kind, WebSocket

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Receiver, Wire
    from chatcli.server.throttle import Later

_PING: Final = 30.0  # seconds between pings to a client that says lines: a web page cannot send any itself
_LEAST: Final = 4 * 1024  # bytes that are taken apart before the work is counted
_MOST: Final = 64 * 1024  # the same where frames are long
_LONG: Final = 256  # bytes of data for each frame, beyond which the work is that of the data


class WebSocketLayer:
    """A WebSocket on one connection: a :class:`~chatcli.server.connection.wire.Layer`.

    A frame may carry a single byte, or none, and costs work all the same. A client pays for such frames, and a tick
    of the loop ends after some of them.

    Args:
        below: what carries it.
        socket: its state.
        later: calls a function after a number of seconds.
        above: what gets the data.
        charge: called with a number of frames that carried little, for the client to pay.

    Attributes:
        above: as given, or what has followed it.
    """

    __slots__ = ("_below", "_charge", "_later", "_paused", "_scheduled", "_size", "_socket", "_unread", "above")

    def __init__(
        self,
        below: Wire,
        socket: WebSocket,
        later: Later,
        *,
        above: Receiver,
        charge: Callable[[float], None],
    ) -> None:
        self._below = below
        self._socket: WebSocket | None = socket  # None once the connection is closed
        self._later = later
        self.above = above
        self._charge = charge
        self._unread = b""
        self._size = _LEAST
        self._paused = False
        self._scheduled = False
        later(_PING, self._ping)

    @property
    def carries_lines(self) -> bool:
        """Whether the client has chosen to say lines of text."""
        return self._socket is not None and self._socket.kind is Kind.LINES

    # What comes from below

    def received(self, data: bytes) -> None:
        """Pass on the data in bytes from the client."""
        if self._socket is not None:
            self._unread += data
            if not self._scheduled:
                self._read()

    def finished(self) -> None:
        """Pass on the end of input."""
        if self._socket is not None:
            self.above.finished()

    def lost(self) -> None:
        """Pass on that the connection is gone."""
        self._socket = None
        self._unread = b""
        self.above.lost()

    def _read(self) -> None:
        while self._unread and not self._paused:
            socket = self._socket
            if socket is None:
                return
            portion, self._unread = self._unread[: self._size], self._unread[self._size :]
            socket.frames = 0
            data = socket.receive(portion)
            ponged, socket.ponged = socket.ponged, False
            self._flush()
            if data or ponged:
                self.above.received(data)
            if socket.ended:
                self._end()
                return
            if self._count(socket.frames - len(data) // _LONG):
                return

    def _count(self, frames: int) -> bool:
        """Have the client pay for frames that carried little; return whether others are to be served first."""
        if frames <= 0:
            self._size = min(2 * self._size, _MOST)
            return False
        self._size = _LEAST
        self._charge(frames)
        if self._unread and self._socket is not None:
            self._below.pause_reading()
            self._schedule()
        return self._scheduled

    def _end(self) -> None:
        """Pass on that the client has closed the WebSocket, or has broken its rules; nothing reaches it any more."""
        self._unread = b""
        self.above.finished()
        self.close()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(0, self._resume)

    def _resume(self) -> None:
        self._scheduled = False
        if self._socket is not None and not self._paused:
            self._below.resume_reading()
            self._read()

    def _ping(self) -> None:
        if self._socket is not None:
            self._later(_PING, self._ping)
            if self._socket.kind is not Kind.BYTES:
                self._socket.ping()
                self._flush()

    # What is called from above

    def write(self, data: bytes) -> None:
        """Send data."""
        if self._socket is not None:
            self._socket.send(data)
            self._flush()

    def _flush(self) -> None:
        if self._socket is not None and (data := self._socket.to_send()):
            self._below.write(data)

    def pause_reading(self) -> None:
        """Stop passing on data."""
        self._paused = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Pass on data again, beginning with what came before the pause."""
        self._paused = False
        if self._unread:
            # Later: the caller of this is in the middle of something else.
            self._schedule()
        elif not self._scheduled:
            self._below.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the socket has yet to take."""
        return self._below.get_write_buffer_size()

    def close(self) -> None:
        """Close once everything written has been sent."""
        if self._socket is not None:
            self._socket.close()
            self._flush()
            self._socket = None
        self._below.close()

    def abort(self) -> None:
        """Close now."""
        self._socket = None
        self._below.abort()
