"""The interface through which a session speaks to its client."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """What a listener gives a session to speak through."""

    def write(self, data: bytes) -> None:
        """Send; never blocks."""

    def pause_reading(self) -> None:
        """Take nothing from the client for a while."""

    def resume_reading(self) -> None:
        """Take what comes from the client again."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes of what was written have yet to be taken by the socket."""

    def close(self) -> None:
        """Close as soon as everything written was sent."""

    def abort(self) -> None:
        """Close now."""
