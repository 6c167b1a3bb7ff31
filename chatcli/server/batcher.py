"""Collects the output of one tick of the event loop: one write for each connection, one batch for the log.

This is what makes the server fast: a write for each message costs eight times as much as a write for each tick. Large
batches pay for the log, too: committed messages are delivered first, and the answers that clients send in the next tick
go to the log together with everything else that has arrived.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 256  # connections that are written to in one tick: about three milliseconds


class Flushable(Protocol):
    """Something that buffers until the tick ends."""

    def flush(self) -> None:
        """Write what is buffered."""


class TickBatcher:
    """Flushes items and commits the log's batch, once at the end of the current tick of the event loop.

    Args:
        call_soon: the event loop's.
        on_commit: commits the log's batch, which may be empty.
    """

    __slots__ = ("_call_soon", "_on_commit", "_queue", "_scheduled", "_waited")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], on_commit: Callable[[], None]) -> None:
        self._call_soon = call_soon
        self._on_commit = on_commit
        self._queue: list[Flushable] = []
        self._scheduled = False
        self._waited = False

    def schedule(self) -> None:
        """Schedule the end of this tick, unless it is scheduled already."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._end)

    def enqueue(self, item: Flushable) -> None:
        """Flush an item at the end of this tick. Call it once for each item and tick."""
        self._queue.append(item)
        if not self._scheduled:
            self.schedule()

    def _end(self) -> None:
        self._scheduled = False
        items, self._queue = self._queue[:_AT_ONCE], self._queue[_AT_ONCE:]
        if self._queue:  # the rest waits a tick, in which clients are read
            self.schedule()
        # The commit waits one tick for the answers to what is flushed now. One only: the log commits even if every tick
        # flushes something.
        if items and not self._waited:
            self._waited = True
            self.schedule()
        else:
            self._waited = False
            self._on_commit()
        for item in items:
            try:
                item.flush()
            except Exception:
                # A bug with one connection must not keep output from the others.
                logger.exception("Output to a connection could not be flushed.")
