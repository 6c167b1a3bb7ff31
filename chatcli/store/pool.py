"""Threads that read from the log beside the writer, each on a connection of its own."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from chatcli.errors import ChatError, StoreError
from chatcli.store.files import connect
from chatcli.store.log import Done, Post

logger = logging.getLogger(__name__)

_CLOSED: Final = StoreError("the log is closed")
Answer = TypeVar("Answer")
#: Reads something; returns it, and how often the file's being damaged was in the way.
Reading = Callable[[sqlite3.Connection], tuple[Answer, int]]


class Readers:
    """Answers questions in threads of their own.

    Args:
        path: the log.
        post: runs a callable in the owner's thread.
        threads: how many there are.

    Attributes:
        waiting: how many questions have not been answered.
        damaged: how often something could not be read because the file is damaged.
    """

    def __init__(self, path: Path, post: Post, threads: int) -> None:
        self.waiting = 0
        self.damaged = 0
        self._path = path
        self._post = post
        self._closed = False
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="log-reader")

    def ask(self, reading: Reading[Answer], done: Done[Answer]) -> None:
        """Read something in one of the threads; ``done`` is called in the owner's."""
        if self._closed:
            self._post(done, None, _CLOSED)
            return

        def read() -> tuple[Answer, int]:
            return reading(self._connection())

        def finish(future: Future[tuple[Answer, int]]) -> None:
            error = _CLOSED if future.cancelled() else future.exception()
            if error is None:
                self._post(self._hand_over, done, *future.result())
            else:
                self._post(self._refuse, done, self._explain(error))

        self.waiting += 1
        self._threads.submit(read).add_done_callback(finish)

    def _explain(self, error: BaseException) -> ChatError:
        if self._closed:
            return _CLOSED
        if isinstance(error, ChatError):
            return error
        logger.error("Cannot read the log %s: %s", self._path, error)
        return StoreError(f"cannot read the log: {error}")

    def _refuse(self, done: Done[Answer], error: ChatError) -> None:
        self.waiting -= 1
        done(None, error)

    def _hand_over(self, done: Done[Answer], answer: Answer, damaged: int) -> None:
        self.waiting -= 1
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
        self._threads.shutdown(wait=wait, cancel_futures=True)
        if wait:
            for connection in self._connections:
                connection.close()
