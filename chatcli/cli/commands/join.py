"""``chatcli join``: the interactive client."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, as_record, server_options, setting_option, user_option
from chatcli.cli.options.types import RoomType, TextType
from chatcli.protocol.values.address import DEFAULT_HOST, DEFAULT_PORT, Address, canonical

if TYPE_CHECKING:
    from chatcli.client.chat.arrival import Arrival
    from chatcli.client.chat.chat import Chat
    from chatcli.client.chat.events import Clock
    from chatcli.client.identity.credentials import Login
    from chatcli.client.interactive.preferences import Background, Color, Keys, Notify, Preferences
    from chatcli.protocol.frames import Present


class JoinOptions(NamedTuple):
    """The options of ``chatcli join``.

    Attributes:
        host: the server's host, in place of the account's.
        port: the server's port, in place of the account's.
        takeover: end another session of the user's.
        attach: join beside another session of the user's.
        link: a code from another device of the user's.
        invite: a code from the operator.
        rooms: to enter at once.
        receipts: report to others what the user has read.
        plain: print plain lines on a terminal; None for only where it can do no more.
        alerts: words that alert the user as the name does.
        color, background, notify, keys, clock: as in the client's preferences.
    """

    host: str | None
    port: int | None
    takeover: bool
    attach: bool
    link: str | None
    invite: str | None
    rooms: tuple[str, ...]
    receipts: bool
    plain: bool | None
    alerts: tuple[str, ...] | None
    color: Color
    background: Background
    notify: Notify
    keys: Keys
    clock: Clock


@click.command("join")
@user_option("Your name in the chat; asked for if not given.")
@server_options
@click.option("--host", help="The server's host, in place of the one in --server.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), help="The server's port, in place of the one in --server.")
@click.option("--takeover", is_flag=True, help="If you are in the chat already, end that session.")
@click.option(
    "--attach", is_flag=True, help="If you are in the chat already, join beside that session; both see everything."
)
@click.option(
    "--link",
    type=TextType(),
    metavar="CODE",
    help='Your code from "chatcli key link" on another device, or from the operator if your key is lost; or a recovery '
    "token.",
)
@click.option("--invite", type=TextType(), metavar="CODE", help="A newcomer's code from the operator.")
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
@as_record(JoinOptions, conflicts=[("--takeover", "--attach")])
def command(options: JoinOptions, account: Account) -> None:
    """Join the chat and talk.

    \b
    bob: hi      says hi to bob
    #ops: hi     says hi in the room #ops; "/join #ops" enters it
    who          lists who is here
    help         shows more
    exit         leaves; Ctrl-D does the same

    With --plain, and on a terminal that supports no more, each message is a plain line below the last one, and the
    terminal itself edits what you type; Ctrl-R shows your line again after a message came in between.

    Without a terminal, lines are read from standard input, messages are printed as plain lines on standard output and
    notices on standard error. The messages stay unread; the exit status is that of the first line that could not be
    sent. A line that refers to earlier messages, as "/answer yes" and "/reply thanks" do, waits until they have come;
    an answer waits up to 5 seconds longer for its question.
    """
    from chatcli.client.chat.chat import Chat
    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.identity.environment import new_id
    from chatcli.client.interactive.preferences import Preferences
    from chatcli.errors import UnknownServer

    account.require_key()
    if options.link:
        _check_code(options.link)
    named = account.server.name
    address = canonical(named._replace(host=options.host or named.host, port=options.port or named.port))
    login = Login(server=Server.at(address), user=account.user or "", trust=account.trust).with_identity()
    chat = Chat(login.user, new_id, _now, _arrival(options, login), _elapsed)
    preferences = Preferences(
        color=options.color,
        background=options.background,
        notify=options.notify,
        keys=options.keys,
        clock=options.clock,
    )
    talk: Callable[[Login, Chat, Preferences], None] = _over_pipes
    if _on_terminal():
        talk = _in_plain_lines if options.plain or os.environ.get("TERM") == "dumb" else _on_screen
    try:
        talk(login, chat, preferences)
    except UnknownServer as unknown:
        login.trust.confirm(login.server.name, unknown)
        talk(login, chat, preferences)


def _check_code(code: str) -> None:
    """Raise if a code is a recovery token with a typing error, which the server would count as a wrong one.

    Raises:
        InputError: it is.
    """
    from chatcli.protocol.values.tokens import check_token, resembles_token

    if resembles_token(code):
        check_token(code)


def _arrival(options: JoinOptions, login: Login) -> Arrival:
    from chatcli.client.chat.arrival import Arrival
    from chatcli.client.identity.environment import new_id

    present: Present = "takeover" if options.takeover else "attach" if options.attach else "refuse"
    hello = login.hello("join")
    return Arrival(
        key=hello.key,
        device=hello.device,
        client=new_id(),
        present=present,
        link=options.link or "",
        invite=options.invite or "",
        receipts=options.receipts,
        rooms=options.rooms,
        whole=not _on_terminal(),  # a program that reads a pipe wants everything
        alerts=options.alerts or (),
        scripted=sys.stdin is None or not sys.stdin.isatty(),
        watched=_on_terminal(),
    )


def _now() -> int:
    import time

    return time.time_ns() // 10**6


def _elapsed() -> float:
    """Return the seconds since a fixed moment; time asleep is included if the system counts it."""
    import time

    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _over_pipes(login: Login, chat: Chat, _: Preferences) -> None:
    import asyncio

    from chatcli.client.interactive import plain
    from chatcli.errors import Refused
    from chatcli.protocol import codes

    if not chat.contacts.user:
        raise click.UsageError("Without a terminal you cannot be asked for a name: give one with --user.")
    try:
        asyncio.run(plain.talk(login, chat))
    except Refused as refusal:
        if refusal.code != codes.NAME_TAKEN or not refusal.names:
            raise
        command = _command(login.server.name, refusal.names[0])
        raise Refused(refusal.code, f'{refusal} To join under a free name: "{command}".', names=refusal.names) from None
    if chat.first_error is not None:
        from chatcli.cli.exit_status import exit_status

        sys.exit(exit_status(chat.first_error))


def _command(server: Address, user: str) -> str:
    """Return the command that joins under a name."""
    from chatcli.protocol.values.text import command_line

    where = () if server == Address(DEFAULT_HOST, DEFAULT_PORT) else ("--server", str(server))
    return command_line("chatcli", "join", *where, "--user", user).strip()


def _in_plain_lines(login: Login, chat: Chat, preferences: Preferences) -> None:
    import asyncio

    from chatcli.client.interactive import plain

    try:
        asyncio.run(plain.talk_with_a_person(login, chat, preferences))
    except EOFError:
        raise click.Abort from None


def _on_screen(login: Login, chat: Chat, preferences: Preferences) -> None:
    import asyncio

    from chatcli.client.tui.app import talk

    try:
        asyncio.run(talk(login, chat, preferences))
    except EOFError:
        raise click.Abort from None


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdout is not None and sys.stdin.isatty() and sys.stdout.isatty()
