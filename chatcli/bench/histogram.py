"""A histogram of latencies whose buckets grow with them, so that a few hundred numbers are enough."""

from __future__ import annotations

from typing import Final

_FINE: Final = 16  # buckets for each doubling: none is wider than a sixteenth of its values
_BITS: Final = _FINE.bit_length()


class Histogram:
    """Latencies in microseconds, accurate to a sixteenth; the greatest one exactly.

    Attributes:
        counts: the number of latencies in each bucket.
        greatest: the greatest latency, in microseconds.
    """

    __slots__ = ("counts", "greatest")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.greatest = 0

    def add(self, microseconds: int, count: int = 1) -> None:
        """Count a latency ``count`` times."""
        self.greatest = max(self.greatest, microseconds)
        number = bucket(microseconds)
        self.counts[number] = self.counts.get(number, 0) + count

    def merge(self, counts: dict[int, int], greatest: int) -> None:
        """Add the counts of another histogram."""
        self.greatest = max(self.greatest, greatest)
        for number, count in counts.items():
            self.counts[number] = self.counts.get(number, 0) + count

    def at(self, share: float) -> int:
        """Return the latency that a share of all does not exceed, in microseconds; 0 if there are none."""
        wanted = share * sum(self.counts.values())
        passed = 0
        for number in sorted(self.counts):
            passed += self.counts[number]
            if passed >= wanted:
                return min(upper(number), self.greatest)
        return 0


def bucket(microseconds: int) -> int:
    """Return the number of the bucket that holds a latency."""
    doublings = max(microseconds.bit_length() - _BITS, 0)
    return doublings * _FINE + (microseconds >> doublings)


def upper(number: int) -> int:
    """Return the greatest latency that a bucket holds, in microseconds."""
    doublings = max(number // _FINE - 1, 0)
    return (number - doublings * _FINE + 1 << doublings) - 1
