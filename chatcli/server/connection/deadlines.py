"""Measures how long a client has been silent, how long its login takes, and how long it takes to close."""

from __future__ import annotations


class Deadlines:
    """Seconds of one connection, counted in ticks: while the process stands still, no deadline comes closer.

    Attributes:
        age: seconds since the connection was opened, became ready or was closed.
        quiet: seconds without a byte from the client, or from a stalled client without a byte that it has taken.
        bad_frames: bad lines, of which one is forgiven in a while.
        heard: whether bytes have come since the last tick.
    """

    __slots__ = ("_unwritten", "age", "bad_frames", "heard", "quiet")

    def __init__(self) -> None:
        self._unwritten = 0
        self.age = 0.0
        self.quiet = 0.0
        self.bad_frames = 0.0
        self.heard = False

    def tick(self, seconds: float, forgiveness: float) -> None:
        """Count a tick.

        Args:
            seconds: its length.
            forgiveness: seconds after which one bad line is forgiven.
        """
        self.quiet = 0.0 if self.heard else self.quiet + seconds
        self.heard = False
        if self.bad_frames:
            self.bad_frames = max(0.0, self.bad_frames - seconds / forgiveness)

    def record_progress(self, unwritten: int) -> None:
        """Record the bytes that a full socket has yet to take. A client that takes any is not stalled, however slow."""
        if unwritten < self._unwritten:
            self.quiet = 0.0
        self._unwritten = unwritten
