"""Threads that read from the log beside the writer, each on a connection of its own."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from chatcli.errors import ChatError, StoreError
from chatcli.store.interface import Post
from chatcli.store.queries import OnResult
from chatcli.store.sqlite.connection import connect
from chatcli.store.sqlite.fair_queue import FairQueue

logger = logging.getLogger(__name__)

_CLOSED: Final = StoreError("the log is closed")
Answer = TypeVar("Answer")
#: Reads something; returns it, and how often the file's being damaged was in the way.
Reading = Callable[[sqlite3.Connection], tuple[Answer, int]]


class _Asked(NamedTuple):
    """A question, and who is told the answer."""

    reading: Reading[Any]
    done: OnResult[Any]


class ReaderPool:
    """Answers questions in threads of their own, which people share: nobody has all of them.

    Args:
        path: the log.
        post: runs a callable in the owner's thread.
        threads: how many there are.

    Attributes:
        damaged: how often something could not be read because the file is damaged.
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
        self._queue: FairQueue[_Asked] = FairQueue(max(1, threads - 1))

    def waiting(self, person: int) -> int:
        """Return how many questions of one person wait for their turn."""
        with self._lock:
            return self._queue.waiting(person)

    def submit(self, person: int, reading: Reading[Answer], done: OnResult[Answer]) -> None:
        """Read something for a person in one of the threads; ``done`` is called in the owner's."""
        if self._closed:
            self._post(done, None, _CLOSED)
            return
        with self._lock:
            self._queue.put(person, _Asked(reading, done))
        self._threads.submit(self._work)

    def _work(self) -> None:
        """Answer what waits, as long as there is something whose turn it may be.

        What is left then waits for somebody's turn to end, and the thread in which it does takes it up.
        """
        while True:
            with self._lock:
                found = self._queue.get()
            if found is None:
                return
            person, asked = found
            begun = time.monotonic()
            self._answer(asked)
            with self._lock:
                self._queue.done(person, time.monotonic() - begun)

    def _answer(self, asked: _Asked) -> None:
        try:
            answer, damaged = asked.reading(self._connection())
        except Exception as error:  # noqa: BLE001 (whoever asked is told)
            self._post(asked.done, None, self._explain(error))
        else:
            self._post(self._hand_over, asked.done, answer, damaged)

    def _explain(self, error: BaseException) -> ChatError:
        if self._closed:
            return _CLOSED
        if isinstance(error, ChatError):
            return error
        logger.error("Cannot read the log %s: %s", self._path, error)
        return StoreError(f"cannot read the log: {error}")

    def _hand_over(self, done: OnResult[Answer], answer: Answer, damaged: int) -> None:
        if damaged:
            self.damaged += 1
            logger.error("The log %s is damaged: something could not be read in %d places.", self._path, damaged)
        done(answer, None)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._path, create=False)
            connection.execute("PRAGMA query_only = ON")
            self._connections.append(connection)
        return connection

    def close(self, *, wait: bool) -> None:
        """Interrupt what is being read, and let go of the files if the threads can be waited for."""
        self._closed = True
        for connection in self._connections:
            connection.interrupt()
        with self._lock:
            left = self._queue.clear()
        for asked in left:
            self._post(asked.done, None, _CLOSED)
        self._threads.shutdown(wait=wait, cancel_futures=True)
        if wait:
            for connection in self._connections:
                connection.close()
