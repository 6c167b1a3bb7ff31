"""Gathers what happens in one turn of the event loop: one write a connection, one batch for the log.

This is what makes the server fast: a write a message costs eight times as much as a write a turn. So it pays to have
much in each batch, too: what was committed is passed on first, and what people say to that, in the turn after it, goes
to the log together with all that came meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 256  # connections that are written to in one turn: about three milliseconds


class Flushable(Protocol):
    """Something that gathers until the turn ends."""

    def flush(self) -> None:
        """Pass on what was gathered."""


class Turn:
    """Runs, once at the end of the current turn of the loop, whatever asked for it, and has the log commit.

    Args:
        call_soon: the event loop's.
    """

    __slots__ = ("_call_soon", "_commit", "_gathered", "_scheduled", "_waited")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._commit: Callable[[], None] = _nothing
        self._gathered: list[Flushable] = []
        self._scheduled = False
        self._waited = False

    def commit_with(self, commit: Callable[[], None]) -> None:
        """Set what writes the batch that has come together; there may be none."""
        self._commit = commit

    def wake(self) -> None:
        """See to it that this turn has an end."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._end)

    def gather(self, item: Flushable) -> None:
        """Flush ``item`` at the end of this turn; to be called once a turn and item."""
        self._gathered.append(item)
        if not self._scheduled:
            self.wake()

    def _end(self) -> None:
        self._scheduled = False
        gathered = self._gathered[:_AT_ONCE]
        self._gathered = self._gathered[_AT_ONCE:]
        if self._gathered:  # those who are to have the rest wait a turn, in which others are heard
            self.wake()
        # Once only: where every turn passes something on there must be commits all the same.
        if gathered and not self._waited:
            self._waited = True
            self.wake()
        else:
            self._waited = False
            self._commit()
        for item in gathered:
            try:
                item.flush()
            except Exception:
                # A fault of ours with one connection: what the others are to get must not stay with us.
                logger.exception("Something could not be passed on.")


def _nothing() -> None:
    """Stands in until :meth:`Turn.commit_with` was called."""
