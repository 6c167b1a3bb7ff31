"""Standard output and standard error, also where they are closed, full, or nobody reads them."""

from __future__ import annotations

import io
import os
import sys

import click


def warn(sentence: str) -> None:
    """Say something on standard error, made harmless for a terminal."""
    from chatcli.protocol.text import printable

    click.echo(f"chatcli: {printable(sentence)}", err=True)


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


def give_up() -> None:
    """Keep the interpreter from trying again, and complaining, while it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_closed_streams() -> None:
    """Put the null device in place of standard streams that are closed, lest the next file opened becomes one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def never_fail_on_characters() -> None:
    """Print what the terminal's encoding does not have as an escape, rather than not at all."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
