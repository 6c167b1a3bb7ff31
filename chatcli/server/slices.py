"""Splits long work into slices, so that everybody else is served between two of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from chatcli.server.throttle import Later

Item = TypeVar("Item")


def run(later: Later, work: Iterator[None]) -> None:
    """Run work up to its first pause now, and the rest in the ticks that follow.

    Args:
        later: calls a function after a number of seconds.
        work: pauses whenever it yields.
    """

    def run_slice() -> None:
        for _ in work:
            later(0.0, run_slice)
            return

    run_slice()


def portions(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most ``size``."""
    iterator = iter(items)
    while portion := list(islice(iterator, size)):
        yield portion


def in_order(
    items: Iterable[Item], key: Callable[[Item], Any], size: int, emit: Callable[[list[Item]], None]
) -> Iterator[None]:
    """Sort the items and emit them in lists of at most ``size``, with pauses in between."""
    runs = []
    for portion in portions(items, size):
        runs.append(sorted(portion, key=key))
        yield
    for portion in portions(heapq.merge(*runs, key=key), size):
        emit(portion)
        yield
