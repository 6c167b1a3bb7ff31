"""The log in SQLite: WAL, ``synchronous=FULL``, one writer thread with group commit, readers beside it."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.batch import Batch, Entry, OnOutcome, ignore
from chatcli.store.database import Database
from chatcli.store.interface import Health, OnCommit, Post, State
from chatcli.store.log_queue import LogQueue
from chatcli.store.log_reader import LogReader
from chatcli.store.maintenance.upkeep import Upkeep
from chatcli.store.queries import OnResult, Query, Result
from chatcli.store.records import Probe, Prune, ReadRecord, Record
from chatcli.store.search.index import SearchIndex
from chatcli.store.sqlite.connection import size
from chatcli.store.writer_thread import WriterThread

logger = logging.getLogger(__name__)

_CLOSING_SECONDS: Final = 1  # for the last batch; a disk that hangs must not keep the server from ending


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
        self._closed = False
        self._error_since = 0  # of the first batch that could not be written, if the last one could not
        self._pruning = False
        self._prune: Batch | None = None  # that deletes old messages
        self._database = database = Database(directory)
        self.head = self._database.head
        self.epoch = self._database.epochs.current
        self._last_user, self._last_room = self._database.last_ids
        self._index = SearchIndex(self._database.path)
        upkeep = Upkeep(
            database.connection,
            database.path,
            pages=database.pages,
            deleted=database.writer.deleted,
            on_erased=self._index.remove,
        )
        self._thread = WriterThread(
            database.writer, upkeep, self._written, lambda found: self._post(self._found_old, found)
        )
        self._queue = LogQueue(self._thread.submit)
        self.commit_times = self._thread.times
        self._reader = LogReader(self._database.path, self._index, self._post)

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
        return self._database.release_state()

    def shared(self, epoch: str) -> int | None:
        return self.head if epoch == self.epoch else self._database.epochs.end_of(epoch)

    def append_message(self, entry: Entry) -> None:
        self.append_messages([entry], entry.size)

    def append_messages(self, entries: list[Entry], size: int) -> None:
        self._queue.append_messages(entries, size)

    def append_change(self, record: Record, on_outcome: OnOutcome = ignore, cause: object = None) -> None:
        self._queue.append_change(record, on_outcome, cause)

    def new_user_id(self) -> int:
        self._last_user += 1
        return self._last_user

    def new_room_id(self) -> int:
        self._last_room -= 1
        return self._last_room

    def set_received(self, user: int, seq: int) -> None:
        self._queue.set_received(user, seq)

    def set_read(self, user: int, of: int, position: ReadRecord | None) -> None:
        self._queue.set_read(user, of, position)

    def commit(self, *, positions: bool = False) -> None:
        if not self._closed:
            self._queue.commit(positions=positions)

    def _written(self, batch: Batch, error: StoreError | None) -> None:
        """Report the outcome of a batch; in the writer's thread."""
        self._post(self._finish, batch, error)
        self._index.wake()

    def _post(self, function: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop is closed: nobody waits any more
            self._post_to_owner(function, *arguments)

    def _finish(self, batch: Batch, error: StoreError | None) -> None:
        """Report the outcome of a batch; in the owner's thread."""
        failing = self._queue.error is not None
        self._queue.finish(batch, error)
        if error is None:
            self._error_since = 0
            self.head = max(self.head, batch.newest)
        else:
            probes = sum(isinstance(change.record, Probe) for change in batch.changes)
            if not failing or len(batch.entries) + len(batch.changes) > probes:
                logger.error("%s", error)
            self._error_since = self._error_since or time.time_ns() // 1_000_000
        if batch is self._prune:
            self._finish_pruning(batch)
        self._on_commit(batch, error)

    def read(self, query: Query[Result], on_result: OnResult[Result]) -> None:
        self._reader.read(query, self.head, on_result)

    def prune(self, before: int, now: int) -> None:
        if not (self._closed or self._pruning):
            self._pruning = True
            self._thread.find_old(before, now)

    def _found_old(self, record: Prune | None) -> None:
        """Have messages deleted that were found in the writer's thread."""
        if record is None or self._closed:
            self._pruning = False
        else:
            self._prune = self._queue.submit_alone(record)

    def _finish_pruning(self, batch: Batch) -> None:
        self._pruning, self._prune = False, None
        if batch.changes[0].outcome.conflict is not None:
            logger.error("Cannot delete old messages from the log %s: some of them are damaged", self._database.path)

    def health(self) -> Health:
        return Health(
            error=self._queue.error,
            since=self._error_since,
            damaged=self._reader.damaged,
            bytes=size(self._database.path, self._index.path),
        )

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._queue.commit_rest()
        ended = self._thread.stop(_CLOSING_SECONDS)
        self._index.stop()  # a search that waits for it would delay the readers' end
        self._reader.close(wait=ended)
        self._index.close(_CLOSING_SECONDS)
        if ended:
            self._database.close()
