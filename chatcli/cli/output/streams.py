"""The standard streams, also where they are closed, full, non-blocking, or nobody reads them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: Key of click's ``meta``: -1 for --quiet, 1 for --verbose.
LOUDNESS = "chatcli.loudness"

#: The filename of OSErrors raised by writing to standard output.
STDOUT = "standard output"


class _Whole(io.RawIOBase):
    """A descriptor that is read and written whole, whether or not it is non-blocking.

    Args:
        descriptor: the descriptor; it stays open.
        name: the filename of errors; None to drop output that cannot be written.
    """

    def __init__(self, descriptor: int, name: str | None) -> None:
        self._descriptor = descriptor
        self.name = name

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while True:
            try:
                return os.readv(self._descriptor, [buffer])
            except BlockingIOError:
                self._wait(writing=False)

    def write(self, data: ReadableBuffer, /) -> int:
        rest = whole = memoryview(data).cast("B")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                self._wait(writing=True)
            except OSError as error:
                if self.name is None:
                    break
                error.filename = self.name
                raise
        return len(whole)

    def _wait(self, *, writing: bool) -> None:
        from chatcli.client.transport.descriptors import wait

        wait(self._descriptor, writing=writing)


def warn(sentence: str) -> None:
    """Print a sentence on standard error, made harmless for a terminal."""
    from chatcli.protocol.values.text import COMMAND, printable

    for line in f"chatcli: {printable(sentence)}".split("\n"):
        click.echo(line if line.startswith(COMMAND) else _in_rows(line), err=True)


def _in_rows(line: str) -> str:
    """Return a line in rows that fit a terminal: a line that the terminal breaks may pass for two."""
    if sys.stderr is None or not sys.stderr.isatty():
        return line
    from chatcli.cli.output.layout import in_rows

    return in_rows(line, len("chatcli: "))


def notice(sentence: str) -> None:
    """Print a notice on standard error, unless --quiet was given."""
    if _loudness() >= 0:
        warn(sentence)


def detail(sentence: str) -> None:
    """Print a detail on standard error, if --verbose was given."""
    if _loudness() > 0:
        warn(sentence)


def quiet() -> bool:
    """Return whether only errors are to be printed, and no output that the exit status repeats."""
    return _loudness() < 0


def _loudness() -> int:
    context = click.get_current_context(silent=True)
    return 0 if context is None else int(context.meta.get(LOUDNESS, 0))


def flush() -> None:
    """Flush standard output.

    Raises:
        OSError: it cannot be written; the rest is dropped.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        give_up()
        raise


def has_output() -> bool:
    """Return whether standard output was open when the program started."""
    return sys.__stdout__ is not None


def give_up() -> None:
    """Drop unwritten output, so that the interpreter does not try again, and complain, at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_closed_streams() -> None:
    """Open the null device in place of closed standard streams, so that no other file gets their descriptors.

    Printing to a closed standard output fails as on a full disk: output that nobody gets is not a success.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")


def read_and_write_whole() -> None:
    """Replace Python's standard streams.

    They fail if a descriptor is non-blocking, as another process that shares it may make it, and with PYTHONUNBUFFERED
    lose the rest of a partial write (https://github.com/python/cpython/issues/85393). Characters that the terminal's
    encoding does not have are printed as escapes.
    """
    # sys.__stdout__ stays: shutil asks it for the width of the terminal.
    if type(sys.stdin) is io.TextIOWrapper:
        reading = io.BufferedReader(_Whole(0, "standard input"))
        sys.stdin = io.TextIOWrapper(reading, sys.stdin.encoding, sys.stdin.errors)
    if type(sys.stdout) is io.TextIOWrapper:
        sys.stdout = _writing(sys.stdout, STDOUT)
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _writing(sys.stderr, None)  # full, or nobody reads it: the exit status must do


def _writing(stream: io.TextIOWrapper, name: str | None) -> io.TextIOWrapper:
    with contextlib.suppress(OSError):  # which comes again
        stream.flush()
    raw = _Whole(stream.fileno(), name)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=stream.line_buffering
    )
