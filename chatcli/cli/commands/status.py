"""``chatcli status``: shows the server, its trust, the user, and unread messages."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from chatcli.cli.options.resolution import server_and_user
from chatcli.cli.options.shared import Account, in_use, json_option, server_options, user_option

if TYPE_CHECKING:
    from chatcli.cli.output.records import Status
    from chatcli.client.oneshot.client import ServerStatus
    from chatcli.errors import ChatError

_PATIENCE: Final = 1.0  # seconds for which a prompt waits
_SLOW: Final = 0.2  # seconds; a server that does not answer for longer is not asked again for a while
_TRUSTED: Final = {
    "plain": "this machine",
    "pinned": "its key is pinned",
    "known": "its key is known",
    "vouched": "an authority vouches for it",
}


def _from_cache(command: Callable[..., None]) -> Callable[..., None]:
    """Answer ``--unread`` from a fresh number on disk, before the imports that a connection needs."""

    @functools.wraps(command)
    def answering(**options: Any) -> None:  # noqa: ANN401 (passed on)
        if not options["count_only"]:
            command(**options)
            return
        from chatcli.client.storage import unread

        if options["as_json"]:
            raise click.UsageError("--unread prints a number, which is JSON: drop --json.")
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
@json_option(
    "server, reachable, key, trust, user, fingerprint, cursor, head, unread, mentions, conversations, spooled."
)
@user_option()
@_from_cache
@server_options
def command(count_only: bool, as_json: bool, account: Account) -> None:
    """Show your server and why it is trusted, your name and key there, and your unread messages.

    On a terminal in columns, in a pipe separated by tabs. If the server cannot be reached, only the data on this
    machine are shown, and the status is 5.

    With --unread, only the number is printed, even if it is 0. It is at most a minute old: the server is asked, for a
    second at most, unless another command or a running "join" has found it out since. If the server does not answer, or
    refuses, nothing is printed and the status is 5, also for the next minute. A "join" that runs on this machine keeps
    it up to date.

    A message is unread until you have seen it in "join", on any of your devices, or marked it with "chatcli read". What
    "listen" has printed stays unread. Messages to yourself, for example from a script that runs under your name, are
    unread, too, until then.

    \b
    chatcli status
    chatcli status --unread -q
    """
    if count_only:
        _print_count(account)
        return
    from chatcli.client.oneshot.client import Client
    from chatcli.errors import ServerUnreachable

    found, failure = None, None
    with account.login() as login:
        try:
            found = Client(login).status()
        except ServerUnreachable as error:
            failure = error
    _print(_status(account, found), as_json=as_json)
    if found is not None:
        _store(account, found)
    if failure is not None:
        _fail(failure)


def _print_count(account: Account) -> None:
    """Print how much is unread, as the server says within :data:`_PATIENCE`; nobody is asked to trust it."""
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.client import Client
    from chatcli.client.storage import unread
    from chatcli.errors import ChatError, InputError, ServerUnreachable

    begun = time.monotonic()
    trust = account.trust.without_prompt()
    login = Login(server=account.server, user=account.name, trust=trust, token=account.token)
    try:
        found = Client(login).status(_PATIENCE)
    except InputError:  # a file of the user's: the server was not asked
        raise
    except ChatError as error:
        if not isinstance(error, ServerUnreachable) or time.monotonic() - begun > _SLOW:
            unread.store(account.server.name, account.name, None)
        _fail(error)
    else:
        click.echo(_store(account, found))


def _store(account: Account, found: ServerStatus) -> int:
    """Store how much is unread, for the next prompt, and return it."""
    from chatcli.client.storage import unread

    count = _count(found)
    unread.store(account.server.name, account.name, count)
    return count


def _count(found: ServerStatus) -> int:
    return sum(conversation.count for conversation in found.unread.conversations)


def _fail(error: ChatError) -> None:
    from chatcli.cli.exit_status import exit_status
    from chatcli.cli.output.streams import notice

    notice(str(error))
    click.get_current_context().exit(exit_status(error))


def _unreachable() -> int:
    from chatcli.cli.exit_status import exit_status
    from chatcli.cli.output.streams import notice
    from chatcli.errors import ServerUnreachable
    from chatcli.protocol.values.text import command_line

    asking = command_line("chatcli", "status", *in_use())
    notice(f"The server gave no number a moment ago. It is asked again within a minute; to ask now:\n{asking}")
    return exit_status(ServerUnreachable(""))


def _status(account: Account, found: ServerStatus | None) -> Status:
    from chatcli.cli.output.records import Status, Unread
    from chatcli.client.identity.key import load_identity
    from chatcli.client.storage.files import config_directory

    name, trust = account.server.name, account.trust
    return Status(
        server=str(name),
        reachable=found is not None,
        key=(found.channel.server_key or None) if found else trust.known_key(name),
        trust=trust.reason(name, found.channel) if found else None,
        user=found.welcome.user if found else account.name,
        fingerprint=load_identity(config_directory()).fingerprint if account.token is None else None,
        cursor=found.unread.cursor if found else None,
        head=found.welcome.head if found else None,
        unread=_count(found) if found else None,
        mentions=sum(one.mentions for one in found.unread.conversations) if found else None,
        conversations=[Unread(one.of, one.count, one.seq, one.mentions) for one in found.unread.conversations]
        if found
        else [],
        spooled=_spooled(account),
    )


def _spooled(account: Account) -> int:
    """Return the number of the account's messages that wait in the outbox."""
    from chatcli.client.identity.addresses import addresses_of
    from chatcli.client.outbox.store import read_all
    from chatcli.client.storage.files import outbox_directory
    from chatcli.protocol.values.names import fold

    mine = str(addresses_of(account.server.name)[-1]), fold(account.name)
    return sum(
        entry.refusal is None and (entry.server, fold(entry.user)) == mine for entry in read_all(outbox_directory())
    )


def _print(status: Status, *, as_json: bool) -> None:
    from chatcli.cli.output.tables import columns, on_terminal, print_json, tabs
    from chatcli.protocol.values.text import printable_line

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
        ("mentions", status.mentions),
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
