"""Reports the server's state to systemd, or to another supervisor that speaks sd_notify(3).

Without a supervisor (``NOTIFY_SOCKET`` is not set) nothing is sent, and what cannot be sent is dropped: the server does
not depend on it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

_MICROSECONDS: Final = 1_000_000


class SystemdNotifier:
    """Sends to the socket that ``NOTIFY_SOCKET`` names.

    Args:
        variables: the environment.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._address = _address(variables.get("NOTIFY_SOCKET", ""))
        self._interval = _watchdog(variables) / 2  # seconds; two notifications in the time allowed

    def ready(self, status: str) -> None:
        """Report that the server accepts connections, with a sentence about it."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that the server reads its files again; :meth:`ready` reports that it has."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Report that the server is about to end."""
        self._send("STOPPING=1", "STATUS=Stopping")

    def start_watchdog(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """Notify the watchdog as long as the loop runs; if a notification is late, the server is restarted."""
        if self._interval and self._address is not None:
            self._send("WATCHDOG=1")
            call_later(self._interval, lambda: self.start_watchdog(call_later))

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                # Without waiting for a full queue at the other end: there are two notifications in the time allowed.
                sender.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return


def _address(name: str) -> str | None:
    """Return the address of the socket: a path, or a name in the abstract namespace, which is written with an @."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog(variables: Mapping[str, str]) -> float:
    """Return the seconds of silence that the watchdog allows; 0 if it does not watch this process."""
    period = variables.get("WATCHDOG_USEC", "")
    if variables.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    return int(period) / _MICROSECONDS if period.isascii() and period.isdigit() else 0
