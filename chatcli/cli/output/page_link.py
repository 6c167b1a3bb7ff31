"""Prints a link to the page of a server: alone on standard output."""

from __future__ import annotations

import click

from chatcli.cli.output.streams import notice


def print_page_link(url: str, *, here_only: bool) -> None:
    """Print a link to the page.

    Args:
        url: the link.
        here_only: whether it leads to this machine on whichever machine it is opened.
    """
    if here_only:
        notice("It works on this machine only. For others: --server with the address at which they reach the server.")
    click.echo(url)
