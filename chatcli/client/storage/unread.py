"""How much is unread, for a shell prompt: a number that is kept for a minute, one for each server and user.

One line: the number, or a dash where the server gave none, a tab, and when that was, in seconds since 1970.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import cache

if TYPE_CHECKING:
    from chatcli.protocol.address import Address

KIND: Final = "status"
FRESH: Final = 60  # seconds
_UNKNOWN: Final = "-"
_DIGITS: Final = 16  # no number and no time is so long


class NotKept(Exception):
    """There is no number, or it is too old."""


def kept(server: Address, user: str) -> int | None:
    """Return how much is unread, or None where the server gave no number a while ago.

    Raises:
        NotKept: it has to be found out.
    """
    count, _, at = cache.read(KIND, server, user).strip().partition("\t")
    if not (at.isdecimal() and len(at) < _DIGITS and 0 <= time.time() - int(at) < FRESH):
        raise NotKept
    if count == _UNKNOWN:
        return None
    if not (count.isdecimal() and count.isascii() and len(count) < _DIGITS):
        raise NotKept
    return int(count)


def keep(server: Address, user: str, count: int | None) -> None:
    """Keep a number; None says that the server gives none."""
    cache.update(KIND, server, user, lambda _: f"{_UNKNOWN if count is None else count}\t{int(time.time())}\n")


def forget(server: Address, user: str) -> None:
    """Have the server asked the next time."""
    cache.update(KIND, server, user, lambda _: None)
