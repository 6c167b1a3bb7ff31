"""Splits long work into slices, or has another thread do it, so that everybody else is served meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from chatcli.server.throttle import Later

Item = TypeVar("Item")
Result = TypeVar("Result")


class InThread(Protocol):
    """Runs a function in another thread."""

    def __call__(
        self,
        function: Callable[[], Result],
        on_done: Callable[[Result], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """Run a function, and pass on its result in this thread.

        Args:
            function: runs in the other thread.
            on_done: gets the result.
            on_failure: gets the exception that one of the two has raised.
        """


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
