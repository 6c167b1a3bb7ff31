"""The log of a server on standard error, written by a thread of its own: it keeps nobody waiting.

Standard error may be a terminal that was stopped with Ctrl-S, a pipe that nobody reads, or a file on a disk that is
full. What cannot be written is counted, and the number is written as soon as something can be written again.
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
_PAUSE: Final = 1000  # milliseconds between looks whether a descriptor that is full takes more


class LogOutput(logging.Handler):
    """Standard error.

    Args:
        descriptor: what is written to.
        held: bytes that wait to be written at most.
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
        self._torn = False  # what was written last is not a whole line
        # A daemon: nothing can end a write to a terminal that was stopped, and the process ends all the same.
        self._writer = threading.Thread(target=self._write_all, name="log output", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written."""
        self.write(self.format(record))

    def write(self, line: str) -> None:
        """Have a line written; if too much waits already, count it."""
        data = f"{line}\n".encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._size + len(data) > self._held:
                self._lost += 1
                return
            self._lines.append(data)
            self._size += len(data)
            self._changed.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until all is written, but no longer than this."""
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
                self._tell_of_lost()

    def _next(self) -> list[bytes]:
        """Return the next lines, once there are some."""
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

    def _tell_of_lost(self) -> None:
        with self._changed:
            if self._lines:
                return  # these came before what was lost
            count, self._lost = self._lost, 0
        what = "1 log line" if count == 1 else f"{count} log lines"
        if not self._written(f"{what} could not be written.\n".encode()):
            with self._changed:
                self._lost += count

    def _written(self, data: bytes) -> bool:
        """Write all of this; return whether that was possible."""
        if self._torn:
            data = b"\n" + data
        while data:
            try:
                count = os.write(self.descriptor, data)
            except BlockingIOError:  # whoever shares it has made it so
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
