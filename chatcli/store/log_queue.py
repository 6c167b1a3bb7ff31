"""The queue of the log: messages and records until they become a batch, and the positions of a batch that failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.batch import Batch, Change, Entry, OnOutcome, Outcome, ignore
from chatcli.store.records import Probe, ReadRecord, Record

_MAX_BATCHES: Final = 3  # submitted at a time, so that the writer need not wait for the owner between two of them
_MIN_MESSAGES: Final = 1000  # of a batch while another is being written; fewer wait for more
_OVERHEAD: Final = 200  # bytes of memory for a waiting message besides its text, about


class LogQueue:
    """Collects messages and records in batches, and submits these in order.

    Used in the owner's thread. After each batch that was submitted :meth:`finish` must be called, in the same order.

    Args:
        submit: called with each batch.

    Attributes:
        pending_bytes: see :class:`chatcli.store.interface.Log`.
        error: why the last batch could not be written; None if it could.
    """

    def __init__(self, submit: Callable[[Batch], object]) -> None:
        self._pass_on = submit
        self._waiting = Batch()
        self._writing: deque[Batch] = deque()  # those that were submitted
        self._positions_wanted = False  # even if nothing else waits
        self.pending_bytes = 0
        self.error: str | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing but positions of users waits, and nothing is being written."""
        return not self._writing and not (self._waiting.entries or self._waiting.changes)

    def append_messages(self, entries: list[Entry], size: int) -> None:
        """Queue messages; ``size`` is the sum of theirs."""
        size += len(entries) * _OVERHEAD
        self._waiting.entries += entries
        self._waiting.bytes += size
        self.pending_bytes += size

    def append_change(self, record: Record, on_outcome: OnOutcome = ignore, cause: object = None) -> None:
        """Queue a record, see :class:`chatcli.store.interface.Log`."""
        self._waiting.changes.append(Change(record, on_outcome, len(self._waiting.entries), Outcome(cause)))

    def set_received(self, user: int, seq: int) -> None:
        """Queue the ``seq`` up to which a client of a user has received their feed."""
        self._waiting.received[user] = max(seq, self._waiting.received.get(user, 0))

    def set_read(self, user: int, of: int, position: ReadRecord | None) -> None:
        """Queue a read position."""
        self._waiting.reads[user, of] = position

    def commit(self, *, positions: bool = False) -> None:
        """Submit what waits; while earlier batches are being written, a small batch waits to become a larger one."""
        self._positions_wanted |= positions
        if positions and self.error is not None and self.idle:
            self.append_change(Probe())  # perhaps no sender tries again: this finds out whether the log can be written
        waiting = self._waiting
        wanted = waiting.entries or waiting.changes or (self._positions_wanted and waiting.has_positions)
        if not wanted:
            return
        if self._writing and (len(self._writing) >= _MAX_BATCHES or len(waiting.entries) < _MIN_MESSAGES):
            return
        self._submit_waiting()

    def commit_rest(self) -> None:
        """Submit what waits, when the log is about to be closed."""
        # Positions that could not be written just now are not worth another wait: their messages come again.
        if self._waiting.entries or self._waiting.changes or (self._waiting and self.error is None):
            self._submit_waiting()
        self._waiting = Batch()

    def submit_alone(self, record: Record) -> Batch:
        """Submit a record in a batch of its own, before what waits; return that batch."""
        batch = Batch()
        batch.changes.append(Change(record, ignore, 0, Outcome()))
        self._submit(batch)
        return batch

    def _submit_waiting(self) -> None:
        batch, self._waiting = self._waiting, Batch()
        self._positions_wanted = False
        self._submit(batch)

    def _submit(self, batch: Batch) -> None:
        self._writing.append(batch)
        self._pass_on(batch)

    def finish(self, batch: Batch, error: StoreError | None) -> None:
        """Record that the oldest batch that was submitted is written, or has failed.

        The positions of a failed batch go into the next one, unless there are newer ones; its messages and records do
        not.
        """
        self._writing.popleft()
        self.pending_bytes -= batch.bytes
        self.error = None if error is None else str(error)
        if error is not None:
            self._keep_positions(batch)
            for change in batch.changes:
                change.outcome.error = error

    def _keep_positions(self, batch: Batch) -> None:
        for user, seq in batch.received.items():
            self.set_received(user, seq)
        newer = [later.reads for later in (*self._writing, self._waiting)]
        for conversation, position in batch.reads.items():
            if not any(conversation in reads for reads in newer):
                self._waiting.reads[conversation] = position
