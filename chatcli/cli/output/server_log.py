"""The log of a server on standard error, written by a thread of its own so that it never blocks the server.

Standard error may be a terminal that was stopped with Ctrl-S, a pipe that nobody reads, or a file on a disk that is
full. Lines that cannot be written are counted, and their number is written as soon as that is possible again.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections import deque
from typing import Final

_STDERR: Final = 2
_HELD: Final = 1024 * 1024  # bytes that wait to be written
_AT_ONCE: Final = 64 * 1024  # bytes in one write, about
_PAUSE: Final = 1000  # milliseconds between attempts to write to a full descriptor


class LogOutput(logging.Handler):
    """Standard error.

    Args:
        descriptor: the file to write to.
        held: the most bytes that wait to be written.
    """

    def __init__(self, descriptor: int = _STDERR, held: int = _HELD) -> None:
        super().__init__()
        self.descriptor = descriptor
        self._held = held
        self._encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._size = 0  # bytes of what waits
        self._busy = False
        self._lost = 0  # lines
        self._torn = False  # the last write ended within a line
        # A daemon: nothing can end a write to a stopped terminal, and the process must end all the same.
        self._writer = threading.Thread(target=self._write_all, name="log output", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record."""
        self.write(self.format(record))

    def write(self, line: str) -> None:
        """Queue a line; if too much waits already, count it as lost."""
        data = f"{line}\n".encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._size + len(data) > self._held:
                self._lost += 1
                return
            self._lines.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until all lines are written, at most for ``seconds``."""
        end = time.monotonic() + seconds
        with self._changed:
            while (self._lines or self._busy) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def _write_all(self) -> None:
        while True:
            lines = self._next()
            if not self._written(b"".join(lines)):
                with self._changed:
                    self._lost += len(lines)
            elif self._lost:
                self._report_lost()

    def _next(self) -> list[bytes]:
        """Wait for lines, and return the next ones."""
        lines: list[bytes] = []
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            while not self._lines:
                self._changed.wait()
            size = 0
            while self._lines and size < _AT_ONCE:
                lines.append(self._lines.popleft())
                size += len(lines[-1])
            self._size -= size
            self._busy = True
        return lines

    def _report_lost(self) -> None:
        with self._changed:
            if self._lines:
                return  # these came before what was lost
            count, self._lost = self._lost, 0
        what = "1 log line" if count == 1 else f"{count} log lines"
        if not self._written(f"{what} could not be written.\n".encode()):
            with self._changed:
                self._lost += count

    def _written(self, data: bytes) -> bool:
        """Write all of ``data``; return whether that was possible."""
        if self._torn:
            data = b"\n" + data
        while data:
            try:
                count = os.write(self.descriptor, data)
            except BlockingIOError:  # made non-blocking by another process
                _wait(self.descriptor)
                continue
            except OSError:
                return False
            data, self._torn = data[count:], not data[:count].endswith(b"\n")
        return True


def _wait(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll(_PAUSE)
