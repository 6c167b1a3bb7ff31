"""A connection between a simulated device and a simulated server: the real session, over a wire in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chatcli.protocol.codec import BadFrame, FrameReader, encode_all, server_frames
from chatcli.protocol.values.address import Address
from chatcli.server.connection.lines import Lines
from chatcli.server.connection.opening import Opening
from chatcli.server.connection.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatcli.protocol.frames import ClientFrame, ServerFrame
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from tests.simulation.loop import Loop


class _Pipe:
    """The wire: what the server writes waits for the device, what the device writes is passed on at once or held.

    Args:
        connection: the connection that it belongs to.
        loop: the server's loop.
    """

    def __init__(self, connection: Connection, loop: Loop) -> None:
        self._connection = connection
        self._loop = loop
        self._paused = False
        self._held = b""
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        """Add to what waits for the device."""
        if not self.closed:
            self.written += data

    def pause_reading(self) -> None:
        """Hold what the device writes."""
        self._paused = True

    def resume_reading(self) -> None:
        """Pass on what was held, and what comes from now on."""
        self._paused = False
        self._loop.call_soon(self._pass_on)

    def get_write_buffer_size(self) -> int:
        """Return 0: the device reads everything."""
        return 0

    def close(self) -> None:
        """Close; the device still gets what was written."""
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._connection.lose)

    def abort(self) -> None:
        """Close, and drop what the device has yet to get."""
        self.written = b""
        self.close()

    def receive(self, data: bytes) -> None:
        """Pass on what the device writes."""
        self._held += data
        self._pass_on()

    def _pass_on(self) -> None:
        if self._held and not self._paused and not self.closed:
            data, self._held = self._held, b""
            self._connection.received(data)


class Connection:
    """Carries frames between one device and one session; the server sees it as an open connection.

    Args:
        hub: the server's hub.
        handlers: the handler of each frame.
        loop: the server's loop.
        host: the address of the device.

    Attributes:
        session: the server's end.
    """

    speaks = "lines"

    def __init__(self, hub: Hub, handlers: Mapping[type, Handler], loop: Loop, host: str) -> None:
        self._hub = hub
        self._pipe = _Pipe(self, loop)
        opening = Opening(hub, self._pipe, Address(host, 1), lambda _data: None)
        self.session = Session(hub, handlers, opening)
        self._lines = Lines(self.session, hub.limits)
        self.session.read_from(self._lines)
        self._reader = FrameReader(server_frames())
        self._lost = False
        hub.connections.add(self)

    # The device's end

    @property
    def closed(self) -> bool:
        """Whether the server has closed it, and the device has read everything."""
        return self._pipe.closed and not self._pipe.written

    def write(self, frames: Sequence[ClientFrame]) -> None:
        """Send frames to the server in one piece."""
        self._pipe.receive(encode_all(frames))

    def read(self) -> list[ServerFrame]:
        """Return the frames that have come from the server since the last call."""
        data, self._pipe.written = self._pipe.written, b""
        frames = self._reader.feed(data) if data else []
        return [_checked(frame) for frame in frames]

    def hang_up(self) -> None:
        """Close the connection from the device's side; what is under way is lost."""
        self._pipe.abort()

    # The server's end

    def received(self, data: bytes) -> None:
        """Pass on bytes from the device."""
        self._lines.received(data)

    def lose(self) -> None:
        """Pass on that the connection is gone."""
        if not self._lost:
            self._lost = True
            self._hub.connections.discard(self)
            self._lines.lost()

    def tick(self, seconds: float) -> None:
        """Check the deadlines."""
        self.session.tick(seconds)

    def stop_reading(self) -> None:
        """Process nothing more from the device."""
        self.session.stop_reading()

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""
        self.session.close(code, text)

    def abort(self) -> None:
        """Close at once."""
        self.session.abort()


def _checked(frame: ServerFrame | BadFrame) -> ServerFrame:
    assert not isinstance(frame, BadFrame), frame
    return frame
