"""``chatcli status``: how one is connected, and what is unread."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from chatcli.cli.options.resolution import login_name, server_and_user
from chatcli.cli.options.shared import in_use, json_option, naming, server_options, user_option
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.cli.output.records import Status
    from chatcli.client.identity.trust import Trust
    from chatcli.client.oneshot.client import ServerStatus
    from chatcli.errors import ChatError

_PATIENCE: Final = 1.0  # seconds that a prompt waits for
_SLOW: Final = 0.2  # seconds after which a server that does not answer is not tried again for a while
_TRUSTED: Final = {
    "plain": "this machine",
    "pinned": "its key is pinned",
    "known": "its key is known",
    "vouched": "an authority vouches for it",
}


def _at_once(command: Callable[..., None]) -> Callable[..., None]:
    """Answer --unread from what is kept, if that is fresh: before anything is imported that speaks to a server."""

    @functools.wraps(command)
    def answering(**options: Any) -> None:  # noqa: ANN401 (passed on)
        if not options["count_only"]:
            command(**options)
            return
        from chatcli.client.storage import unread

        if options["as_json"]:
            raise click.UsageError("--unread prints a number, which is JSON as it stands: leave --json away.")
        context = click.get_current_context()
        try:
            count = unread.load(*server_and_user(context))
        except unread.NotCached:
            command(**options)
            return
        if count is None:
            context.exit(_unreachable())
        click.echo(count)

    return answering


@click.command("status")
@click.option(
    "--unread", "count_only", is_flag=True, help="Print only how many messages are unread, for a shell prompt."
)
@json_option("server, reachable, key, trust, user, fingerprint, cursor, head, unread, conversations, spooled.")
@user_option()
@_at_once
@server_options
def command(count_only: bool, as_json: bool, user: str | None, server: Address, trust: Trust) -> None:
    """Show which server you use and why it is trusted, who you are there, and what is unread.

    On a terminal in columns, in a pipe parted by tabs. If the server cannot be reached, what is known without it is
    shown, and the status is 5.

    With --unread, only the number is printed, 0 too. It is at most a minute old: the server is asked only if neither a
    command nor a "join" that runs has found it out since, and for a second at most. If it does not answer, nothing is
    printed, and the status is 5; so it is for a minute after it has refused. While "join" runs on this machine, the
    number is that of its toolbar.

    What you send to yourself, as a script may that runs under your name, is unread, too, until you are shown it.

    \b
    chatcli status
    chatcli status --unread -q
    """
    if count_only:
        _print_count(user or login_name(), server, trust)
        return
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.client import Client
    from chatcli.errors import ServerUnreachable

    looked, failure = None, None
    with naming(user) as name:
        try:
            looked = Client(Login(server=server, user=name, trust=trust)).status()
        except ServerUnreachable as error:
            failure = error
    _print(_status(server, name, trust, looked), as_json=as_json)
    if looked is not None:
        _keep(server, name, looked)
    if failure is not None:
        _fail(failure)


def _print_count(name: str, server: Address, trust: Trust) -> None:
    """Ask the server, but not for long, and nobody else."""
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.client import Client
    from chatcli.client.storage import unread
    from chatcli.errors import ChatError, InputError, ServerUnreachable

    begun = time.monotonic()
    try:
        looked = Client(Login(server=server, user=name, trust=trust.without_prompt())).status(_PATIENCE)
    except InputError:  # a file of the user's: nobody was asked
        raise
    except ChatError as error:
        if not isinstance(error, ServerUnreachable) or time.monotonic() - begun > _SLOW:
            unread.store(server, name, None)
        _fail(error)
    else:
        click.echo(_keep(server, name, looked))


def _keep(server: Address, name: str, looked: ServerStatus) -> int:
    from chatcli.client.storage import unread

    count = _count(looked)
    unread.store(server, name, count)
    return count


def _count(looked: ServerStatus) -> int:
    return sum(conversation.count for conversation in looked.unread.conversations)


def _fail(error: ChatError) -> None:
    from chatcli.cli.exit_status import exit_status
    from chatcli.cli.output.streams import note

    note(str(error))
    click.get_current_context().exit(exit_status(error))


def _unreachable() -> int:
    from chatcli.cli.exit_status import exit_status
    from chatcli.cli.output.streams import note
    from chatcli.errors import ServerUnreachable
    from chatcli.protocol.text import command_line

    asking = command_line("chatcli", "status", *in_use())
    note(f"The server gave no number a moment ago, and is asked again within a minute; this asks now:\n{asking}")
    return exit_status(ServerUnreachable(""))


def _status(server: Address, user: str, trust: Trust, looked: ServerStatus | None) -> Status:
    from chatcli.cli.output.records import Status, Unread
    from chatcli.client.identity.key import load_identity
    from chatcli.client.storage.files import config_directory

    fingerprint = load_identity(config_directory()).fingerprint
    spooled = _spooled(server, user)
    if looked is None:
        return Status(
            str(server), False, trust.known_key(server), None, user, fingerprint, None, None, None, [], spooled
        )
    return Status(
        str(server),
        reachable=True,
        key=looked.channel.server_key or None,
        trust=trust.reason(server, looked.channel),
        user=looked.welcome.user,
        fingerprint=fingerprint,
        cursor=looked.unread.cursor,
        head=looked.welcome.head,
        unread=_count(looked),
        conversations=[Unread(one.of, one.count, one.seq) for one in looked.unread.conversations],
        spooled=spooled,
    )


def _spooled(server: Address, user: str) -> int:
    from chatcli.client.identity.addresses import addresses_of
    from chatcli.client.outbox.store import read_all
    from chatcli.client.storage.files import outbox_directory

    mine = str(addresses_of(server)[-1]), user.casefold()
    return sum(
        entry.refusal is None and (entry.server, entry.user.casefold()) == mine
        for entry in read_all(outbox_directory())
    )


def _print(status: Status, *, as_json: bool) -> None:
    from chatcli.cli.output.tables import columns, on_terminal, print_json, tabs
    from chatcli.protocol.text import printable_line

    if as_json:
        print_json(status)
        return
    rows = [
        ("server", status.server),
        ("reachable", "yes" if status.reachable else "no"),
        ("key", status.key),
        ("trust", _TRUSTED[status.trust] if status.trust else None),
        ("user", status.user),
        ("fingerprint", status.fingerprint),
        ("cursor", status.cursor),
        ("head", status.head),
        ("unread", status.unread),
        *((f"unread {one.of}", one.count) for one in status.conversations),
        ("spooled", status.spooled),
    ]
    lines = [(printable_line(key), "-" if value is None else printable_line(str(value))) for key, value in rows]
    if on_terminal():
        for line in columns(lines):
            click.echo(line)
    else:
        for cells in lines:
            tabs(cells)
