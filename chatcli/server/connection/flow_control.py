"""Decides when the server stops reading from a connection, and when it stops processing what it has read."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatcli.server.connection.wire import Wire
    from chatcli.server.limits import Limits


class Pause(enum.Flag):
    """Why the server does not read from a connection; any of the reasons is enough."""

    UNSENT = enum.auto()  # its socket is full
    IN_FLIGHT = enum.auto()  # too many of its messages are not committed yet
    SUSPENDED = enum.auto()  # its login, or a request of it, waits for the log
    BACKLOG = enum.auto()  # more has been read than is processed in one tick
    STOPPING = enum.auto()  # the server is about to stop
    ALLOWANCE = enum.auto()  # it, or its user, has used up an allowance


_NONE: Final = Pause(0)
_BLOCKING: Final = Pause.SUSPENDED | Pause.ALLOWANCE


class FlowControl:
    """Pauses reading from a connection.

    Args:
        wire: what is paused.
        limits: how much may be in flight.

    Attributes:
        paused: whether there is a reason not to read.
        blocked: whether there is a reason not to process what was read.
        in_flight: bytes of messages and requests that are not answered yet.
    """

    __slots__ = ("_limits", "_reasons", "_wire", "blocked", "in_flight", "paused")

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self._limits = limits
        self._reasons = _NONE
        self._wire: Wire | None = wire
        self.blocked = False
        self.in_flight = 0
        self.paused = False

    def __contains__(self, reason: Pause) -> bool:
        return reason in self._reasons

    def pause(self, reason: Pause) -> None:
        """Stop reading for a reason, until that reason is withdrawn."""
        if not self.paused and self._wire is not None:
            self._wire.pause_reading()
        self._set(self._reasons | reason)

    def resume(self, reason: Pause) -> None:
        """Withdraw a reason; read again if it was the last one."""
        if not self.paused:
            return
        left = self._reasons & ~reason
        self._set(left)
        if not left and self._wire is not None:
            self._wire.resume_reading()

    def _set(self, reasons: Pause) -> None:
        self._reasons = reasons
        self.paused = bool(reasons)
        self.blocked = bool(reasons & _BLOCKING)

    def charge(self, size: int, *, crowded: bool = False) -> None:
        """Count bytes as in flight, and stop reading if that is too much.

        Args:
            size: the number of bytes.
            crowded: whether all connections together have too much in flight.
        """
        self.in_flight += size
        if crowded or self.in_flight > self._limits.in_flight:
            self.pause(Pause.IN_FLIGHT)

    def acknowledge(self, size: int) -> None:
        """Count bytes as answered, and read again once half of the limit is free."""
        self.in_flight -= size
        if self.paused and self.in_flight <= self._limits.in_flight // 2:
            self.resume(Pause.IN_FLIGHT)

    def move(self, wire: Wire) -> None:
        """Pause another wire from now on, which is on top of the present one."""
        self._wire = wire
        if self.paused:
            wire.pause_reading()

    def close(self) -> None:
        """Drop the wire: from now on nothing is paused."""
        self._wire = None
