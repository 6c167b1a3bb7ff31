"""A WebSocket as a layer: a byte stream for what is above it, in messages for what is below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.gateway.websocket import Kind, WebSocket
from chatcli.server.security.prices import WASTE

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Receiver, Wire
    from chatcli.server.throttle import Later

_PING: Final = 30.0  # seconds between pings to a client that says lines: a web page cannot send any itself
_LONG: Final = 256  # bytes of data for each frame, beyond which the work is that of the data
_LINGER: Final = 1.0  # seconds for the client to close, too: what it has sent meanwhile would cost it our last words
_MOST_DROPPED: Final = 1024 * 1024  # bytes that it may send meanwhile


class WebSocketLayer:
    """A WebSocket on one connection: a :class:`~chatcli.server.connection.wire.Layer`.

    A frame may carry a single byte, or none, and costs work all the same. A client pays for such frames, and a tick
    of the loop ends after some of them.

    Args:
        below: what carries it.
        socket: its state.
        later: calls a function after a number of seconds.
        above: what gets the data.
        charge: called with a number of bytes that carried nothing, for the client to pay.

    Attributes:
        above: as given, or what has followed it.
    """

    __slots__ = (
        "_at_eof", "_below", "_charge", "_closing", "_dropped", "_ended", "_later", "_paused", "_scheduled",
        "_since_ping", "_socket", "_unread", "above",
    )  # fmt: skip

    def __init__(
        self,
        below: Wire,
        socket: WebSocket,
        later: Later,
        *,
        above: Receiver,
        charge: Callable[[int], None],
    ) -> None:
        self._below = below
        self._socket: WebSocket | None = socket  # None once the connection is closed
        self._later = later
        self.above = above
        self._charge = charge
        self._unread = b""  # came during a pause
        self._paused = False
        self._scheduled = False  # to go on with frames that have come
        self._at_eof = False
        self._ended = False  # what is above knows that nothing more comes
        self._closing = False  # what is above has said its last word
        self._dropped = 0  # bytes that came afterwards
        self._since_ping = 0.0

    @property
    def carries_lines(self) -> bool:
        """Whether the client has chosen to say lines of text."""
        return self._socket is not None and self._socket.kind is Kind.LINES

    # What comes from below

    def received(self, data: bytes) -> None:
        """Pass on the data in bytes from the client."""
        if self._socket is None:
            return
        if self._paused or self._scheduled:
            self._unread += data
        else:
            self._read(self._socket, data)

    def finished(self) -> None:
        """Pass on the end of input."""
        self._at_eof = True
        if self._closing:
            self._hang_up()
        elif not self._scheduled and not self._paused:
            self._end()

    def lost(self) -> None:
        """Pass on that the connection is gone."""
        self._socket = None
        self._unread = b""
        self.above.lost()

    def _read(self, socket: WebSocket, data: bytes) -> None:
        """Pass on what some frames carry; others follow in a later tick."""
        socket.frames = 0
        content = socket.receive(data)
        alive, socket.alive = socket.alive, False
        self._flush()
        if self._closing or self._ended:
            self._drop(socket, len(data))
            return
        if content or (alive and socket.kind is Kind.LINES):
            self.above.received(content)
        if socket.over:
            self._end()
        else:
            self._pay(socket, len(data), len(content))

    def _end(self) -> None:
        """Pass on, once, that nothing more comes; what is above answers what is open, and closes."""
        if not self._ended and not self._closing and self._socket is not None:
            self._ended = True
            self.above.finished()

    def _pay(self, socket: WebSocket, size: int, carried: int) -> None:
        """Have the client pay for frames, and reads, that carried little, and serve others before the next frames."""
        frames = socket.frames or int(size < _LONG)
        if carried < frames * _LONG:
            self._charge((frames - carried // _LONG) * WASTE)
        self._go_on(socket)

    def _go_on(self, socket: WebSocket) -> None:
        if socket.behind and self._socket is not None:
            self._below.pause_reading()
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(0, self._resume)

    def _resume(self) -> None:
        self._scheduled = False
        socket = self._socket
        if socket is None or self._paused:
            return
        unread, self._unread = self._unread, b""
        self._read(socket, unread)
        if self._scheduled or self._paused or self._socket is None:
            return
        self._below.resume_reading()
        if self._at_eof:
            self._end()

    def tick(self, seconds: float) -> None:
        """Ask a client that says lines for a sign of life when it is time; called regularly."""
        self._since_ping += seconds
        if self._since_ping >= _PING and self.carries_lines and self._socket is not None:
            self._since_ping = 0.0
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
        if self._socket is None:
            return
        if self._unread or self._at_eof or self._socket.behind:
            # Later: the caller of this is in the middle of something else.
            self._schedule()
        elif not self._scheduled:
            self._below.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the socket has yet to take."""
        return self._below.get_write_buffer_size()

    # How it ends

    def close(self) -> None:
        """Close once everything written has been sent, and the client has closed, too."""
        socket = self._socket
        if socket is None or self._closing:
            return
        socket.close()
        self._flush()
        self._closing = True
        if self._at_eof or socket.confirmed:
            self._hang_up()
            return
        self._later(_LINGER, self._hang_up)
        self.resume_reading()

    def _drop(self, socket: WebSocket, size: int) -> None:
        """Drop what the client sends after its last word, or after ours; close once it has closed, too."""
        self._dropped += size
        if (self._closing and socket.confirmed) or self._dropped > _MOST_DROPPED:
            self._hang_up()
        else:
            self._go_on(socket)

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket = None
            self._unread = b""
            self._below.close()

    def abort(self) -> None:
        """Close now."""
        self._socket = None
        self._below.abort()
