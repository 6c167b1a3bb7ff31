"""The reader's time zone, which may change while a program runs."""

from __future__ import annotations

import os
import time
from typing import Final

_SYSTEM: Final = "/etc/localtime"
_DATABASE: Final = "/usr/share/zoneinfo"
_BETWEEN: Final = 1.0  # seconds between two looks at the file


class _Zone:
    """The file that the zone was read from, as it was then."""

    def __init__(self) -> None:
        self.number = 0  # of the zones that there were
        self._path = _path()
        self._seen = _state(self._path)
        self._looked = time.monotonic()

    def look(self) -> None:
        """Read the zone again if its file is another one."""
        now = time.monotonic()
        if now - self._looked < _BETWEEN:
            return
        self._looked = now
        seen = _state(self._path)
        if seen != self._seen and seen is not None:  # else it is being replaced
            self._seen = seen
            self.number += 1
            _read_again()


def current() -> int:
    """Return the number of the zone that local times are in: another one after each change.

    The C library reads the zone once, and a program that runs for weeks would keep that of the day it was started.
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
