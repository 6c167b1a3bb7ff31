"""Standard output and standard error, also where they are closed, full, or nobody reads them."""

from __future__ import annotations

import contextlib
import io
import os
import sys

import click

#: Where click carries how much is to be said: -1 for --quiet, 1 for --verbose.
LOUDNESS = "chatcli.loudness"

#: What an error is said to be about that came of writing there.
STDOUT = "standard output"


class _Output(io.TextIOWrapper):
    """Standard output, whose errors say that they are about it."""

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            error.filename = STDOUT
            raise


def warn(sentence: str) -> None:
    """Say something on standard error, made harmless for a terminal."""
    from chatcli.protocol.text import printable

    click.echo(_in_rows(f"chatcli: {printable(sentence)}"), err=True)


def _in_rows(line: str) -> str:
    """Return a line in rows that fit, if standard error is a terminal: what breaks there may pass for another line."""
    if sys.stderr is None or not sys.stderr.isatty():
        return line
    from chatcli.cli.listing import in_rows

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
        sys.stdout = _Output(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")


def never_fail_on_characters() -> None:
    """Print what the terminal's encoding does not have as an escape, rather than not at all."""
    if type(sys.stdout) is io.TextIOWrapper:
        encoding, lines = sys.stdout.encoding, sys.stdout.line_buffering
        with contextlib.suppress(OSError):  # which comes again
            sys.stdout.flush()
        # Beside the one that was there, which shutil asks how wide the terminal is.
        sys.stdout = _Output(sys.stdout.buffer, encoding, line_buffering=lines)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
