"""Tells of the same thing once a second: the first change at once, and then no more than the newest."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

_SECONDS: Final = 1.0

Later = Callable[[float, Callable[[], None]], object]
#: Tells those whom it concerns; returns how many connections these are.
Tell = Callable[[], int]


class Pace:
    """What was told of late, and what waits to be told.

    Args:
        later: runs a callable after so many seconds.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._told: dict[Hashable, object] = {}
        self._waiting: dict[Hashable, tuple[object, Tell]] = {}

    def tell(self, thing: Hashable, state: object, tell: Tell) -> int:
        """Tell how something is now, or have it told in its time; return how many connections were told now.

        Args:
            thing: what has changed.
            state: how it is now; what is as it was when it was last told is not told again.
            tell: does so.
        """
        if thing in self._told:
            self._waiting[thing] = (state, tell)
            return 0
        self._told[thing] = state
        self._later(_SECONDS, lambda: self._go_on(thing))
        return tell()

    def _go_on(self, thing: Hashable) -> None:
        told = self._told.pop(thing)
        state, tell = self._waiting.pop(thing, (told, None))
        if tell is not None and state != told:
            self.tell(thing, state, tell)
