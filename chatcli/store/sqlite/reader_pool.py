"""Threads that read the log beside the writer, each on a connection of its own."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from chatcli.errors import ChatError, StoreError
from chatcli.store.fair_queue import FairQueue
from chatcli.store.interface import Post
from chatcli.store.queries import OnResult, Result
from chatcli.store.sqlite.connection import connect

logger = logging.getLogger(__name__)

_CLOSED: Final = StoreError("the log is closed")
#: Returns the result of a read, and how often it met damage.
Read = Callable[[sqlite3.Connection], tuple[Result, int]]


class _Job(NamedTuple):
    """A read that waits, and the callback for its result."""

    read: Read[Any]
    on_result: OnResult[Any]


class ReaderPool:
    """Runs reads in threads that users share: none of them gets all threads.

    Args:
        path: the log.
        post: runs a callable in the owner's thread.
        threads: their number.

    Attributes:
        damaged: number of reads that met damage in the file.
    """

    def __init__(self, path: Path, post: Post, threads: int) -> None:
        self.damaged = 0
        self._path = path
        self._post = post
        self._closed = False
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="log-reader")
        self._lock = threading.Lock()
        self._queue: FairQueue[_Job] = FairQueue(max(1, threads - 1))

    def waiting(self, user: int) -> int:
        """Return the number of a user's reads that wait."""
        with self._lock:
            return self._queue.waiting(user)

    def submit(self, user: int, read: Read[Result], on_result: OnResult[Result]) -> None:
        """Run a user's read in one of the threads; ``on_result`` is called in the owner's."""
        if self._closed:
            self._post(on_result, None, _CLOSED)
            return
        with self._lock:
            self._queue.put(user, _Job(read, on_result))
        self._threads.submit(self._work)

    def _work(self) -> None:
        """Run the reads that wait, as long as one may be started.

        The others wait until one of the same user ends; the thread in which it does then starts them.
        """
        while True:
            with self._lock:
                found = self._queue.get()
            if found is None:
                return
            user, job = found
            started = time.monotonic()
            self._run(job)
            with self._lock:
                self._queue.finish(user, time.monotonic() - started)

    def _run(self, job: _Job) -> None:
        try:
            result, damaged = job.read(self._connection())
        except Exception as error:  # noqa: BLE001 (it is reported to the caller)
            self._post(job.on_result, None, self._explain(error))
        else:
            self._post(self._report, job.on_result, result, damaged)

    def _explain(self, error: BaseException) -> ChatError:
        if self._closed:
            return _CLOSED
        if isinstance(error, ChatError):
            return error
        logger.error("Cannot read the log %s: %s", self._path, error)
        return StoreError(f"cannot read the log: {error}")

    def _report(self, on_result: OnResult[Result], result: Result, damaged: int) -> None:
        if damaged:
            self.damaged += 1
            logger.error("The log %s is damaged: something could not be read in %d places.", self._path, damaged)
        on_result(result, None)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, create=False)
            connection.execute("PRAGMA query_only = ON")
            self._connections.append(connection)
        return connection

    def close(self, *, wait: bool) -> None:
        """Interrupt the reads, and close the files if the threads can be waited for."""
        self._closed = True
        for connection in self._connections:
            connection.interrupt()
        with self._lock:
            jobs = self._queue.clear()
        for job in jobs:
            self._post(job.on_result, None, _CLOSED)
        self._threads.shutdown(wait=wait, cancel_futures=True)
        if wait:
            for connection in self._connections:
                connection.close()
