"""Renews the parts of the search index that have lost messages, so that deleted words vanish from its file."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from chatcli.store.search import parts
from chatcli.store.search.log_source import LogSource
from chatcli.store.sqlite.connection import checkpoint, transaction

_DELAY: Final = 10.0  # seconds from a deletion
_INTERVAL: Final = 60.0  # seconds from one start to the next, at least
_RETRY: Final = 1.0  # seconds, if a search prevents the end


class Renewal:
    """Renews parts step by step, a while after messages were deleted.

    Args:
        source: reads the log.
    """

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._due: float | None = time.monotonic()  # earlier runs may have left something to do
        self._newest: int | None = None  # part when the renewal started; None while it has not
        self._earliest = 0.0  # time of the next start

    @property
    def wait(self) -> float | None:
        """The seconds until there is something to do; None if there is nothing."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def schedule(self) -> None:
        """Start after a while, because messages were deleted."""
        if self._due is None:
            self._due = max(time.monotonic() + _DELAY, self._earliest)

    def restart(self) -> None:
        """Start at once, because the index is another one."""
        self._newest = None
        self._due = time.monotonic()

    def step(self, connection: sqlite3.Connection) -> bool:
        """Renew a stretch of a part if it is time to; return whether there is more to do at once."""
        if self._due is None or time.monotonic() < self._due:
            return False
        if self._newest is None:
            # Parts that are made meanwhile, and lose messages again, are renewed the next time.
            self._newest = parts.newest_number(connection)
            self._earliest = time.monotonic() + _INTERVAL
        found = parts.find_stale(connection, self._newest)
        if found is None:
            self._finish(connection)
            return False
        old, new = found
        after = old.first - 1 if new is None else new.upto
        messages, upto, more = self._source.read(after, old.upto)
        with transaction(connection):
            parts.renew(connection, old, new, messages=messages, upto=upto if more else old.upto, last=not more)
        return True

    def _finish(self, connection: sqlite3.Connection) -> None:
        if not checkpoint(connection):
            self._due = time.monotonic() + _RETRY
            return
        self._newest = None
        more = parts.find_stale(connection, parts.newest_number(connection)) is not None
        self._due = self._earliest if more else None
