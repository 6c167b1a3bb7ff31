"""Does what takes long a slice at a time, so that everybody else has their turn between two slices."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from chatcli.server.throttle import Later

Item = TypeVar("Item")


def run(later: Later, work: Iterator[None]) -> None:
    """Run work to its next pause, and the rest of it in the turns of the loop to come.

    Args:
        later: runs a callable after so many seconds.
        work: pauses whenever it yields.
    """

    def go_on() -> None:
        for _ in work:
            later(0.0, go_on)
            return

    go_on()


def portions(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of so many."""
    iterator = iter(items)
    while portion := list(islice(iterator, size)):
        yield portion


def in_order(
    items: Iterable[Item], key: Callable[[Item], Any], size: int, take: Callable[[list[Item]], None]
) -> Iterator[None]:
    """Sort items and hand them out, so many at once, with pauses between."""
    runs = []
    for portion in portions(items, size):
        runs.append(sorted(portion, key=key))
        yield
    for portion in portions(heapq.merge(*runs, key=key), size):
        take(portion)
        yield
