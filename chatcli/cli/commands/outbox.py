"""``chatcli outbox``: lists, drops, requeues and sends the messages that wait on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from chatcli.cli.options.shared import Account, json_option, loudness_options, server_options
from chatcli.errors import ChatError, InputError
from chatcli.protocol.values.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatcli.cli.output.records import Waiting
    from chatcli.client.identity.credentials import Server
    from chatcli.client.identity.trust import Trust
    from chatcli.client.outbox.format import Entry

_HEADINGS: Final = ("id", "when", "user", "server", "to", "state", "text")
_SPARE: Final = ("server", "user", "when")  # columns that a narrow terminal does without
_SHORTEST: Final = 8  # characters of an id
_START: Final = 60  # characters of a text
_WHY: Final = 40  # columns of the reason of a refusal, in a table


@click.group("outbox", invoke_without_command=True)
@json_option("id, at (RFC 3339), user, server, to, text, re, state, error (code and text, or null).")
@loudness_options
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List messages that wait to be sent, of all users and for all servers on this machine, the oldest first.

    They come from "send --spool" while the server could not be reached, and from "join" if it ended before they were
    sent. The next command that reaches the server as that user sends them first. A message that the server refuses
    stays with the reason, but no longer waits: "outbox retry" tries it once more, "outbox drop" deletes it.

    On a terminal in columns, fewer if it is narrow; in a pipe separated by tabs.
    """
    if context.invoked_subcommand is None:
        _list(as_json=as_json)
    elif as_json:
        raise click.UsageError("--json is for the list: drop it.")


@command.command("drop", short_help="Delete messages.")
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="Delete all messages.")
@loudness_options
def drop(ids: tuple[str, ...], everything: bool) -> None:
    """Delete messages: they are not sent. An ID may be shortened as long as it is unique."""
    from chatcli.client.outbox import store as outbox

    if everything == bool(ids):
        raise click.UsageError("Name the messages to drop, or give --all.")
    _change(ids, everything, outbox.drop, "dropped")


@command.command("retry", short_help="Try refused messages again.")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@loudness_options
def retry(ids: tuple[str, ...]) -> None:
    """Try messages again that the server has refused; the next command that reaches it sends them."""
    from chatcli.client.outbox import store as outbox

    _change(ids, False, outbox.requeue, "queued again")


@command.command("send", short_help="Send waiting messages now.")
@server_options
def send(account: Account) -> None:
    """Send waiting messages now, to each server; with --server or --at, to that one alone.

    --pin is for the server that is named, or that is yours; the pin of another is taken from config.toml. The status is
    5 if one of the servers cannot be reached.
    """
    from chatcli.cli.delivery.report import worst
    from chatcli.cli.exit_status import exit_status
    from chatcli.cli.output.streams import notice, warn
    from chatcli.client.identity.addresses import addresses_of
    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.outbox.flush import flush_outbox
    from chatcli.protocol.values.address import parse_address
    from chatcli.protocol.values.text import printable_line

    server, trust = account.server, account.trust
    if _named():
        _recognize(server, trust)
    alone = str(addresses_of(server.name)[-1]) if _named() else ""
    waiting = [entry for entry in _entries() if entry.refusal is None and alone in ("", entry.server)]
    statuses = [0]
    for address, user in dict.fromkeys((entry.server, entry.user) for entry in waiting):
        if not address:
            warn("Some messages were stored by an older chatcli: join the server as the same user to send them.")
            continue
        try:
            name = parse_address(address)
            to = server if alone or name == server.name else Server.at(name)
            whom = trust if to == server else _trust(to.name, trust)
            login = Login(server=to, user=user, trust=whom, token=account.token)
            flush_outbox(login, read_only=False)
        except ChatError as error:
            warn(printable_line(str(error)))
            statuses.append(exit_status(error))
    before = {entry.message.id for entry in waiting}
    entries = [entry for entry in _entries() if entry.message.id in before]
    refused = sum(entry.refusal is not None for entry in entries)
    notice(f"{_count(len(before) - len(entries))} sent, {_count(len(entries) - refused)} waiting, {refused} refused.")
    click.get_current_context().exit(worst(statuses))


def _recognize(server: Server, trust: Trust) -> None:
    """Connect to a server without waiting messages: it may be one that has moved, whose messages wait.

    Raises:
        ChatError: it cannot be reached, or is not to be trusted.
    """
    from chatcli.client.identity.addresses import addresses_of
    from chatcli.client.identity.credentials import Login
    from chatcli.client.transport.blocking import TIMEOUT, connect
    from chatcli.errors import UnknownServer

    entries = [entry for entry in _entries() if entry.refusal is None]
    name = server.name
    mine = str(addresses_of(name)[-1])
    if not entries or any(entry.server == mine for entry in entries) or trust.plain(name) or trust.known_key(name):
        return
    try:
        connect(Login(server=server, trust=trust), time.monotonic() + TIMEOUT).socket.close()
    except UnknownServer as unknown:
        trust.confirm(name, unknown)


def _named() -> bool:
    """Return whether the command line names a server."""
    context = click.get_current_context()
    return ParameterSource.COMMANDLINE in map(context.get_parameter_source, ("server", "at"))


def _trust(server: Address, other: Trust) -> Trust:
    """Return the trust for a server other than the user's: with its pin in ``config.toml``, if there is one."""
    from chatcli.cli.options.resolution import read_config_file
    from chatcli.client.identity.trust import Trust

    file = read_config_file()
    pins = [section.get("pin") for section in (file.values, *file.servers.values()) if section.get("server") == server]
    pin = next(filter(None, pins), None)
    return Trust(str(pin) if pin else None, accept_new=other.accept_new, ask=other.ask)


def _change(ids: Sequence[str], everything: bool, change: Callable[[list[Entry]], None], done: str) -> None:
    from chatcli.cli.output.streams import notice

    entries = _entries()
    chosen = entries if everything else list({one.message.id: one for one in (_find(i, entries) for i in ids)}.values())
    change(chosen)
    notice(f"{_count(len(chosen))} {done}.")


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def _find(start: str, entries: Sequence[Entry]) -> Entry:
    found = [entry for entry in entries if entry.message.id.startswith(start.lower())]
    if len(found) != 1 or not start:
        what = "Nothing" if not found else "More than one message"
        raise InputError(f'{what} in the outbox begins with "{start}": "chatcli outbox" shows the ids.')
    return found[0]


def _entries() -> list[Entry]:
    from chatcli.client.outbox.store import read_all
    from chatcli.client.storage.files import outbox_directory

    return read_all(outbox_directory())


def _list(*, as_json: bool) -> None:
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs

    entries = _entries()
    if as_json:
        for entry in entries:
            print_json(_record(entry))
        return
    ids = _short([entry.message.id for entry in entries])
    if not on_terminal():
        for entry, identity in zip(entries, ids, strict=True):
            tabs(_cells(entry, identity))
    elif entries:
        rows = [_for_people(entry, identity) for entry, identity in zip(entries, ids, strict=True)]
        table(_HEADINGS, rows, _SPARE)
    else:
        click.echo("No messages wait to be sent.", err=True)


def _short(ids: Sequence[str]) -> list[str]:
    """Return the shortest beginnings of ids that are unique."""
    length = _SHORTEST
    while len({identity[:length] for identity in ids}) < len(set(ids)):
        length += 1
    return [identity[:length] for identity in ids]


def _record(entry: Entry) -> Waiting:
    """Return the record of a message."""
    from chatcli.cli.output.records import Failure, Waiting

    message, refusal = entry.message, entry.refusal
    return Waiting(
        id=message.id,
        at=_when(entry) or None,
        user=entry.user or None,
        server=entry.server or None,
        to=message.to,
        text=message.text,
        re=message.re,
        state="refused" if refusal else "waiting",
        error=Failure(refusal.code, refusal.text) if refusal else None,
    )


def _when(entry: Entry) -> str:
    from chatcli.protocol.records import moment
    from chatcli.protocol.values.ids import milliseconds

    made = milliseconds(entry.message.id)
    return "" if made is None else moment(made)


def _cells(entry: Entry, identity: str) -> list[str]:
    state = f"refused: {entry.refusal.text}" if entry.refusal else "waiting"
    return [
        identity, _when(entry), entry.user, entry.server, entry.message.to, state, entry.message.text[:_START],
    ]  # fmt: skip


def _for_people(entry: Entry, identity: str) -> list[str]:
    from chatcli.cli.output.layout import shortened
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.ids import milliseconds
    from chatcli.protocol.values.text import printable_line

    cells = [printable_line(cell) or "-" for cell in _cells(entry, identity)]
    made = milliseconds(entry.message.id)
    cells[1] = "-" if made is None else clock(made)
    cells[5] = shortened(cells[5], _WHY)
    return cells
