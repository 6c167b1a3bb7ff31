"""The text on standard input, for "-" as an argument."""

from __future__ import annotations

import sys
from typing import Final

import click

from chatcli.errors import Refused
from chatcli.protocol import codes

_LONGEST: Final = 1024 * 1024  # bytes: no server accepts a longer text


def read_text(what: str) -> str:
    """Return the text on standard input without line feeds at its end.

    Args:
        what: the command's word for it.

    Raises:
        click.UsageError: standard input is closed, or not text.
        Refused: it is longer than any server accepts.
    """
    if sys.stdin is None:
        raise click.UsageError(f'There is no standard input to read the {what} of "-" from.')
    data = sys.stdin.buffer.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        sentence = f"Standard input is longer than a {what} may be: send a part of it, as with tail -c 30000."
        raise Refused(codes.TEXT_TOO_LONG, sentence)
    try:
        return data.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise click.UsageError("Standard input is not text in UTF-8.") from None
