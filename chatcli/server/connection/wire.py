"""The interface through which a connection writes to its client."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """The lower side of a connection: a socket, or a layer on top of it."""

    def write(self, data: bytes) -> None:
        """Send bytes; never blocks."""

    def pause_reading(self) -> None:
        """Stop delivering bytes from the client."""

    def resume_reading(self) -> None:
        """Deliver bytes from the client again."""

    def get_write_buffer_size(self) -> int:
        """Return the number of written bytes that the socket has yet to take."""

    def close(self) -> None:
        """Close once everything written has been sent."""

    def abort(self) -> None:
        """Close now."""
