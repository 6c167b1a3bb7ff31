"""``chatcli join``: the interactive client."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from chatcli.cli.options import RoomType, TextType, server_options, user_option
from chatcli.cli.quoting import RoomCommand
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Present

if TYPE_CHECKING:
    from chatcli.client.chat import Chat
    from chatcli.client.identity import Identity
    from chatcli.client.trust import Trust


@click.command("join", cls=RoomCommand, short_help="Join the chat and talk.")
@user_option("Your name in the chat; asked for if not given.")
@server_options
@click.option("--host", help="The host of the server, in place of the one in --server.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of the server, in place of the one in --server.")
@click.option("--takeover", is_flag=True, help="If you are in the chat already, end that.")
@click.option("--attach", is_flag=True, help="If you are in the chat already, join beside it; both see everything.")
@click.option("--link", type=TextType(), metavar="CODE", help='Your code from "chatcli key link" on another device.')
@click.option("--invite", type=TextType(), metavar="CODE", help="The operator's code for someone new.")
@click.option(
    "--room", "rooms", type=RoomType(), multiple=True, help='Enter this room, as in "#ops"; may be given several times.'
)
@click.option("--no-receipts", is_flag=True, help="Do not let others know what you have seen.")
def command(
    user: str | None,
    server: Address,
    trust: Trust,
    host: str | None,
    port: int | None,
    takeover: bool,
    attach: bool,
    link: str | None,
    invite: str | None,
    rooms: tuple[str, ...],
    no_receipts: bool,
) -> None:
    """Join the chat and talk.

    \b
    bob: hi      says hi to bob
    #ops: hi     says hi in the room #ops; "/join #ops" enters it
    who          lists who is here
    help         shows more
    exit         leaves; Ctrl-D does the same

    Without a terminal, lines are read from standard input, messages are printed as plain lines on standard output and
    notices on standard error; the exit status tells of the first line that could not be sent.
    """
    from chatcli.client.chat import Arrival, Chat
    from chatcli.client.files import config_directory
    from chatcli.client.identity import load_identity
    from chatcli.client.ids import new_id
    from chatcli.errors import UnknownServer
    from chatcli.protocol.keys import key_text

    if takeover and attach:
        raise click.UsageError("--takeover ends what --attach would join: give one of them.")
    address = Address(host or server.host, port or server.port)
    identity = load_identity(config_directory())
    present: Present = "takeover" if takeover else "attach" if attach else "refuse"
    arrival = Arrival(
        key_text(identity.public),
        new_id(),
        present,
        link or "",
        invite or "",
        receipts=not no_receipts,
        rooms=rooms,
        whole=not _on_terminal(),  # what reads a pipe wants everything
    )
    chat = Chat(user or "", new_id, _now, arrival, _elapsed)
    try:
        _run(address, chat, trust, identity)
    except UnknownServer as unknown:
        trust.meet(address, unknown)
        _run(address, chat, trust, identity)


def _now() -> int:
    import time

    return time.time_ns() // 10**6


def _elapsed() -> float:
    """Return the seconds since some moment, those in which the machine sleeps included where the system counts them."""
    import time

    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _run(server: Address, chat: Chat, trust: Trust, identity: Identity) -> None:
    import asyncio

    if _on_terminal():
        from chatcli.client.ui.terminal import talk

        try:
            asyncio.run(talk(server, chat, trust, identity))
        except EOFError:
            raise click.Abort from None
        return
    if not chat.user:
        raise click.UsageError("Without a terminal nobody can be asked for a name: give one with --user.")
    from chatcli.client import plain

    asyncio.run(plain.talk(server, chat, trust, identity))
    if chat.first_error is not None:
        from chatcli.cli.statuses import exit_status

        sys.exit(exit_status(chat.first_error))


def _on_terminal() -> bool:
    if sys.stdin is None or sys.stdout is None or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdin.isatty() and sys.stdout.isatty()
