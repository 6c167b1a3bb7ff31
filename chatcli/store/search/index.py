"""The search index, which follows the log and can be made again from it.

Whatever happens to it, the log and its writer do not notice.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.search.index_file import IndexFile
from chatcli.store.search.log_source import LogSource
from chatcli.store.search.renewal import Renewal
from chatcli.store.sqlite.damage import is_damage

logger = logging.getLogger(__name__)

_FILE: Final = "search.db"
_DELAY: Final = 0.2  # seconds after a commit, so that many are indexed together
_REST: Final = 12  # times the duration of a step, while messages come in: they go first
_RETRY: Final = 60.0  # seconds
_MAX_WAIT: Final = 8.0  # seconds that a search waits for the index
_MAX_REMOVALS: Final = 50_000  # removed messages to remember; with more of them the index is made again instead


class SearchIndex:
    """Follows the log in a thread of its own.

    Args:
        log: the log's file.

    Attributes:
        path: the index's file.
    """

    def __init__(self, log: Path) -> None:
        self.path = log.with_name(_FILE)
        self._lock = threading.Lock()  # held for one step
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._source = LogSource(log)
        self._file = IndexFile(self.path, self._source)
        self._renewal = Renewal(self._source)
        self._removed: list[int] = []
        self._stale = False  # it must be made again
        self._discarded = -_RETRY  # time
        self._thread = threading.Thread(target=self._follow, name="log-index", daemon=True)
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Index what was committed; in any thread."""
        self._wake.set()

    def remove(self, seqs: Collection[int]) -> None:
        """Remove messages that are no longer in the log; in any thread."""
        if len(self._removed) >= _MAX_REMOVALS:
            self._stale = True
        else:
            self._removed += seqs
        self._wake.set()

    def invalidate(self) -> None:
        """Make the index again, because it is damaged; in any thread."""
        self._stale = True
        self._wake.set()

    def catch_up(self, seq: int, deadline: float) -> None:
        """Index everything up to a committed message; in the thread of a search, which ends at the deadline.

        Raises:
            StoreError: that takes too long, or cannot be done.
        """
        deadline = min(time.monotonic() + _MAX_WAIT, deadline)
        try:
            while self._behind(seq) and self._step():
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the messages are still being prepared for the search ({self._file.upto:,} of {seq:,}): "
                        "try again in a while"
                    )
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the messages cannot be searched now: {error}") from None

    def _behind(self, seq: int) -> bool:
        return self._file.connection is None or self._stale or self._file.upto < seq

    def _follow(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(self._renewal.wait)
            self._closing.wait(_DELAY)
            self._wake.clear()
            try:
                self._work()
            except (sqlite3.Error, OSError) as error:
                logger.error("Cannot write the search index %s: %s", self.path, error)  # noqa: TRY400 (no fault of ours)
            except Exception:
                logger.exception("The search index failed.")
            else:
                continue
            self._closing.wait(_RETRY)
            self._wake.set()

    def _work(self) -> None:
        more = True
        while more:
            started = time.monotonic()
            more = self._step()
            if more and self._wake.is_set():
                self._wake.clear()
                self._closing.wait(_REST * (time.monotonic() - started))

    def _step(self) -> bool:
        """Index some messages; return whether there may be more."""
        with self._lock:
            if self._closing.is_set():
                return False
            if self._stale:
                self._discard()
            try:
                connection = self._open()
                more = self._advance(connection)
                return self._renewal.step(connection) or more
            except sqlite3.DatabaseError as error:
                if not is_damage(error) or time.monotonic() < self._discarded + _RETRY:
                    raise
                logger.warning("The search index %s is damaged, and is made again.", self.path)
                self._discard()
                return True

    def _open(self) -> sqlite3.Connection:
        if self._file.connection is None and not self._file.open(len(self._removed)):
            self._discard()
            return self._file.make()
        assert self._file.connection is not None  # noqa: S101 (it was opened)
        return self._file.connection

    def _advance(self, connection: sqlite3.Connection) -> bool:
        removed = self._removed[:]
        more = self._file.advance(connection, removed)
        if removed:
            self._renewal.schedule()
        del self._removed[: len(removed)]
        return more

    def _discard(self) -> None:
        """Delete the index; the next step makes it again."""
        self._discarded = time.monotonic()
        # Before a new one is made: it knows all removals up to then.
        self._removed.clear()
        self._stale = False
        self._file.discard()
        self._renewal.restart()

    def stop(self) -> None:
        """Start nothing more."""
        self._closing.set()
        self._wake.set()

    @property
    def stopped(self) -> bool:
        """Whether nothing more is started."""
        return self._closing.is_set()

    def close(self, seconds: float) -> None:
        """Close the files, unless a write takes longer than this."""
        self.stop()
        self._thread.join(seconds)
        if self._lock.acquire(timeout=seconds):
            self._file.close()
            self._source.close()
            self._lock.release()
