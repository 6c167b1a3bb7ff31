"""Whether to try again after a failure, and when: one policy for all clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from chatcli.errors import ChatError, ProtocolError, ServerUnavailable

_FIRST: Final = 0.5  # seconds before the second attempt, at most
_LONGEST: Final = 8.0  # seconds before any attempt, at most

Result = TypeVar("Result")


def backoff(first: float = _FIRST, longest: float = _LONGEST) -> Iterator[float]:
    """Yield waits in seconds, growing and with jitter, so that clients do not come back all at once.

    "Full jitter", as in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        first: the longest first wait; no wait is shorter than a fifth of it.
        longest: the longest wait of all.
    """
    import random

    most = first
    while True:
        yield random.uniform(first / 5, most)  # noqa: S311 (spread, not secrecy)
        most = min(most * 2, longest)


class RetryPolicy:
    """Decides about further attempts to reach a server. It has no clock and waits for nothing.

    Args:
        waits: makes the schedule: the seconds before each further attempt. There are no more attempts than waits.
        left: returns the seconds that are left for all attempts; by default there is no limit.
        accepted: whether the server has let the client in before.
    """

    def __init__(
        self,
        waits: Callable[[], Iterator[float]] = backoff,
        left: Callable[[], float] | None = None,
        *,
        accepted: bool = False,
    ) -> None:
        self._waits = waits
        self._schedule = waits()
        self._left = left
        self._accepted = accepted

    def succeeded(self) -> None:
        """Start the schedule anew: the server has let the client in, and answered."""
        self._accepted = True
        self._schedule = self._waits()

    def is_temporary(self, error: Exception) -> bool:
        """Return whether another attempt may succeed after an error."""
        if isinstance(error, ProtocolError):
            return self._accepted  # while a server is restarted, something else may answer in its place
        return isinstance(error, (OSError, ServerUnavailable))

    def wait_after(self, error: Exception) -> float:
        """Return the seconds before the next attempt.

        Raises:
            Exception: the error, if there is to be no other attempt.
        """
        wait = next(self._schedule, None) if self.is_temporary(error) else None
        if wait is None or (self._left is not None and wait > self._left()):
            raise error
        return wait


def retry(
    attempt: Callable[[], Result],
    policy: RetryPolicy,
    *,
    wait: Callable[[float], object],
    after: Exception | None = None,
    on_error: Callable[[Exception], None] = lambda _: None,
) -> Result:
    """Return the result of ``attempt``, after retries as the policy decides.

    Args:
        attempt: does what may fail.
        policy: decides after each failure.
        wait: waits for some seconds.
        after: the error of an attempt that was made before; without it the first attempt is made at once.
        on_error: called with the error of each attempt that is followed by another.

    Raises:
        ChatError: the error of the last attempt.
    """
    error = after
    while True:
        if error is not None:
            seconds = policy.wait_after(error)
            if error is not after:
                on_error(error)
            wait(seconds)
        try:
            return attempt()
        except ChatError as failure:
            error = failure


async def retry_async(
    attempt: Callable[[], Awaitable[Result]],
    policy: RetryPolicy,
    *,
    wait: Callable[[float], Awaitable[object]],
    after: Exception | None = None,
    on_error: Callable[[Exception], None] = lambda _: None,
) -> Result:
    """Return the result of ``attempt``, as :func:`retry` does."""
    error = after
    while True:
        if error is not None:
            seconds = policy.wait_after(error)
            if error is not after:
                on_error(error)
            await wait(seconds)
        try:
            return await attempt()
        except ChatError as failure:
            error = failure
