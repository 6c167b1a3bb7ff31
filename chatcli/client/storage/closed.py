"""The conversations that a user has closed on this device, stored from one visit to the next.

One line for each: its folded name, a tab, and the ``seq`` of its newest message then. The first line has no name, and
the epoch of the log: in another one these numbers mean nothing, and all conversations are shown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import cache
from chatcli.protocol.epochs import storable

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

KIND: Final = "closed"
_DIGITS: Final = 16  # a longer number is no place in a log


def load(server: Address, user: str, epoch: str) -> dict[str, int]:
    """Return the newest message of each closed conversation, by its folded name, in the log of that epoch."""
    closed: dict[str, int] = {}
    lines = cache.read(KIND, server, user).split("\n")
    if lines[0].startswith("\t") and epoch and lines[0] != f"\t{epoch}":
        return closed
    for line in lines:
        name, _, seq = line.rpartition("\t")
        if name and seq.isdecimal() and seq.isascii() and len(seq) <= _DIGITS:
            closed[name] = int(seq)
    return closed


def store(server: Address, user: str, epoch: str, closed: Mapping[str, int]) -> None:
    """Store the closed conversations."""
    lines = [f"{name}\t{seq}\n" for name, seq in closed.items()]
    cache.update(KIND, server, user, lambda _: "".join([f"\t{storable(epoch)}\n" if epoch else "", *lines]))
