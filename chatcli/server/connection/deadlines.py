"""Counts the seconds until a connection is closed because its client does nothing."""

from __future__ import annotations


class Deadlines:
    """Seconds of one connection, counted in ticks: while the process stands still, no deadline comes closer.

    Args:
        age: seconds since the connection was opened.

    Attributes:
        elapsed: before the welcome, seconds since the connection was opened; after a goodbye, seconds since that; in
            between, seconds without a byte from the client, or from a stalled client without a byte that it has taken.
        bad_frames: bad lines, of which one is forgiven in a while.
        received: whether bytes have come since the last tick.
    """

    __slots__ = ("_unwritten", "bad_frames", "elapsed", "received")

    def __init__(self, age: float = 0.0) -> None:
        self._unwritten = 0
        self.elapsed = age
        self.bad_frames = 0.0
        self.received = False

    def tick(self, seconds: float, forgiveness: float, *, alive: bool) -> None:
        """Count a tick.

        Args:
            seconds: its length.
            forgiveness: seconds after which one bad line is forgiven.
            alive: whether bytes from the client, or a reason why it cannot send any, begin the count anew.
        """
        self.elapsed = 0.0 if alive else self.elapsed + seconds
        self.received = False
        if self.bad_frames:
            self.bad_frames = max(0.0, self.bad_frames - seconds / forgiveness)

    def record_progress(self, unwritten: int) -> None:
        """Record the bytes that a full socket has yet to take. A client that takes any is not stalled, however slow."""
        if unwritten < self._unwritten:
            self.elapsed = 0.0
        self._unwritten = unwritten
