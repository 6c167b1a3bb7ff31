"""The log in SQLite: WAL, ``synchronous=FULL``, one writer thread with group commit, readers beside it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final

from chatcli.errors import StoreError
from chatcli.protocol.text import printable_line
from chatcli.store import reader, schema
from chatcli.store.log import (
    Batch,
    Change,
    Committed,
    Entry,
    FeedPage,
    FeedQuery,
    KeyRecord,
    PageRead,
    Post,
    Record,
    Ruling,
    Settled,
    UserRecord,
)
from chatcli.store.writer import Writer

logger = logging.getLogger(__name__)

_FILE: Final = "chatcli.db"
_LOCK: Final = "lock"
_READERS: Final = 2
_BUSY_SECONDS: Final = 2  # how long another program may hold the database before senders are told
_CLOSING_SECONDS: Final = 1  # for the last batch; a disk that hangs must not keep the server from ending
_CLOSED: Final = StoreError("the log is closed")
_OVERHEAD: Final = 200  # bytes that a waiting message takes beside its text, about


class SqliteLog:
    """See :class:`chatcli.store.log.Log`.

    Args:
        directory: where the database lies; made if it is not there, readable for its owner only.
        post: runs a callable in the owner's thread.
        committed: told of every batch.

    Raises:
        StoreError: the directory cannot be used, another server uses it, or what lies there is no log of ours.
    """

    def __init__(self, directory: Path, *, post: Post, committed: Committed) -> None:
        self._post = post
        self._committed = committed
        self._waiting = Batch()
        self._pending_bytes = 0
        self._writing = False
        self._cursors_wanted = False  # even if nothing else waits
        self._closed = False
        self._failed = False  # the last batch could not be written
        self._path = directory / _FILE
        self._lock = _lock(directory)
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> None:
        with _explained(f"Cannot use the log {self._path}"):
            self._path.touch(mode=0o600)  # SQLite gives its other files the mode of this one
            connection = _connect(self._path)
            try:
                schema.check(connection)  # before anything is changed in what may be someone else's file
                connection.execute("PRAGMA journal_mode = WAL")
                schema.migrate(connection)
                self._users = reader.read_users(connection)
                self._keys = reader.read_keys(connection)
                self._rulings = reader.read_rulings(connection)
                self.head = reader.read_head(connection)
                self._writer = Writer(connection, self._path)
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()  # holds one batch at most: see commit()
        self._thread = threading.Thread(target=self._write_batches, name="log-writer", daemon=True)
        self._thread.start()
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="log-reader")

    @property
    def pending_bytes(self) -> int:
        """About how much text waits to be committed."""
        return self._pending_bytes

    @property
    def idle(self) -> bool:
        """Whether nothing but read positions waits, and nothing is being written."""
        return not self._writing and not (self._waiting.entries or self._waiting.changes)

    def users(self) -> list[UserRecord]:
        """Return everyone who had been here when the log was opened, the longest known first."""
        return self._users

    def keys(self) -> list[KeyRecord]:
        """Return the keys of all users as they were when the log was opened, the oldest first."""
        return self._keys

    def rulings(self) -> list[Ruling]:
        """Return the rulings as they were when the log was opened."""
        return self._rulings

    def add(self, entry: Entry) -> None:
        """Queue a message; it is written at the next :meth:`commit`."""
        self._waiting.entries.append(entry)
        self._pending_bytes += len(entry.text) + _OVERHEAD

    def change(self, record: Record, settled: Settled) -> None:
        """Queue anything but a message; written before the messages of the same batch."""
        self._waiting.changes.append(Change(record, settled))

    def move_cursor(self, user: int, seq: int) -> None:
        """Note how far a user has read; written with the next commit."""
        self._waiting.cursors[user] = max(seq, self._waiting.cursors.get(user, 0))

    def commit(self, *, cursors: bool = False) -> None:
        """Write what is queued, now or as soon as the batch before is done."""
        self._cursors_wanted |= cursors
        waiting = self._waiting
        wanted = waiting.entries or waiting.changes or (self._cursors_wanted and waiting.cursors)
        if self._writing or self._closed or not wanted:
            return
        self._writing = True
        self._cursors_wanted = False
        self._waiting = Batch()
        self._batches.put(waiting)

    def _write_batches(self) -> None:
        while (batch := self._batches.get()) is not None:
            error = None
            try:
                self._writer.write(batch)
            except sqlite3.Error as cause:
                error = StoreError(f"cannot write the log {self._path}: {cause}")
            except Exception as cause:
                # A fault of ours: whoever waits for this batch must hear of it all the same.
                logger.exception("The log writer failed.")
                error = StoreError(f"cannot write the log {self._path}: {cause!r}")
            self._tell(self._done, batch, error)

    def _tell(self, function: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop is closed: nobody waits any more
            self._post(function, *arguments)

    def _done(self, batch: Batch, error: StoreError | None) -> None:
        """Hand the result over; in the owner's thread."""
        self._writing = False
        self._failed = error is not None
        self._pending_bytes -= sum(len(entry.text) + _OVERHEAD for entry in batch.entries)
        if error is None:
            self.head = max((entry.seq for entry in batch.entries if not entry.duplicate), default=self.head)
        else:
            logger.error("%s", error)
            for user, seq in batch.cursors.items():
                self.move_cursor(user, seq)
        self.commit()
        self._committed(batch, error)

    def read_feed(self, query: FeedQuery, done: PageRead) -> None:
        """Read a stretch of a feed beside the writer."""

        def finish(future: Future[FeedPage]) -> None:
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or (error is not None and self._closed):
                self._tell(done, None, _CLOSED)
            elif error is None:
                self._tell(done, future.result(), None)
            else:
                logger.error("Cannot read the log %s: %s", self._path, error)
                self._tell(done, None, StoreError(f"cannot read the log: {error}"))

        if self._closed:
            self._tell(done, None, _CLOSED)
        else:
            self._readers.submit(self._read, query).add_done_callback(finish)

    def _read(self, query: FeedQuery) -> FeedPage:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._path, create=False)
            connection.execute("PRAGMA query_only = ON")
            self._read_connections.append(connection)
        return reader.read_feed(connection, query)

    def close(self) -> None:
        """Write what is queued, then let go of the files. Harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        # Cursors that could not be written just now are not worth another wait: what they point at is shown again.
        if self._waiting.entries or self._waiting.changes or (self._waiting and not self._failed):
            self._batches.put(self._waiting)
        self._waiting = Batch()
        self._batches.put(None)
        self._thread.join(_CLOSING_SECONDS)
        for connection in self._read_connections:
            connection.interrupt()
        self._readers.shutdown(wait=not self._thread.is_alive(), cancel_futures=True)
        if not self._thread.is_alive():
            for connection in [*self._read_connections, self._connection]:
                connection.close()
            self._lock.close()


class _Taken(StoreError):
    """Another process has the lock."""


def _connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _lock(directory: Path) -> IO[str]:
    """Take the directory for this process; the kernel gives it back when the process ends, however it ends."""
    with _explained(f"Cannot use the data directory {directory}"):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(directory / _LOCK, "a+", opener=_private)  # noqa: SIM115 (held as long as the log is open)
    try:
        with _explained(f"Cannot lock the data directory {directory}"):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except _Taken:
        lock.seek(0)
        owner = printable_line(lock.read(20).strip())
        lock.close()
        raise StoreError(
            f"Another chatcli server (process {owner or 'unknown'}) uses the data directory {directory}: "
            "stop it first, or give this one its own with --data."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what the system says into a sentence that begins with ``what``."""
    try:
        yield
    except StoreError as error:
        raise StoreError(f"{what}: {error}.") from None
    except sqlite3.Error as error:
        raise StoreError(f"{what}: {error}. Move it away, or choose another directory with --data.") from None
    except BlockingIOError:
        raise _Taken(what) from None
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"{what}: there is a file in its place. Choose another with --data.") from None
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}. Choose another with --data.") from None
