"""Tells whoever started the server how it is, as systemd wants it told: sd_notify(3).

Where nobody asks (``NOTIFY_SOCKET`` is not set) nothing is told, and what cannot be told is let go: the server does not
need its supervisor.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

_MICROSECONDS: Final = 1_000_000


class Supervisor:
    """Whoever reads the socket that ``NOTIFY_SOCKET`` names.

    Args:
        variables: the environment.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self._pause = _watchdog(variables) / 2  # seconds; fed twice in the time after which it bites

    def ready(self, status: str) -> None:
        """Say that the server takes connections, with a sentence about it."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the server reads its files again; :meth:`ready` says that it has."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the server is about to end."""
        self._tell("STOPPING=1", "STATUS=Stopping")

    def feed(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """Feed the watchdog for as long as calls are made: one that is late has the server started anew."""
        if self._pause and self._address is not None:
            self._tell("WATCHDOG=1")
            call_later(self._pause, lambda: self.feed(call_later))

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
                # A full queue at the other end holds nobody up: a watchdog is fed twice in its time.
                telling.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return


def _address(name: str) -> str | None:
    """Return where to tell it: a path, or a name in the abstract namespace, which is written with an @."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog(variables: Mapping[str, str]) -> float:
    """Return after how many seconds of silence the watchdog bites; 0 where there is none for this process."""
    period = variables.get("WATCHDOG_USEC", "")
    if variables.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    return int(period) / _MICROSECONDS if period.isascii() and period.isdigit() else 0
