"""A log for simulations: the real queue, the real writer in the same thread, and real reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chatcli.errors import ChatError, StoreError
from chatcli.store import log_reader
from chatcli.store.batch import Batch, Entry, OnOutcome, ignore
from chatcli.store.database import Database
from chatcli.store.interface import CommitTimes, Health, OnCommit, State
from chatcli.store.log_queue import LogQueue
from chatcli.store.queries import OnResult, Query, Result
from chatcli.store.records import Prune, ReadRecord, Record
from chatcli.store.sqlite.connection import connect


class SimulatedLog:
    """See :class:`chatcli.store.interface.Log`; its owner decides when what was submitted is written.

    Args:
        directory: the data directory.
        call_soon: calls a callback in the next run of the loop.
        on_commit: called there with every batch.
        number: the number of its node, which gives out ids that no other does.
        nodes: the number of all nodes.
    """

    def __init__(
        self,
        directory: Path,
        call_soon: Callable[[Callable[[], None]], object],
        on_commit: OnCommit,
        *,
        number: int,
        nodes: int,
    ) -> None:
        self._call_soon = call_soon
        self._on_commit = on_commit
        self._number = number
        self._nodes = nodes
        self._submitted: list[Batch] = []
        self._own: list[Batch] = []  # those that were submitted and are not reported yet
        self._queue = LogQueue(self._submit)
        self._database = Database(directory)
        self._reading = connect(self._database.path, create=False)
        self._reading.execute("PRAGMA query_only = ON")
        self._state = self._database.release_state()
        self._users = max((user.id for user in self._state.users), default=0)
        self._rooms = max((-room.id for room in self._state.rooms), default=0)
        self._steps: int | None = None  # of the database, after which the next transaction is interrupted
        self._on_interrupt: Callable[[], bool] = bool
        self._closed = False
        self.head = self._database.head
        self.epoch = self._database.epochs.current
        self.commit_times = CommitTimes()

    # What the hub calls

    @property
    def pending_bytes(self) -> int:
        return self._queue.pending_bytes

    @property
    def idle(self) -> bool:
        return self._queue.idle

    @property
    def writable(self) -> bool:
        return self._queue.error is None

    def load(self) -> State:
        state, self._state = self._state, State()
        return state

    def shared(self, epoch: str) -> int | None:
        return self.head if epoch == self.epoch else self._database.epochs.end_of(epoch)

    def append_message(self, entry: Entry) -> None:
        self._queue.append_messages([entry], entry.size)

    def append_messages(self, entries: list[Entry], size: int) -> None:
        self._queue.append_messages(entries, size)

    def append_change(self, record: Record, on_outcome: OnOutcome = ignore, cause: object = None) -> None:
        self._queue.append_change(record, on_outcome, cause)

    def new_user_id(self) -> int:
        self._users = self._next(self._users)
        return self._users

    def new_room_id(self) -> int:
        self._rooms = self._next(self._rooms)
        return -self._rooms

    def _next(self, used: int) -> int:
        """Return the next number that is this node's to give."""
        return used + 1 + (self._number - used - 1) % self._nodes

    def set_received(self, user: int, seq: int) -> None:
        self._queue.set_received(user, seq)

    def set_read(self, user: int, of: int, position: ReadRecord | None) -> None:
        self._queue.set_read(user, of, position)

    def commit(self, *, positions: bool = False) -> None:
        if not self._closed:
            self._queue.commit(positions=positions)

    def read(self, query: Query[Result], on_result: OnResult[Result]) -> None:
        """Read at once; the result is reported in the next run of the loop."""
        read: Callable[[sqlite3.Connection, Any], tuple[Any, int]] = log_reader._READS[type(query)]
        try:
            result, _ = read(self._reading, query)
        except ChatError as error:
            reason = error
            self._call_soon(lambda: on_result(None, reason))
        else:
            self._call_soon(lambda: on_result(result, None))

    def prune(self, before: int, now: int) -> None:
        self._queue.append_change(Prune(0, self.head, before, now))

    def health(self) -> Health:
        return Health(error=self._queue.error, since=0, damaged=0, bytes=0)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._reading.close()
            self._database.close()

    # What its node calls

    def _submit(self, batch: Batch) -> None:
        self._submitted.append(batch)

    def take_submitted(self) -> list[Batch]:
        """Return the batches that were submitted since the last call."""
        submitted, self._submitted = self._submitted, []
        self._own += submitted
        return submitted

    def write(self, batches: Sequence[Batch]) -> bool:
        """Write batches in one transaction; report them, and the error if that has failed."""
        return self._write(batches, report_error=True)

    def apply(self, batches: Sequence[Batch]) -> bool:
        """Write batches in one transaction, as often as they come; report them once that has succeeded."""
        return self._write(batches, report_error=False)

    def _write(self, batches: Sequence[Batch], *, report_error: bool) -> bool:
        error = None
        try:
            with self._interrupting():
                self._database.writer.write_all(batches)
        except sqlite3.Error as cause:
            error = StoreError(f"cannot write the log: {cause}")
        if error is None or report_error:
            for batch in batches:
                self._report(batch, error)
        return error is None

    def _report(self, batch: Batch, error: StoreError | None) -> None:
        def report() -> None:
            if self._own and batch is self._own[0]:
                del self._own[0]
                self._queue.finish(batch, error)
            if error is None:
                self.head = max(self.head, batch.newest)
            self._on_commit(batch, error)

        self._call_soon(report)

    @contextmanager
    def interrupted(self, steps: int, on_interrupt: Callable[[], bool]) -> Iterator[None]:
        """Interrupt each transaction in the block after a number of steps of the database.

        Args:
            steps: the number; a transaction that has fewer is not interrupted.
            on_interrupt: called then; returns whether the transaction is to fail.
        """
        self._steps, self._on_interrupt = steps, on_interrupt
        try:
            yield
        finally:
            self._steps = None

    @contextmanager
    def _interrupting(self) -> Iterator[None]:
        if self._steps is None:
            yield
            return
        left, done, connection = self._steps, False, self._database.connection

        def step() -> bool:
            nonlocal left, done
            left -= 1
            # Not in the last step of a COMMIT: it would be reported as a failure, and everything would be written.
            if done or left > 0 or not connection.in_transaction:
                return False
            done = True
            return self._on_interrupt()

        connection.set_progress_handler(step, 1)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)
