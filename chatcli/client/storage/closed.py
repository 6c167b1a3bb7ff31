"""The conversations that a user has closed on this device, stored from one visit to the next.

One line for each: its folded name, a tab, and the ``seq`` of its newest message then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import cache

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

KIND: Final = "closed"
_DIGITS: Final = 16  # a longer number is no place in a log


def load(server: Address, user: str) -> dict[str, int]:
    """Return the newest message of each closed conversation, by its folded name."""
    closed = {}
    for line in cache.read(KIND, server, user).split("\n"):
        name, _, seq = line.rpartition("\t")
        if name and seq.isdecimal() and seq.isascii() and len(seq) <= _DIGITS:
            closed[name] = int(seq)
    return closed


def store(server: Address, user: str, closed: Mapping[str, int]) -> None:
    """Store the closed conversations."""
    lines = [f"{name}\t{seq}\n" for name, seq in closed.items()]
    cache.update(KIND, server, user, lambda _: "".join(lines))
