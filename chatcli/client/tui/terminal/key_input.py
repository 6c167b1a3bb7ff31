"""The keyboard input of the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyPress

from chatcli.client.tui.terminal.focus import FocusReports
from chatcli.client.tui.terminal.key_parser import KeyParser


class KeyInput(Vt100Input):
    """An input that stops waiting if the rest of a paste or of a sequence never comes.

    Args:
        on_position: called with row and column when the terminal reports the cursor's position.
        on_key: called at each key, before it takes effect.
        on_focus: called when the terminal reports that it has got the focus, or lost it.
        reports: the reports of the focus, which no other program may get.

    Attributes:
        reads: the number of reads.
    """

    def __init__(
        self,
        on_position: Callable[[int, int], None] = lambda _row, _column: None,
        on_key: Callable[[], None] = lambda: None,
        *,
        on_focus: Callable[[bool], None] = lambda _: None,
        reports: FocusReports | None = None,
    ) -> None:
        super().__init__(sys.stdin)
        self.reads = 0
        self._on_key = on_key
        self._reports = reports or FocusReports()
        self._parser = KeyParser(self._add, time.monotonic, on_position, on_focus)
        self.vt100_parser = self._parser
        self._ready: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False

    def attach(self, input_ready_callback: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context in which the callback is called when there are keys."""
        return self._attached(input_ready_callback)

    def detach(self) -> AbstractContextManager[None]:
        """Return a context in which another program has the keys."""
        return self._detached()

    def pause(self) -> None:
        """Read no keys, because another program has the terminal.

        That program may take the keys between the report that there are some and the read, which would then block the
        whole client, or stop it (SIGTTIN).
        """
        self._paused = True
        self._stop()
        asyncio.get_running_loop().remove_reader(self.fileno())

    def resume(self) -> None:
        """Read keys again after :meth:`pause`."""
        if self._paused and self._ready is not None:
            self._parser.reset()
            asyncio.get_running_loop().add_reader(self.fileno(), self._ready)
        self._paused = False

    def read_keys(self) -> list[KeyPress]:
        """Return the keys read so far."""
        self.reads += 1
        keys = super().read_keys()
        self._stop()
        if self._parser.deadline is not None:
            wait = max(0.0, self._parser.deadline - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)
        return keys

    def _add(self, press: KeyPress) -> None:
        self._on_key()
        self._buffer.append(press)  # a new list after each read

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
            with super().detach(), self._reports.paused():
                yield
        finally:
            self._ready = ready
            self._parser.reset()
