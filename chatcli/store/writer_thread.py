"""The thread that writes the log: transactions first, upkeep between them."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from queue import Empty, SimpleQueue

from chatcli.errors import StoreError
from chatcli.store.interface import CommitTimes, OnCommit
from chatcli.store.records import Batch
from chatcli.store.sqlite.writer import Writer
from chatcli.store.upkeep import Upkeep

logger = logging.getLogger(__name__)


class WriterThread:
    """Writes batches one after the other, and prunes and cleans the log when asked or idle.

    Args:
        writer: writes a batch.
        upkeep: deletes old messages and erases deleted text.
        on_batch: called in this thread with each batch, and with the reason why it could not be written.

    Attributes:
        times: the time that each batch has taken.
    """

    def __init__(self, writer: Writer, upkeep: Upkeep, on_batch: OnCommit) -> None:
        self._writer = writer
        self._upkeep = upkeep
        self._on_batch = on_batch
        self.times = CommitTimes()
        # The owner keeps it short; a number is the time before which to prune, and None ends the thread.
        self._work: SimpleQueue[Batch | int | None] = SimpleQueue()
        self._pruning = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Queue a batch."""
        self._work.put(batch)

    def prune(self, before: int) -> None:
        """Have some of the messages deleted that are older than a time, unless that is being done already."""
        if not self._pruning:
            self._pruning = True
            self._work.put(before)

    def stop(self, seconds: float) -> bool:
        """Write what is queued and end the thread; return whether it ended in time."""
        self._work.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            if isinstance(work, int):
                self._upkeep.prune(work)
                self._pruning = False
            else:
                self._write(work)
            self._upkeep.clean()
        self._upkeep.finish()

    def _next(self) -> Batch | int | None:
        """Return the next thing to do, cleaning the files meanwhile."""
        while True:
            try:
                return self._work.get(timeout=self._upkeep.wait)
            except Empty:
                self._upkeep.clean()

    def _write(self, batch: Batch) -> None:
        error = None
        start = time.perf_counter()
        try:
            self._writer.write(batch)
            self.times.add(time.perf_counter() - start)
        except sqlite3.Error as cause:
            error = StoreError(f"cannot write the log {self._writer.path}: {cause}")
        except Exception as cause:
            # A fault of ours: the owner waits for the outcome of this batch all the same.
            logger.exception("The log writer failed.")
            error = StoreError(f"cannot write the log {self._writer.path}: {cause!r}")
        self._on_batch(batch, error)
