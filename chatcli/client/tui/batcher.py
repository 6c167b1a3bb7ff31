"""Batches of output that leave time for keys between them.

While a batch is written no key is read, and writing ends when the terminal has accepted it all. A fast terminal accepts
a thousand lines in a few hundredths of a second, one at the end of a slow connection ten: so the time is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_TARGET: Final = 0.008  # seconds for a batch, which nobody notices
_SMALLEST: Final = 2000  # characters: some lines, or redrawing the input line would cost more than they do
_LARGEST: Final = 64_000
_INITIAL: Final = 8000


class AdaptiveBatcher:
    """Adapts the size of batches to the speed of the terminal."""

    def __init__(self) -> None:
        self._amount = _INITIAL

    def batches(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines in batches; a line longer than a batch comes alone."""
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

    def record(self, amount: int, seconds: float) -> None:
        """Record the time that a number of characters took: batches shrink at once and grow slowly."""
        if seconds > _TARGET:
            self._amount = max(_SMALLEST, int(min(amount, self._amount) * max(_TARGET / seconds, 0.25)))
        elif amount > self._amount // 2:
            self._amount = min(_LARGEST, self._amount + self._amount // 4)
