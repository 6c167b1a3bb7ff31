"""The waits between one try and the next."""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST, _LONGEST = 0.5, 8.0  # seconds between tries


def backoff(first: float = _FIRST, longest: float = _LONGEST) -> Iterator[float]:
    """Yield waits, growing and with jitter, so that clients do not come back all at once.

    "Full jitter", as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        first: what the first wait is at most, in seconds; no wait is shorter than a fifth of it.
        longest: what any is at most.
    """
    most = first
    while True:
        yield random.uniform(first / 5, most)  # noqa: S311 (spread, not secrecy)
        most = min(most * 2, longest)
