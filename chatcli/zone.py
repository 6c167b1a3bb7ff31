"""The local time zone, which may change while a program runs."""

from __future__ import annotations

import os
import time
from typing import Final

_SYSTEM: Final = "/etc/localtime"
_DATABASE: Final = "/usr/share/zoneinfo"
_INTERVAL: Final = 1.0  # seconds between two checks of the file


class _Zone:
    """The file of the zone, and its state when it was last read."""

    def __init__(self) -> None:
        self.number = 0  # changes so far
        self._path = _path()
        self._seen = _state(self._path)
        self._looked = time.monotonic()

    def look(self) -> None:
        """Reload the zone if its file has changed."""
        now = time.monotonic()
        if now - self._looked < _INTERVAL:
            return
        self._looked = now
        seen = _state(self._path)
        if seen != self._seen and seen is not None:  # None: it is just being replaced
            self._seen = seen
            self.number += 1
            _read_again()


def current() -> int:
    """Return a number that changes with the local time zone.

    The C library reads the zone once, so a program that runs for weeks would keep the zone of its start.
    """
    _zone.look()
    return _zone.number


def _path() -> str:
    named = os.environ.get("TZ", "").removeprefix(":")
    return os.path.join(os.environ.get("TZDIR", _DATABASE), named) if named else _SYSTEM  # noqa: PTH118 (felt at start)


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (as above)
    except OSError:  # TZ may be a rule, as in CET-1CEST, which no file holds
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _read_again() -> None:
    named = os.environ.get("TZ")
    if named is not None:  # a name that has not changed is not looked up again
        os.environ["TZ"] = "UTC0"
        time.tzset()
        os.environ["TZ"] = named
    time.tzset()


_zone = _Zone()
