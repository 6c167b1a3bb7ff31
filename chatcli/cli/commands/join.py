"""``chatcli join``: the interactive client."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import server_options, setting_option, user_option
from chatcli.cli.options.types import RoomType, TextType
from chatcli.protocol.address import Address, canonical

if TYPE_CHECKING:
    from chatcli.client.chat.chat import Chat
    from chatcli.client.identity.credentials import Login
    from chatcli.client.identity.trust import Trust
    from chatcli.client.interactive.preferences import Looks
    from chatcli.protocol.frames import Present


@click.command("join")
@user_option("Your name in the chat; asked for if not given.")
@server_options
@click.option("--host", help="The host of the server, in place of the one in --server.")
@click.option(
    "-p", "--port", type=click.IntRange(1, 65535), help="The port of the server, in place of the one in --server."
)
@click.option("--takeover", is_flag=True, help="If you are in the chat already, end that.")
@click.option("--attach", is_flag=True, help="If you are in the chat already, join beside it; both see everything.")
@click.option("--link", type=TextType(), metavar="CODE", help='Your code from "chatcli key link" on another device.')
@click.option("--invite", type=TextType(), metavar="CODE", help="The operator's code for someone new.")
@click.option(
    "--room",
    "rooms",
    type=RoomType(),
    multiple=True,
    shell_complete=candidates.rooms,
    help='Enter this room, as in "#ops"; may be given several times.',
)
@setting_option("receipts")
@setting_option("plain")
@setting_option("color")
@setting_option("background")
@setting_option("notify")
@setting_option("alerts")
@setting_option("keys")
@setting_option("clock")
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
    receipts: bool,
    plain: bool | None,
    alerts: tuple[str, ...] | None,
    **looks: Any,  # noqa: ANN401 (click has seen to it that they are what Looks takes)
) -> None:
    """Join the chat and talk.

    \b
    bob: hi      says hi to bob
    #ops: hi     says hi in the room #ops; "/join #ops" enters it
    who          lists who is here
    help         shows more
    exit         leaves; Ctrl-D does the same

    With --plain, and where the terminal can do no more, every message is a plain line below the last, and the terminal
    itself edits what you type; Ctrl-R shows that again where a message came in between.

    Without a terminal, lines are read from standard input, messages are printed as plain lines on standard output and
    notices on standard error; the exit status tells of the first line that could not be sent. A line that needs what
    was said before, as "/answer yes" and "/reply thanks", waits until that has come, and an answer 5 seconds longer for
    its question.
    """
    from chatcli.client.chat.arrival import Arrival
    from chatcli.client.chat.chat import Chat
    from chatcli.client.identity.credentials import Login
    from chatcli.client.identity.environment import new_id
    from chatcli.client.identity.key import load_identity
    from chatcli.client.interactive.preferences import Looks
    from chatcli.client.storage.files import config_directory
    from chatcli.errors import UnknownServer
    from chatcli.protocol.keys import key_text

    if takeover and attach:
        raise click.UsageError("--takeover ends what --attach would join: give one of them.")
    on_terminal = _on_terminal()
    address = canonical(Address(host or server.host, port or server.port))
    identity = load_identity(config_directory())
    present: Present = "takeover" if takeover else "attach" if attach else "refuse"
    arrival = Arrival(
        key=key_text(identity.public),
        client=new_id(),
        present=present,
        link=link or "",
        invite=invite or "",
        receipts=receipts,
        rooms=rooms,
        whole=not on_terminal,  # what reads a pipe wants everything
        alerts=alerts or (),
        scripted=sys.stdin is None or not sys.stdin.isatty(),
    )
    chat = Chat(user or "", new_id, _now, arrival, _elapsed)
    talk: Callable[[Login, Chat, Looks], None]
    if not on_terminal:
        talk = _over_pipes
    elif plain or os.environ.get("TERM") == "dumb":
        talk = _in_plain_lines
    else:
        talk = _on_screen
    login = Login(server=address, user=user or "", trust=trust, identity=identity)
    try:
        talk(login, chat, Looks(**looks))
    except UnknownServer as unknown:
        trust.confirm(address, unknown)
        talk(login, chat, Looks(**looks))


def _now() -> int:
    import time

    return time.time_ns() // 10**6


def _elapsed() -> float:
    """Return the seconds since some moment, those in which the machine sleeps included where the system counts them."""
    import time

    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _over_pipes(login: Login, chat: Chat, _: Looks) -> None:
    import asyncio

    from chatcli.client.interactive import plain

    if not chat.contacts.user:
        raise click.UsageError("Without a terminal nobody can be asked for a name: give one with --user.")
    asyncio.run(plain.talk(login, chat))
    if chat.first_error is not None:
        from chatcli.cli.exit_status import exit_status

        sys.exit(exit_status(chat.first_error))


def _in_plain_lines(login: Login, chat: Chat, looks: Looks) -> None:
    import asyncio

    from chatcli.client.interactive import plain

    try:
        asyncio.run(plain.talk_with_a_person(login, chat, looks))
    except EOFError:
        raise click.Abort from None


def _on_screen(login: Login, chat: Chat, looks: Looks) -> None:
    import asyncio

    from chatcli.client.tui.app import talk

    try:
        asyncio.run(talk(login, chat, looks))
    except EOFError:
        raise click.Abort from None


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdout is not None and sys.stdin.isatty() and sys.stdout.isatty()
