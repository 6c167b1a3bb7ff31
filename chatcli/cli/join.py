"""``chatcli join``: the interactive client."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from chatcli.cli.options import TextType, server_option
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.chat import Chat


@click.command("join")
@click.option(
    "--user",
    type=TextType(),
    envvar="CHATCLI_USER",
    show_envvar=True,
    help="Your name in the chat; asked for if not given.",
)
@server_option
@click.option("--host", help="The host of the server, in place of the one in --server.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of the server, in place of the one in --server.")
def command(user: str | None, server: Address, host: str | None, port: int | None) -> None:
    """Join the chat and talk.

    \b
    bob: hi      says hi to bob
    who          lists who is here
    help         shows more
    exit         leaves; Ctrl-D does the same

    Without a terminal, lines are read from standard input, messages are printed as plain lines on standard output and
    notices on standard error; the exit status tells of the first line that could not be sent.
    """
    from chatcli.client.chat import Chat
    from chatcli.client.ids import new_id

    address = Address(host or server.host, port or server.port)
    _run(address, Chat(user or "", new_id, _now))


def _now() -> int:
    import time

    return time.time_ns() // 10**6


def _run(server: Address, chat: Chat) -> None:
    import asyncio

    if _on_terminal():
        from chatcli.client.ui.terminal import talk

        try:
            asyncio.run(talk(server, chat))
        except EOFError:
            raise click.Abort from None
        return
    if not chat.user:
        raise click.UsageError("Without a terminal nobody can be asked for a name: give one with --user.")
    from chatcli.client import plain

    asyncio.run(plain.talk(server, chat))
    if chat.first_error is not None:
        from chatcli.cli.statuses import exit_status

        sys.exit(exit_status(chat.first_error))


def _on_terminal() -> bool:
    if sys.stdin is None or sys.stdout is None or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdin.isatty() and sys.stdout.isatty()
