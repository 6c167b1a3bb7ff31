"""Gives the terminal back as it was while the program is stopped and when a signal ends it, and takes it again.

prompt_toolkit does so for Ctrl-Z alone. A program that another one stops (``kill -TSTP``) would leave its shell without
echo, and find the terminal in the shell's modes when it goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable
from typing import Final, Self

from prompt_toolkit.application import Application
from prompt_toolkit.key_binding import KeyBindings

from chatcli.client.tui.terminal.reflow import ReflowRenderer

_ENDS: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
_WAIT: Final = 0.3  # seconds, while another program has the terminal


class Modes:
    """The modes of the terminal that standard input is.

    Attributes:
        at_end: what to do before a signal ends the program.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._terminal = sys.stdin.fileno()
        self._app: Application[str] | None = None
        self._before: list[int | list[bytes | int]] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self.at_end: list[Callable[[], None]] = []
        with contextlib.suppress(termios.error):
            self._before = termios.tcgetattr(self._terminal)

    def __enter__(self) -> Self:
        self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self._loop.add_signal_handler(signal.SIGCONT, self._go_on)
        for number in _ENDS:
            self._loop.add_signal_handler(number, self._end, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGTSTP, signal.SIGCONT, *_ENDS):
            self._loop.remove_signal_handler(number)
        if self._waiting is not None:
            self._waiting.cancel()

    def watch(self, app: Application[str]) -> None:
        """Take this for what is drawn on the terminal from now on."""
        self._app = app

    def bind(self, bindings: KeyBindings) -> None:
        """Have Ctrl-Z stop the program."""

        @bindings.add("c-z", eager=True)
        def _stop(_: object) -> None:
            self.suspend(together=True)

    def suspend(self, *, together: bool = False) -> None:
        """Stop; return when the program goes on.

        Args:
            together: whether to stop those, too, that the shell has started together with this program.
        """
        self._give_back()
        self._loop.remove_signal_handler(signal.SIGTSTP)  # leaves the signal's usual effect
        os.kill(0 if together else os.getpid(), signal.SIGTSTP)
        self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self._go_on()

    def _is_drawing(self) -> bool:
        """Return whether the terminal is ours, and not an editor's."""
        return self._app is not None and self._app.is_running and not self._app._running_in_terminal  # noqa: SLF001 (not told otherwise)

    def _give_back(self) -> None:
        if not self._is_drawing() or self._app is None:
            return
        with contextlib.suppress(OSError, termios.error):  # the terminal has gone away
            self._app.renderer.erase()
            if self._before is not None:
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)

    def _go_on(self) -> None:
        """Take the terminal, as soon as no other program has it, and draw anew."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if not self._is_drawing() or self._app is None:
            return
        in_front = self._in_front()
        if isinstance(self._app.renderer, ReflowRenderer):
            self._app.renderer.paused = not in_front
        if not in_front:  # after `bg`: to change modes now would stop us again
            self._waiting = self._loop.call_later(_WAIT, self._go_on)
            return
        with contextlib.suppress(OSError, termios.error):
            self._app.input.raw_mode().__enter__()  # left with the one that the application has entered
            self._app.renderer.erase()  # what was drawn stands there where nothing has stopped us
            self._app.invalidate()

    def _in_front(self) -> bool:
        try:
            return os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:  # not the terminal that controls us: nobody else can have it
            return True

    def _end(self, number: int) -> None:
        try:
            for do in self.at_end:
                do()
        finally:
            self._give_back()
            self._loop.remove_signal_handler(number)  # leaves the signal's usual effect
            os.kill(os.getpid(), number)
