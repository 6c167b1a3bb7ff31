"""Lingering: a connection is closed so that its caller can still read the last answer (RFC 9112, section 9.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Wire

_LINGER: Final = 1.0  # seconds for a caller to take the last answer while it sends something that nobody reads
_MOST_IGNORED: Final = 4 * 1024 * 1024  # bytes that are read and dropped meanwhile


class LingeringWire:
    """Writes to a wire, and closes it in order.

    If a socket is closed while bytes come that nobody reads, its other end may lose what it has yet to read itself. So
    nothing more is sent, and what comes is dropped for a while, before the socket is closed.

    Args:
        wire: the wire.

    Attributes:
        closed: whether nothing more is sent.
        lingering: whether the caller has yet to take the last answer.
    """

    __slots__ = ("_age", "_ignored", "_wire", "closed", "lingering")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._age = 0.0  # seconds since it was closed, or since the socket was
        self._ignored = 0  # bytes that have come meanwhile
        self.closed = self.lingering = False

    @property
    def unsent(self) -> int:
        """Bytes that the socket has yet to take."""
        return self._wire.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send data, unless nothing more is sent."""
        if data and not self.closed:
            # A transport may be closed a moment before anybody learns of it.
            try:
                self._wire.write(data)
            except RuntimeError:
                pass
            except OSError:  # TLS below is in a state in which nothing can be sent
                self._wire.abort()

    def end(self, *, linger: bool) -> None:
        """Send nothing more; the socket is still open.

        Args:
            linger: whether to close it later, as the caller may be sending something; else it is to be closed now.
        """
        self.closed = True
        self.lingering = linger
        self._age = 0.0

    def drop(self, size: int) -> None:
        """Drop bytes that come while the connection lingers, up to a bound."""
        if self.lingering:
            self._ignored += size
            if self._ignored > _MOST_IGNORED:
                self._wire.abort()

    def hang_up(self) -> None:
        """Close the socket, once it has taken what it has yet to take."""
        self.lingering = False
        self._age = 0.0
        try:
            self._wire.close()
        except OSError:
            self._wire.abort()

    def lost(self) -> None:
        """Forget the socket, which is gone."""
        self.closed, self.lingering = True, False

    def abort(self) -> None:
        """Close the socket at once."""
        self._wire.abort()

    def tick(self, seconds: float, patience: float) -> None:
        """Close the socket when it is time; called regularly.

        Args:
            seconds: since the last call.
            patience: seconds for the socket to take what it has yet to take.
        """
        if not self.closed:
            return
        self._age += seconds
        if self.lingering and self._age > _LINGER:
            self.hang_up()
        elif self._age > patience:
            self._wire.abort()
