"""The interfaces of the layers between a socket and a session: what is written to, and what is fed."""

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


class Receiver(Protocol):
    """The upper side of a connection: a layer, or what is above all layers."""

    def received(self, data: bytes) -> None:
        """Process bytes from the client."""

    def finished(self) -> None:
        """Process the end of input: the client sends nothing more, and still gets answers."""

    def lost(self) -> None:
        """Forget the connection, which is gone."""


class Layer(Wire, Receiver, Protocol):
    """A protocol that carries another: a wire to what is above it, and a receiver to what is below.

    Attributes:
        above: what gets the bytes that are carried.
    """

    above: Receiver
