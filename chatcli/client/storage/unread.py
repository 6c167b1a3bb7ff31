"""The number of unread messages for a shell prompt, cached for a minute, for each server and user.

One line: the number, or a dash if the server gave none, a tab, and the time of that in seconds since 1970.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import cache

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

KIND: Final = "status"
FRESH: Final = 60  # seconds
_UNKNOWN: Final = "-"
_DIGITS: Final = 16  # longer than any number and any time


class NotCached(Exception):
    """There is no number, or it is too old."""


def load(server: Address, user: str) -> int | None:
    """Return the number of unread messages, or None if the server gave none.

    Raises:
        NotCached: the server must be asked.
    """
    count, _, at = cache.read(KIND, server, user).strip().partition("\t")
    if not (at.isdecimal() and len(at) < _DIGITS and 0 <= time.time() - int(at) < FRESH):
        raise NotCached
    if count == _UNKNOWN:
        return None
    if not (count.isdecimal() and count.isascii() and len(count) < _DIGITS):
        raise NotCached
    return int(count)


def store(server: Address, user: str, count: int | None) -> None:
    """Store a number; None if the server gives none."""
    cache.update(KIND, server, user, lambda _: f"{_UNKNOWN if count is None else count}\t{int(time.time())}\n")


def forget(server: Address, user: str) -> None:
    """Remove the number, so that the server is asked the next time."""
    cache.update(KIND, server, user, lambda _: None)
