"""The log in SQLite: WAL, ``synchronous=FULL``, one writer thread with group commit, readers beside it."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.database import Database
from chatcli.store.interface import Health, OnCommit, Post, State
from chatcli.store.log_reader import LogReader
from chatcli.store.queries import OnResult, Query, Result
from chatcli.store.records import Batch, Change, Entry, OnWritten, Probe, ReadRecord, Record, ignore
from chatcli.store.search.index import SearchIndex
from chatcli.store.sqlite.connection import size
from chatcli.store.upkeep import Upkeep
from chatcli.store.writer_thread import WriterThread

logger = logging.getLogger(__name__)

_CLOSING_SECONDS: Final = 1  # for the last batch; a disk that hangs must not keep the server from ending
_MAX_BATCHES: Final = 3  # given to the writer at a time, so that it need not wait for the owner between two of them
_MIN_MESSAGES: Final = 1000  # of a batch while another is being written; fewer wait for more
_OVERHEAD: Final = 200  # bytes of memory for a waiting message besides its text, about


class SqliteLog:
    """See :class:`chatcli.store.interface.Log`.

    Args:
        directory: the data directory; made if it is missing, readable for its owner only.
        post: runs a callable in the owner's thread.
        on_commit: called with every batch.

    Raises:
        StoreError: the directory cannot be used, another server uses it, or the file is not a log.
    """

    def __init__(self, directory: Path, *, post: Post, on_commit: OnCommit) -> None:
        self._post_to_owner = post
        self._on_commit = on_commit
        self._waiting = Batch()
        self._pending_bytes = 0
        self._writing: deque[Batch] = deque()  # those that the writer has
        self._positions_wanted = False  # even if nothing else waits
        self._closed = False
        self._error: str | None = None  # why the last batch could not be written
        self._error_since = 0
        self._database = Database(directory)
        self.head = self._database.head
        self.epoch = self._database.epochs.current
        self._index = SearchIndex(self._database.path)
        upkeep = Upkeep(self._database, self._index.remove)
        self._thread = WriterThread(self._database.writer, upkeep, self._written)
        self.commit_times = self._thread.times
        self._reader = LogReader(self._database.path, self._index, self._post)

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    @property
    def idle(self) -> bool:
        return not self._writing and not (self._waiting.entries or self._waiting.changes)

    @property
    def writable(self) -> bool:
        return self._error is None

    def load(self) -> State:
        return self._database.release_state()

    def shared(self, epoch: str) -> int | None:
        return self.head if epoch == self.epoch else self._database.epochs.end_of(epoch)

    def append_message(self, entry: Entry) -> None:
        self.append_messages([entry], entry.size)

    def append_messages(self, entries: list[Entry], size: int) -> None:
        size += len(entries) * _OVERHEAD
        self._waiting.entries += entries
        self._waiting.bytes += size
        self._pending_bytes += size

    def append_change(self, record: Record, on_written: OnWritten = ignore) -> None:
        self._waiting.changes.append(Change(record, on_written, len(self._waiting.entries)))

    def set_received(self, user: int, seq: int) -> None:
        self._waiting.received[user] = max(seq, self._waiting.received.get(user, 0))

    def set_read(self, user: int, of: int, position: ReadRecord | None) -> None:
        self._waiting.reads[user, of] = position

    def commit(self, *, positions: bool = False) -> None:
        self._positions_wanted |= positions
        if positions and self._error is not None and self.idle:
            self.append_change(Probe())  # nobody may try again who knows that it failed
        waiting = self._waiting
        wanted = waiting.entries or waiting.changes or (self._positions_wanted and waiting.has_positions)
        if self._closed or not wanted:
            return
        if self._writing and (len(self._writing) >= _MAX_BATCHES or len(waiting.entries) < _MIN_MESSAGES):
            return
        self._submit()

    def _submit(self) -> None:
        """Give the queue to the writer."""
        self._writing.append(self._waiting)
        self._thread.submit(self._waiting)
        self._waiting = Batch()
        self._positions_wanted = False

    def _written(self, batch: Batch, error: StoreError | None) -> None:
        """Report the outcome of a batch; in the writer's thread."""
        self._post(self._finish, batch, error)
        self._index.wake()

    def _post(self, function: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop is closed: nobody waits any more
            self._post_to_owner(function, *arguments)

    def _finish(self, batch: Batch, error: StoreError | None) -> None:
        """Report the outcome of a batch; in the owner's thread."""
        self._writing.popleft()
        self._pending_bytes -= batch.bytes
        if error is None:
            self._error, self._error_since = None, 0
            self.head = max(self.head, batch.newest)
        else:
            self._fail(batch, error)
        self._on_commit(batch, error)

    def _fail(self, batch: Batch, error: StoreError) -> None:
        probes = sum(isinstance(change.record, Probe) for change in batch.changes)
        if self._error is None or len(batch.entries) + len(batch.changes) > probes:
            logger.error("%s", error)
        self._error = str(error)
        self._error_since = self._error_since or time.time_ns() // 1_000_000
        for user, seq in batch.received.items():
            self.set_received(user, seq)
        newer = [later.reads for later in (*self._writing, self._waiting)]
        for conversation, position in batch.reads.items():
            if not any(conversation in reads for reads in newer):
                self._waiting.reads[conversation] = position

    def read(self, query: Query[Result], on_result: OnResult[Result]) -> None:
        self._reader.read(query, self.head, on_result)

    def prune(self, before: int) -> None:
        if not self._closed:
            self._thread.prune(before)

    def health(self) -> Health:
        return Health(
            error=self._error,
            since=self._error_since,
            damaged=self._reader.damaged,
            bytes=size(self._database.path, self._index.path),
        )

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # Positions that could not be written just now are not worth another wait: their messages come again.
        if self._waiting.entries or self._waiting.changes or (self._waiting and self._error is None):
            self._submit()
        self._waiting = Batch()
        ended = self._thread.stop(_CLOSING_SECONDS)
        self._index.stop()  # a search that waits for it would delay the readers' end
        self._reader.close(wait=ended)
        self._index.close(_CLOSING_SECONDS)
        if ended:
            self._database.close()
