"""Reports of the focus: the terminal says when its window, or its pane, gets the focus or loses it (xterm's mode 1004).

Terminals that do not know the mode ignore it, and tmux passes reports on only with ``set -g focus-events on``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

_ON: Final = "\x1b[?1004h"
_OFF: Final = "\x1b[?1004l"


class FocusReports:
    """Has the terminal of standard output send reports while the client reads them.

    A program that gets them without expecting any, such as the shell, would take them for keys.

    Attributes:
        on_stop: called when they are switched off: nobody knows then who has the focus.
    """

    def __init__(self) -> None:
        self.on_stop: Callable[[], None] = lambda: None
        self._are_on = False

    def start(self) -> None:
        """Switch the reports on."""
        self._are_on = True
        self._write(_ON)

    def stop(self) -> None:
        """Switch the reports off, if they are on."""
        if self._are_on:
            self._are_on = False
            self._write(_OFF)
            self.on_stop()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Switch the reports off within the context, in which another program has the terminal."""
        were_on = self._are_on
        self.stop()
        try:
            yield
        finally:
            if were_on:
                self.start()

    @staticmethod
    def _write(sequence: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone, or closed
            sys.stdout.write(sequence)
            sys.stdout.flush()
