"""Restores the terminal's modes while the program is stopped and when a signal ends it.

prompt_toolkit does so for Ctrl-Z only. A program stopped by another one (``kill -TSTP``) would leave its shell without
echo, and find the terminal in the shell's modes when it continues.
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

from chatcli.client.tui.terminal.focus import FocusReports
from chatcli.client.tui.terminal.key_input import KeyInput
from chatcli.client.tui.terminal.reflow import ReflowRenderer

_ENDING: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
_WAIT: Final = 0.3  # seconds, while another program has the terminal


class Modes:
    """The modes of the terminal of standard input.

    Attributes:
        focus_reports: on while the application reads keys.
        at_end: functions to call before a signal ends the program.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._terminal = sys.stdin.fileno()
        self._app: Application[str] | None = None
        self._before: list[int | list[bytes | int]] | None = None
        self._waiting: asyncio.TimerHandle | None = None
        self.focus_reports = FocusReports()
        self._reports_focus = False
        self.at_end: list[Callable[[], None]] = []
        with contextlib.suppress(termios.error):
            self._before = termios.tcgetattr(self._terminal)

    def __enter__(self) -> Self:
        self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self._loop.add_signal_handler(signal.SIGCONT, self._continue)
        for number in _ENDING:
            self._loop.add_signal_handler(number, self._end, number)
        return self

    def __exit__(self, *_: object) -> None:
        self.focus_reports.stop()
        for number in (signal.SIGTSTP, signal.SIGCONT, *_ENDING):
            self._loop.remove_signal_handler(number)
        if self._waiting is not None:
            self._waiting.cancel()

    def watch(self, app: Application[str]) -> None:
        """Make this the application that draws on the terminal from now on."""
        self._app = app

    def report_focus(self) -> None:
        """Have the terminal report its focus from now on, whenever the application reads keys."""
        self._reports_focus = True
        self.focus_reports.start()

    def bind(self, bindings: KeyBindings) -> None:
        """Add a binding by which Ctrl-Z stops the program."""

        @bindings.add("c-z", eager=True)
        def _stop(_: object) -> None:
            self.suspend(together=True)

    def suspend(self, *, together: bool = False) -> None:
        """Stop the program; return when it continues.

        Args:
            together: whether to stop the whole process group, as the terminal does.
        """
        self._restore()
        self._loop.remove_signal_handler(signal.SIGTSTP)  # restores the default action
        os.kill(0 if together else os.getpid(), signal.SIGTSTP)
        self._loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        self._continue()

    def _is_drawing(self) -> bool:
        """Return whether the application draws, and no editor has the terminal."""
        return self._app is not None and self._app.is_running and not self._app._running_in_terminal  # noqa: SLF001 (there is no public flag)

    def _restore(self) -> None:
        self.focus_reports.stop()
        if not self._is_drawing() or self._app is None:
            return
        with contextlib.suppress(OSError, termios.error):  # the terminal is gone
            self._app.renderer.erase()
            if self._before is not None:
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)

    def _continue(self) -> None:
        """Set the modes and draw again, once no other program has the terminal."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if not self._is_drawing() or self._app is None:
            return
        in_front = self._is_foreground()
        if isinstance(self._app.renderer, ReflowRenderer):
            self._app.renderer.paused = not in_front
        if isinstance(self._app.input, KeyInput):
            if in_front:
                self._app.input.resume()
            else:
                self._app.input.pause()
        if not in_front:  # after `bg`: changing modes now would stop the program again
            self._waiting = self._loop.call_later(_WAIT, self._continue)
            return
        if self._reports_focus:
            self.focus_reports.start()
        with contextlib.suppress(OSError, termios.error):
            self._app.input.raw_mode().__enter__()  # left together with the application's own
            self._app.renderer.erase()  # a drawing is still there if nothing has stopped the program
            self._app.invalidate()

    def _is_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._terminal) == os.getpgrp()
        except OSError:  # not the controlling terminal: no other program can have it
            return True

    def _end(self, number: int) -> None:
        try:
            for do in self.at_end:
                do()
        finally:
            self._restore()
            self._loop.remove_signal_handler(number)  # restores the default action
            os.kill(os.getpid(), number)
