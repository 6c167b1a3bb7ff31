"""How much is drawn at once: as much as leaves the keys their turn.

While something is drawn no key is taken, and drawing ends when the terminal has taken what it was sent. A fast terminal
takes a thousand lines in a few hundredths of a second, one behind a slow connection takes ten; so it is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_TURN: Final = 0.008  # seconds, which nobody feels
_LEAST: Final = 2000  # characters: some lines, or the redrawing of the input line would cost more than they
_MOST: Final = 64_000
_FIRST: Final = 8000


class Pace:
    """Knows how many characters the terminal takes in one turn."""

    def __init__(self) -> None:
        self._amount = _FIRST

    def batches(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines, so many at once as fit into a turn; one that is longer comes alone."""
        batch: list[str] = []
        size = 0
        for line in lines:
            if batch and size + len(line) > self._amount:
                yield "".join(batch)
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            yield "".join(batch)

    def took(self, amount: int, seconds: float) -> None:
        """Note how long so many characters took: too long is heeded at once, room for more little by little."""
        if seconds > _TURN:
            self._amount = max(_LEAST, int(min(amount, self._amount) * max(_TURN / seconds, 0.25)))
        elif amount > self._amount // 2:
            self._amount = min(_MOST, self._amount + self._amount // 4)
