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

#: Where click carries how much is to be said: -1 for --quiet, 1 for --verbose.
LOUDNESS = "chatcli.loudness"

#: What an error is said to be about that came of writing there.
STDOUT = "standard output"


class _Whole(io.RawIOBase):
    """A descriptor that is read and written whole, whether or not it is non-blocking.

    Args:
        descriptor: which; it stays open.
        name: what errors say that they are about; None to drop what cannot be written.
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
    """Say something on standard error, made harmless for a terminal."""
    from chatcli.protocol.text import COMMAND, printable

    for line in f"chatcli: {printable(sentence)}".split("\n"):
        click.echo(line if line.startswith(COMMAND) else _in_rows(line), err=True)


def _in_rows(line: str) -> str:
    """Return a line in rows that fit, if standard error is a terminal: what breaks there may pass for another line."""
    if sys.stderr is None or not sys.stderr.isatty():
        return line
    from chatcli.cli.output.layout import in_rows

    return in_rows(line, len("chatcli: "))


def note(sentence: str) -> None:
    """Say on standard error what is worth knowing and no trouble, unless --quiet was given."""
    if _loudness() >= 0:
        warn(sentence)


def detail(sentence: str) -> None:
    """Say on standard error what is being done, if --verbose was given."""
    if _loudness() > 0:
        warn(sentence)


def quiet() -> bool:
    """Return whether nothing but trouble is to be said, on standard output neither where the status says it all."""
    return _loudness() < 0


def _loudness() -> int:
    context = click.get_current_context(silent=True)
    return 0 if context is None else int(context.meta.get(LOUDNESS, 0))


def flush() -> None:
    """Pass on what was printed.

    Raises:
        OSError: standard output cannot be written; what was not is given up.
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
    """Keep the interpreter from trying again, and complaining, while it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_closed_streams() -> None:
    """Put the null device in place of standard streams that are closed, lest the next file opened becomes one.

    What is printed where standard output is closed fails as it does on a full disk: what nobody gets is no success.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")


def read_and_write_whole() -> None:
    """Put streams of ours in the place of Python's.

    Python's give up where a descriptor is non-blocking, which whoever shares it may make it, and with PYTHONUNBUFFERED
    pass over what was not written in one go (https://github.com/python/cpython/issues/85393). What the terminal's
    encoding does not have is printed as an escape, rather than not at all.
    """
    # Beside those that were there: shutil asks sys.__stdout__ how wide the terminal is.
    if type(sys.stdin) is io.TextIOWrapper:
        reading = io.BufferedReader(_Whole(0, "standard input"))
        sys.stdin = io.TextIOWrapper(reading, sys.stdin.encoding, sys.stdin.errors)
    if type(sys.stdout) is io.TextIOWrapper:
        sys.stdout = _writing(sys.stdout, STDOUT)
    if type(sys.stderr) is io.TextIOWrapper:
        sys.stderr = _writing(sys.stderr, None)  # full, or nobody reads it: the status is what is left


def _writing(stream: io.TextIOWrapper, name: str | None) -> io.TextIOWrapper:
    with contextlib.suppress(OSError):  # which comes again
        stream.flush()
    raw = _Whole(stream.fileno(), name)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=stream.line_buffering
    )
