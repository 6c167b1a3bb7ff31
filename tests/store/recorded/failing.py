"""A database connection that fails, or ends its process, before a statement or within one."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from chatcli.store.data_directory import DATABASE
from chatcli.store.writing.writer import Writer

_OPERATIONS: Final = 100  # of SQLite's machine in a step; most statements take fewer, one with many rows takes more


def fail() -> None:
    """Fail as a full disk does.

    Raises:
        sqlite3.OperationalError: always.
    """
    raise sqlite3.OperationalError("the disk is full")


def kill() -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


class FailingConnection(sqlite3.Connection):
    """A connection that counts statements and steps within them, and acts at one of them.

    Attributes:
        statements: the number of statements so far.
        steps: the number of steps within statements so far; a statement of few operations has none.
        lasting: go on to act after that statement, so that not even a ROLLBACK succeeds.
        committing: whether a COMMIT succeeds.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (those of any connection)
        super().__init__(*arguments, **named)
        self.statements = self.steps = 0
        self.lasting, self.committing = False, True
        self._statement = self._step = 0
        self._act = fail
        self.set_progress_handler(self._count_step, _OPERATIONS)

    def arm(self, act: Callable[[], None], *, statement: int = 0, step: int = 0) -> None:
        """Count from now on, and act before a statement or at a step; 1 is the next one, and 0 is none."""
        self.statements = self.steps = 0
        self._act, self._statement, self._step = act, statement, step

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 (as of any connection)
        """Count a statement and execute it."""
        self._count_statement()
        if sql != "COMMIT":
            return super().execute(sql, parameters)
        if not self.committing:
            fail()
        # SQLite would report the interruption, but have committed nonetheless.
        self.set_progress_handler(None, 0)
        try:
            return super().execute(sql)
        finally:
            self.set_progress_handler(self._count_step, _OPERATIONS)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Count a statement, once for all its rows, and execute it."""
        self._count_statement()
        return super().executemany(sql, parameters)

    def _count_statement(self) -> None:
        self.statements += 1
        after = self._statement and self.statements - self._statement
        if self._statement and (after == 0 or (after > 0 and self.lasting)):
            self._act()

    def _count_step(self) -> bool:
        """Return whether SQLite is to interrupt the statement, which is all that it can do of itself."""
        self.steps += 1
        if self.steps != self._step:
            return False
        if self._act is not fail:
            self._act()
        return True


@contextlib.contextmanager
def opened_to_fail(directory: Path) -> Iterator[tuple[FailingConnection, Writer]]:
    """Open a database of the newest schema on a connection that can fail."""
    path = directory / DATABASE
    connection = sqlite3.connect(path, isolation_level=None, factory=FailingConnection)
    with contextlib.closing(connection):
        connection.execute("PRAGMA synchronous = OFF")
        yield connection, Writer(connection, path)
