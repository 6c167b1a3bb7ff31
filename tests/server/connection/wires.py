"""A wire that records what a connection does to it."""

from __future__ import annotations


class FakeWire:
    """A substitute for a socket."""

    def __init__(self) -> None:
        self.calls: list[str | bytes] = []
        self.unwritten = 0
        self.broken: type[Exception] | None = None

    def write(self, data: bytes) -> None:
        """Record it, or fail as a broken socket does."""
        if self.broken is not None:
            raise self.broken
        self.calls.append(data)

    def pause_reading(self) -> None:
        """Record it."""
        self.calls.append("pause")

    def resume_reading(self) -> None:
        """Record it."""
        self.calls.append("resume")

    def get_write_buffer_size(self) -> int:
        """Return the value that the test has set."""
        return self.unwritten

    def close(self) -> None:
        """Record it, or fail as TLS does in some states."""
        if self.broken is not None:
            raise self.broken
        self.calls.append("close")

    def abort(self) -> None:
        """Record it."""
        self.calls.append("abort")
