"""Prints a link to the page of a server: alone on standard output, and its QR code on a terminal."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from chatcli.cli.output.streams import notice, quiet

_USUAL: Final = os.terminal_size((80, 24))


def print_page_link(url: str, *, here_only: bool) -> None:
    """Print a link to the page.

    Args:
        url: the link.
        here_only: whether it leads to this machine on whichever machine it is opened; no QR code is printed then, as a
            phone would look for the server on itself.
    """
    if here_only:
        notice("It works on this machine only. For others: --server with the address at which they reach the server.")
    elif _draws():
        _print_qr_code(url)
    click.echo(url)


def _draws() -> bool:
    """Return whether standard error is a terminal that shows half blocks."""
    if quiet() or sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        "▀▄█".encode(sys.stderr.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _print_qr_code(url: str) -> None:
    from chatcli.cli.output.qr_code import Space, qr_code

    window = _window()
    below = -(-len(url) // window.columns) + 1  # rows of the link, and of the prompt
    spaces = [Space(window.columns, window.lines - below - above) for above in (1, 0)]  # with the notice, or without
    drawn = qr_code(url, spaces[0], os.environ) or qr_code(url, spaces[1], os.environ)
    if drawn is None:
        notice("In a larger window its QR code would be here.")
    else:
        click.echo(drawn, err=True)


def _window() -> os.terminal_size:
    """Return the size of the terminal on standard error; standard output may be a pipe."""
    try:
        window = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        return _USUAL
    return window if window.columns and window.lines else _USUAL
