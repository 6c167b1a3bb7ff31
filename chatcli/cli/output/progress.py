"""The progress of long operations: on standard error if that is a terminal, and never with ``--quiet``.

click's bar would be shown from the first moment, needs to know the total, and cannot give way to another line.
"""

from __future__ import annotations

import io
import sys
import time
from typing import IO, Final, Self

import click

from chatcli.cli.output.streams import quiet

_PATIENCE: Final = 1.0  # seconds; shorter operations show nothing
_PAUSE: Final = 0.1  # seconds between two drawings
_MEGABYTE: Final = 1_000_000


class Progress:
    """One line on the terminal, which is redrawn, and removed at the end.

    Args:
        what: the operation, as in "Copying".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + _PATIENCE
        self._wanted = sys.stderr is not None and sys.stderr.isatty() and not quiet()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hide()

    def share(self, done: float) -> None:
        """Show the share that is done, from 0 to 1."""
        self._show(f"{done:.0%}")

    def amount(self, count: int) -> None:
        """Show the number of bytes that are done, if their total is not known."""
        self._show(f"{count / _MEGABYTE:,.1f} MB")

    def hide(self) -> None:
        """Remove the line, for example before something else is printed."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._shown = False

    def _show(self, how_far: str) -> None:
        now = time.monotonic()
        if self._wanted and now >= self._next:
            self._next = now + _PAUSE
            self._shown = True
            click.echo(f"\r{self._what}: {how_far}\x1b[K", err=True, nl=False)


def watched(file: IO[bytes], size: int, progress: Progress) -> io.BufferedReader:
    """Return a reader of ``file`` that shows its progress; a ``size`` of 0 means that it is not known."""
    return io.BufferedReader(_Watched(file, size, progress), 1024 * 1024)


class _Watched(io.RawIOBase):
    def __init__(self, file: IO[bytes], size: int, progress: Progress) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        data = self._file.read1(len(buffer))  # type: ignore[attr-defined] # a pipe may have no more for now
        buffer[: len(data)] = data
        self._read += len(data)
        if self._size:
            self._progress.share(min(self._read / self._size, 1))
        else:
            self._progress.amount(self._read)
        return len(data)
