"""``chatcli send``: says one thing and leaves."""

from __future__ import annotations

import sys

import click

from chatcli.cli.options import login_name, server_option
from chatcli.protocol.address import Address


@click.command("send", context_settings={"ignore_unknown_options": False})
@click.argument("to")
@click.argument("text")
@click.option("--user", envvar="CHATCLI_USER", show_envvar=True, help="Who you are.  [default: your login name]")
@server_option
def command(to: str, text: str, user: str | None, server: Address) -> None:
    """Send TEXT to the person TO, and leave.

    With "-" as TEXT, the text is read from standard input. Prints "delivered" if the person is in the chat, or
    "stored" if they get it when they come back; either way it is on the server's disk.

    \b
    chatcli send bob "the build is done"
    make 2>&1 | tail | chatcli send bob -
    """
    from chatcli.client.oneshot import send

    text = _read_stdin() if text == "-" else _checked(text)
    if not text.strip():
        raise click.UsageError("There is no text to send.")
    click.echo(send(server, user or login_name(), to, text).outcome)


def _checked(text: str) -> str:
    """Return the text as it was given, if it is text: Python smuggles other bytes through as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise click.UsageError("TEXT is not text in UTF-8.") from None
    return text


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode().rstrip("\n")
    except UnicodeDecodeError:
        raise click.UsageError("What came on standard input is not text in UTF-8.") from None
