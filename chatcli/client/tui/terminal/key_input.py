"""The keys of the terminal that standard input is."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyPress

from chatcli.client.tui.terminal.key_parser import KeyParser


class KeyInput(Vt100Input):
    """An input that gives back the keys when the rest of a paste or of a sequence never comes.

    Args:
        locate: takes the row and the column of the cursor, where the terminal was asked for it.

    Attributes:
        reads: how many times keys were read.
    """

    def __init__(self, locate: Callable[[int, int], None] = lambda _row, _column: None) -> None:
        super().__init__(sys.stdin)
        self.reads = 0
        self._parser = KeyParser(self._take, time.monotonic, locate)
        self.vt100_parser = self._parser
        self._ready: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, input_ready_callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context in which the loop calls back when there are keys."""
        return self._attached(input_ready_callback)

    def detach(self) -> AbstractContextManager[None]:
        """Return a context in which another program has the keys."""
        return self._detached()

    def read_keys(self) -> list[KeyPress]:
        """Return the keys that have come."""
        self.reads += 1
        keys = super().read_keys()
        self._stop()
        if self._parser.deadline is not None:
            wait = max(0.0, self._parser.deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)
        return keys

    def _take(self, press: KeyPress) -> None:
        self._buffer.append(press)  # which is another list after each reading

    def _expire(self) -> None:
        self._timer = None
        if self._ready is not None:
            self._parser.expire()
            self._ready()  # which reads the keys

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @contextlib.contextmanager
    def _attached(self, ready: Callable[[], None]) -> Iterator[None]:
        before, self._ready = self._ready, ready
        try:
            with super().attach(ready):
                yield
        finally:
            self._stop()
            self._ready = before

    @contextlib.contextmanager
    def _detached(self) -> Iterator[None]:
        self._stop()
        ready, self._ready = self._ready, None
        try:
            with super().detach():
                yield
        finally:
            self._ready = ready
            self._parser.reset()
