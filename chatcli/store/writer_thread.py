"""The thread that writes the log: transactions first, upkeep between them."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from chatcli.errors import StoreError
from chatcli.store.batch import Batch
from chatcli.store.interface import CommitTimes, OnCommit
from chatcli.store.maintenance.upkeep import Upkeep
from chatcli.store.records import Prune
from chatcli.store.writing.writer import Writer

logger = logging.getLogger(__name__)

_MOST_TOGETHER: Final = 500  # messages of several batches in one transaction


class _Search(NamedTuple):
    """The search for messages to delete: those older than ``before``; ``now`` is the present time."""

    before: int
    now: int


class WriterThread:
    """Writes batches, all that wait in one transaction, and looks for old messages and cleans the log between them.

    Args:
        writer: writes batches.
        upkeep: finds old messages and erases deleted text.
        on_batch: called in this thread with each batch, and with the reason why it could not be written.
        on_found: called in this thread with the deletion of old messages, or None if there is nothing to delete.

    Attributes:
        times: the time that each transaction has taken.
    """

    def __init__(
        self, writer: Writer, upkeep: Upkeep, on_batch: OnCommit, on_found: Callable[[Prune | None], object]
    ) -> None:
        self._writer = writer
        self._upkeep = upkeep
        self._on_batch = on_batch
        self._on_found = on_found
        self.times = CommitTimes()
        # The owner keeps it short; None ends the thread.
        self._work: SimpleQueue[Batch | _Search | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Queue a batch."""
        self._work.put(batch)

    def find_old(self, before: int, now: int) -> None:
        """Look for some of the messages older than a time, in milliseconds since 1970-01-01 UTC.

        Args:
            before: the time.
            now: the present time, likewise.
        """
        self._work.put(_Search(before, now))

    def stop(self, seconds: float) -> bool:
        """Write what is queued and end the thread; return whether it ended in time."""
        self._work.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        work = self._next()
        while work is not None:
            if isinstance(work, _Search):
                self._on_found(self._upkeep.find_old(work.before, work.now))
                following = None
            else:
                batches, following = self._gather(work)
                self._write(batches)
            self._upkeep.clean()
            work = following[0] if following else self._next()
        self._upkeep.finish()

    def _next(self) -> Batch | _Search | None:
        """Return the next thing to do, cleaning the files meanwhile."""
        while True:
            try:
                return self._work.get(timeout=self._upkeep.wait)
            except Empty:
                self._upkeep.clean()

    def _gather(self, batch: Batch) -> tuple[list[Batch], tuple[Batch | _Search | None] | None]:
        """Return a batch with those that wait after it, and what waits after these if anything does.

        Small ones are taken together. For large ones the fsync counts little, and the owner goes on with one of them
        while the next is being written.
        """
        batches, messages = [batch], len(batch.entries)
        while True:
            try:
                work = self._work.get_nowait()
            except Empty:
                return batches, None
            if not isinstance(work, Batch):
                return batches, (work,)
            messages += len(work.entries)
            if messages > _MOST_TOGETHER:
                return batches, (work,)
            batches.append(work)

    def _write(self, batches: list[Batch]) -> None:
        error = self._try(batches)
        if error is not None and len(batches) > 1:
            for batch in batches:  # what is wrong with one must not harm the others
                self._on_batch(batch, self._try([batch]))
            return
        for batch in batches:
            self._on_batch(batch, error)

    def _try(self, batches: list[Batch]) -> StoreError | None:
        """Write batches; return why they could not be written."""
        start = time.perf_counter()
        try:
            deleted = self._writer.write_all(batches)
        except sqlite3.Error as cause:
            return StoreError(f"cannot write the log {self._writer.path}: {cause}")
        except Exception as cause:
            # A fault of ours: the owner waits for the outcome of these batches all the same.
            logger.exception("The log writer failed.")
            return StoreError(f"cannot write the log {self._writer.path}: {cause!r}")
        self.times.add(time.perf_counter() - start)
        if deleted:
            self._upkeep.erase(deleted)
        return None
