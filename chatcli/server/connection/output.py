"""Buffers what is sent to a client until the tick ends, and knows when that is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcli.server.batcher import Flushable, TickBatcher
    from chatcli.server.connection.wire import Wire


class OutputBuffer:
    """Lines that are written together at the end of the tick.

    Args:
        wire: what they are written to.
        batcher: flushes the owner at the end of the tick.
        owner: the session, which calls :meth:`write` when it is flushed.
        limit: bytes in the buffer after which :meth:`try_send` adds nothing.

    Attributes:
        limit: as given.
        size: bytes in the buffer.
        full: whether the socket is full, or the connection is closed.
        closed: whether nothing more is sent.
        dropped: whether a line of :meth:`send_droppable` was dropped.
    """

    __slots__ = ("_batcher", "_lines", "_owner", "_wire", "closed", "dropped", "full", "limit", "size")

    def __init__(self, wire: Wire, batcher: TickBatcher, owner: Flushable, limit: int) -> None:
        self._wire = wire
        self._batcher = batcher
        self._owner = owner
        self.limit = limit
        self._lines: list[bytes] = []
        self.size = 0
        self.full = False
        self.closed = False
        self.dropped = False

    def send(self, line: bytes) -> None:
        """Send a line, however much is in the buffer."""
        if self.closed:
            return
        if not self._lines:
            self._batcher.enqueue(self._owner)
        self._lines.append(line)
        self.size += len(line)

    def try_send(self, line: bytes) -> bool:
        """Send a line unless too much is unsent already; return whether it will be sent."""
        if self.full or self.size > self.limit:
            return False
        # As in send(), without the call: this is the innermost of what is done for every delivery.
        if not self._lines:
            self._batcher.enqueue(self._owner)
        self._lines.append(line)
        self.size += len(line)
        return True

    def send_droppable(self, line: bytes) -> None:
        """Send a line about presence or a position unless too much is unsent already."""
        if not self.try_send(line):
            self.dropped = True

    def wake(self) -> None:
        """Have the owner flushed at the end of this tick, even if there is nothing to write."""
        if not self._lines:
            self._batcher.enqueue(self._owner)

    @property
    def overfull(self) -> bool:
        """Whether so much is unsent that the client's requests have to wait."""
        # While the socket is full, requests are answered until too many answers wait: a client that sends thousands of
        # messages before it reads the first answer would otherwise wait for itself.
        return self.size > self.limit or (self.full and self.unwritten > self.limit)

    def write(self) -> None:
        """Write everything in the buffer, in one go."""
        lines = self._lines
        if not lines:
            return
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        lines.clear()
        self.size = 0
        # A transport may be closed a moment before the session learns of it; that must not keep output from others.
        try:
            self._wire.write(data)
        except RuntimeError:
            pass
        except OSError:  # TLS below is in a state in which nothing can be sent
            self._wire.abort()

    @property
    def unwritten(self) -> int:
        """The number of written bytes that the socket has yet to take."""
        return self._wire.get_write_buffer_size()

    def stop(self) -> None:
        """Send nothing more; what is in the buffer can still be written."""
        self.closed = self.full = True

    def close(self) -> None:
        """Write everything in the buffer, and close the connection after it."""
        self.stop()
        self.write()
        try:
            self._wire.close()
        except OSError:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self._wire.abort()

    def clear(self) -> None:
        """Drop what is in the buffer."""
        self._lines.clear()
        self.size = 0
