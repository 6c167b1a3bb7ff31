"""The real program in a real pseudo-terminal, its screen read by pyte."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Mapping
from typing import Self

import pyte
from pyte.screens import Char

from tests import preloaded
from tests.support import DEADLINE, environment, eventually

_BEGIN, _END = b"\x1b[?2026h", b"\x1b[?2026l"  # synchronized output


class Terminal:
    """A program on a pseudo-terminal: keys in, screen out."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        **env: str,
    ) -> None:
        self._start(columns, rows, env, lambda terminal, env: preloaded.start(arguments, (terminal,) * 3, env))

    @classmethod
    def of_shell(cls, script: str, columns: int = 80, rows: int = 24, **env: str) -> Self:
        """Run a line of shell in which ``{python}`` stands for the interpreter."""

        def start(terminal: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                ["sh", "-c", script.format(python=sys.executable)],
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                env=env,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (one thread runs in the child)
            )

        terminal = cls.__new__(cls)
        terminal._start(columns, rows, env, start)
        return terminal

    def _start(
        self,
        columns: int,
        rows: int,
        env: dict[str, str],
        start: Callable[[int, dict[str, str]], preloaded.Process | subprocess.Popen[bytes]],
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=1)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._undrawn = b""
        self._display: list[str] | None = None  # cached until more is drawn, because waiting tests poll it
        self._lines: list[str] | None = None  # the same
        # The input history of other tests, on a server of the same port, is not shared.
        self._state = tempfile.TemporaryDirectory(prefix="chatcli-state-")
        self.raw = bytearray()
        self.input_lines: list[str] = []  # the cursor's line after each complete drawing
        self.process = start(slave, environment(**{"XDG_STATE_HOME": self._state.name, **env}))
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            ended = self.process.poll() is not None  # polled before the data, so that its last output is read
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if self._closing.is_set() or (ended and not ready):
                return
            if not ready:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux's sign that the last user of the terminal has gone
                return
            with self._lock:
                self.raw += data
                self._draw(data)

    def _draw(self, data: bytes) -> None:
        """Draw output like a terminal with synchronized output, which shows such a drawing as a whole."""
        self._display = self._lines = None
        self._undrawn += data
        while self._undrawn:
            before, begin, drawing = self._undrawn.partition(_BEGIN)
            self._stream.feed(before)
            whole, end, rest = drawing.partition(_END)
            if not end:
                self._undrawn = begin + drawing
                return
            self._stream.feed(whole)
            self.input_lines.append(self._text(self._screen.buffer[self._screen.cursor.y]).rstrip())
            self._undrawn = rest

    def types(self, keys: str) -> None:
        """Press keys."""
        self.types_raw(keys.encode())

    def types_raw(self, keys: bytes) -> None:
        """Press keys that give these bytes."""
        os.write(self._master, keys)

    def _text(self, row: Mapping[int, Char]) -> str:
        """Return the text of a row; the second cell of a wide character is empty."""
        cells = [" "] * self._screen.columns
        for x, cell in row.items():  # drawn cells only
            if x < len(cells):
                cells[x] = cell.data
        return "".join(cells)

    def _shown(self) -> list[str]:
        """Return the rows of the screen."""
        if self._display is None:
            self._display = [self._text(self._screen.buffer[y]) for y in range(self._screen.lines)]
        return self._display

    @property
    def lines(self) -> list[str]:
        """Everything on the screen and scrolled off it, without blank lines and without the toolbar."""
        with self._lock:
            if self._lines is None:
                above = [self._text(row) for row in self._screen.history.top]
                screen = self._shown()
                below = self._toolbar_row()
                lines = [*above, *screen[:below], *screen[below + 1 :]]
                self._lines = [line.rstrip() for line in lines if line.strip()]
            return self._lines

    @property
    def toolbar(self) -> str:
        """The last line below that of the cursor."""
        with self._lock:
            row = self._toolbar_row()
            return self._shown()[row].rstrip() if row < self._screen.lines else ""

    @property
    def master(self) -> int:
        """The master end of the terminal, which has its modes."""
        return self._master

    @property
    def rows(self) -> list[str]:
        """The rows of the screen without the blank ones at the bottom."""
        with self._lock:
            rows = [row.rstrip() for row in self._shown()]
            while rows and not rows[-1]:
                rows.pop()
            return rows

    def _toolbar_row(self) -> int:
        """Return the row of the toolbar, or the number of rows if there is none."""
        below = range(self._screen.lines - 1, self._screen.cursor.y, -1)
        return next((row for row in below if self._shown()[row].strip()), self._screen.lines)

    @property
    def input_line(self) -> str:
        """The line of the cursor."""
        with self._lock:
            return self._shown()[self._screen.cursor.y].rstrip()

    @property
    def cursor_column(self) -> int:
        """The column of the cursor."""
        with self._lock:
            return self._screen.cursor.x

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        with self._lock:
            self._screen.resize(rows, columns)
            self._display = self._lines = None
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def shows(self, text: str) -> None:
        """Wait until the text is on the screen."""
        try:
            eventually(lambda: any(text in line for line in self.lines))
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen: {self.lines}") from None

    def shows_toolbar(self, text: str) -> None:
        """Wait until the text is in the toolbar."""
        try:
            eventually(lambda: text in self.toolbar)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in the toolbar: {self.toolbar!r} {self.lines}") from None

    def shows_input(self, text: str) -> None:
        """Wait until the input line is exactly this."""
        eventually(lambda: self.input_line == text, f"{text!r} in the input line")

    def hang_up(self) -> None:
        """Close the window."""
        self._closing.set()
        self._reader.join(DEADLINE)
        os.close(self._master)

    def end(self) -> int:
        """Wait for the end and for its last output, and return the exit status."""
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    @classmethod
    def printed(cls, *arguments: str, columns: int = 200, **env: str) -> list[str]:
        """Run the program, which must succeed, and return the lines that it leaves on the terminal."""
        with cls(*arguments, columns=columns, rows=24, **env) as terminal:
            assert terminal.end() == 0, terminal.lines
            terminal._reader.join(DEADLINE)
            return terminal.lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        if not self._closing.is_set():
            os.close(self._master)
        self._state.cleanup()
