"""``chatcli admin``: administers the server that runs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from chatcli.cli.maintenance import COMMANDS
from chatcli.cli.options import candidates
from chatcli.cli.options.shared import (
    SCOPES,
    data_directory,
    data_option,
    data_option_within,
    loudness_options,
    token_options,
    web_option,
)
from chatcli.cli.options.types import DurationType, TextType
from chatcli.cli.output.streams import notice, quiet
from chatcli.cli.output.tables import columns, on_terminal, print_row, tabs
from chatcli.errors import UnknownRecipient
from chatcli.protocol.values.address import is_loopback, parse_address

if TYPE_CHECKING:
    from chatcli.protocol.admin import Row
    from chatcli.protocol.values.address import Address


class ReasonType(TextType):
    """A reason: text up to the length that the server accepts."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, unless it is too long."""
        from chatcli.protocol.admin import MAX_REASON

        text = super().convert(value, param, ctx)
        if len(text) > MAX_REASON:
            self.fail(f"it has {len(text)} characters, and may have {MAX_REASON}.", param, ctx)
        return text


@click.group("admin")
@data_option
def command() -> None:
    """Administer the server that runs on this machine.

    Only the owner of the server's files may do that. Changes to the running server are recorded in audit.log, in its
    data directory. The commands backup, restore, export, import and check work on the files and need no running server.
    """


def _sub_command(short_help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that makes a sub-command of a function, with ``--json`` and ``--data``."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(function)
        data_option_within(loudness_options(function))
        command.command(function.__name__, short_help=short_help)(function)
        return function

    return add


for upkeep in COMMANDS:
    command.add_command(upkeep)


def _name(function: Callable[..., None]) -> Callable[..., None]:
    return click.argument("name", type=TextType(), shell_complete=candidates.people)(function)


def _for(function: Callable[..., None]) -> Callable[..., None]:
    help_text = "For how long, as in 10m, 2h or 2d.  [default: for ever]"
    return click.option("--for", "seconds", type=DurationType(), help=help_text)(function)


def _reason(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--reason", type=ReasonType(), help="The reason, which is shown to them.")(function)


@_sub_command("Show the state of the server.")
def status(as_json: bool) -> None:
    """Show the state of the server.

    On a terminal in columns, in a pipe separated by tabs.
    """
    (row,) = _ask("status")
    if as_json:
        _print_record("status", row)
        return
    cells = [(key.replace("_", " "), _shown(value)) for key, value in row.items() if value is not None]
    if on_terminal():
        for line in columns(cells):
            _print(line)
    else:
        for what in cells:
            tabs(what)


@_sub_command("List all users.")
def users(as_json: bool) -> None:
    """List all users: name, "here" or "gone", connections, state, keys.

    On a terminal in columns, in a pipe separated by tabs.
    """
    rows = _ask("users")
    if as_json:
        for row in rows:
            _print_record("users", row)
    elif on_terminal():
        for line in columns([_HEADINGS, *map(_cells, rows)]):  # not cut: keys are for copying
            print_row(line)
    else:
        for row in rows:
            tabs(_cells(row))


@_sub_command("Close the connections of NAME.")
@_name
@_reason
def kick(name: str, reason: str | None, as_json: bool) -> None:
    """Close the connections of NAME, who may come back. If none is open, the status is 3."""
    _do(as_json, lambda row: f"{row['user']} has been sent away: {_closed(row)}.", "kick", to=name, reason=reason or "")


@_sub_command("Ban a name and its keys, or one key.")
@click.argument("who", metavar="NAME|SHA256:…", type=TextType(), shell_complete=candidates.people)
@_for
@_reason
@click.option("--anyway", is_flag=True, help="Also if the name is unknown.")
def ban(who: str, seconds: int | None, reason: str | None, anyway: bool, as_json: bool) -> None:
    """Ban a name and its keys, or one key."""

    def sentence(row: Row) -> str:
        return f"{row['banned']} is banned {_how_long(seconds)}: {_closed(row)}."

    try:
        _do(as_json, sentence, "ban", to=who, seconds=seconds, reason=reason or "", anyway=anyway)
    except UnknownRecipient as error:
        error.args = (f"{error} To ban the name all the same: --anyway.",)
        raise


@_sub_command("Lift a ban.")
@click.argument("who", metavar="NAME|SHA256:…", type=TextType(), shell_complete=candidates.people)
def unban(who: str, as_json: bool) -> None:
    """Lift a ban."""

    def sentence(row: Row) -> str:
        return f"{row['unbanned']} is {_no_longer(row['was_banned'])} banned."

    _do(as_json, sentence, "unban", to=who)


@_sub_command("Let NAME read, but not write.")
@_name
@_for
def mute(name: str, seconds: int | None, as_json: bool) -> None:
    """Let NAME read, but not write."""
    _do(as_json, lambda row: f"{row['muted']} is muted {_how_long(seconds)}.", "mute", to=name, seconds=seconds)


@_sub_command("Let NAME write again.")
@_name
def unmute(name: str, as_json: bool) -> None:
    """Let NAME write again."""
    _do(as_json, lambda row: f"{row['unmuted']} is {_no_longer(row['was_muted'])} muted.", "unmute", to=name)


@_sub_command("Make NAME an operator.")
@_name
def op(name: str, as_json: bool) -> None:
    """Make NAME an operator, who may kick, ban and mute from inside the chat."""
    _do(as_json, lambda row: f"{row['operator']} is an operator.", "op", to=name)


@_sub_command("Remove NAME from the operators.")
@_name
def deop(name: str, as_json: bool) -> None:
    """Remove NAME from the operators."""
    _do(as_json, lambda row: f"{row['user']} is {_no_longer(row['was_operator'])} an operator.", "deop", to=name)


@_sub_command("Free NAME for somebody else.")
@_name
def release(name: str, as_json: bool) -> None:
    """Free NAME for somebody else, for example after its owner has left for good.

    Messages to the previous owner stay theirs: the next one does not see them. Somebody who has only lost their key
    stays the same person with "chatcli admin link NAME".
    """
    _do(as_json, lambda row: f"{row['released']} is free: {_closed(row)}.", "release", to=name)


@_sub_command("Print a code for people who lost their key.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=TextType(), shell_complete=candidates.people)
@click.option("--keep-keys", is_flag=True, help="Do not revoke the keys that they have now.")
@click.option(
    "--expires", "seconds", type=DurationType(), default="1d", show_default=True, help="How long each code is valid."
)
@click.option("--server", metavar="HOST[:PORT]|URL", help="The server's address for them.  [default: where it listens]")
@web_option
def link(names: tuple[str, ...], keep_keys: bool, seconds: int, server: str | None, web: bool, as_json: bool) -> None:
    """Print a code for each NAME with which its owner, whose key is lost, comes back under a new key.

    They stay the same person: messages, rooms and rank are theirs as before. Make sure that you give the code to them
    and to nobody else. When it is used, their old keys are revoked, devices that use one are sent away, and the people
    who talk with them are notified. A later code for the same name replaces it.

    Prints the command to paste, one line for each name; if nobody has one of the names, no code is made. A name for
    operators, such as "admin", can be taken for the first time in the same way.
    """
    from chatcli.cli.environment import is_here
    from chatcli.cli.output.page_link import print_page_link
    from chatcli.protocol.values.page_links import Fragment, page_url

    if web:
        _require_page()
    if len(names) > 1:
        _check_known(names)
    for name in names:
        (row,) = _ask("link", to=name, seconds=seconds, keep=keep_keys)
        row["command"] = _join(row, server, ("--user", row["user"], "--link", row["code"]))
        page = _page(row, server)
        row["url"] = page_url(page, Fragment(name=row["user"], link=row["code"]))
        if as_json:
            _print_record("link", row)
        elif web:
            notice(f"Gives the name {row['user']} to one browser, until {_local(row['until'])}{_effect(row)}")
            print_page_link(row["url"], here_only=is_here(page))
        else:
            _print(row["command"])
            notice(f"For {row['user']}, once, until {_local(row['until'])}{_effect(row)}")


def _effect(row: Row) -> str:
    if row["new"]:
        return ". Nobody has had that name yet."
    return ". The present keys stay valid." if row["keeps_keys"] else ". Using it revokes the present keys."


def _check_known(names: tuple[str, ...]) -> None:
    """Raise unless all names are people's, or may be given away.

    Raises:
        InputError: one cannot be a name.
        UnknownRecipient: nobody has some of them.
    """
    from chatcli.protocol import codes
    from chatcli.protocol.values.lookalikes import looks_like_operator
    from chatcli.protocol.values.names import check_name, fold

    known = {fold(row["user"]) for row in _ask("users")}
    unknown = [name for name in names if fold(name) not in known and not looks_like_operator(check_name(name))]
    if unknown:
        shown = ", ".join(f'"{name}"' for name in unknown)
        sentence = f"Nobody called {shown} was ever here, so no code was made: check the spelling."
        raise UnknownRecipient(codes.UNKNOWN_USER, sentence, [])


@_sub_command("Print an invitation for newcomers.")
@click.option(
    "--uses", type=click.IntRange(1, 1_000_000), default=1, show_default=True, help="How many newcomers may use it."
)
@click.option(
    "--expires", "seconds", type=DurationType(), default="7d", show_default=True, help="How long it is valid."
)
@click.option(
    "--server", metavar="HOST[:PORT]|URL", help="The server's address for newcomers.  [default: where it listens]"
)
@web_option
def invite(uses: int, seconds: int, server: str | None, web: bool, as_json: bool) -> None:
    """Print an invitation: its code, and on the next line the command to paste."""
    from chatcli.cli.environment import is_here
    from chatcli.cli.output.page_link import print_page_link
    from chatcli.protocol.values.page_links import Fragment, page_url

    if web:
        _require_page()
    (row,) = _ask("invite", uses=uses, seconds=seconds)
    row["command"] = _join(row, server, ("--invite", row["code"]))
    page = _page(row, server)
    row["url"] = page_url(page, Fragment(invite=row["code"]))
    if as_json:
        _print_record("invite", row)
        return
    newcomers = "one newcomer" if uses == 1 else f"{uses} newcomers"
    needless = " This server lets anyone in without one: see serve --access." if row["access"] == "open" else ""
    good = f"Good for {newcomers}, until {_local(row['until'])}.{needless}"
    if web:
        notice(good)
        print_page_link(row["url"], here_only=is_here(page))
    else:
        _print(row["code"])
        _print(row["command"])
        notice(good)


@_sub_command("Print a token for a program called NAME.")
@_name
@token_options(expires="never", scopes={**SCOPES, "metrics": "reading the metrics of the server"})
def token(name: str, to: tuple[str, ...], label: str | None, scope: str, seconds: int, as_json: bool) -> None:
    """Print a token for a program that is called NAME, such as a webhook. It is a secret, and shown this once.

    The name is made if it is free. It belongs to nobody's key, so that nobody else can claim it; "admin link NAME" lets
    a person have it. In the rooms of --to it becomes a member.

    With --scope metrics it is good for GET /metrics, and for nothing else; only operators make such tokens.

    \b
    chatcli admin token grafana --to '#ops'
    chatcli admin token prometheus --scope metrics
    """
    from chatcli.protocol.values.text import command_line

    (row,) = _ask("token", to=name, places=list(to), label=label or "", scope=scope, seconds=seconds or None)
    if as_json:
        _print_record("token", row)
        return
    _print(row["token"])
    until = "for ever" if row["until"] is None else f"until {_local(row['until'])}"
    made = "a new name" if row["new"] else "another token of that name"
    words = ("admin", "revoke", row["id"], "--data", str(data_directory().absolute()))
    notice(
        f"Token {row['id']} of {row['user']}, {made}: {until}. It is not shown again. To end it:\n"
        f"{command_line('chatcli', *words)}"
    )


@_sub_command("List the tokens of NAME.")
@_name
def tokens(name: str, as_json: bool) -> None:
    """List the tokens that speak under NAME, the oldest first.

    On a terminal in columns, in a pipe separated by tabs: the id, the scope, what it is limited to ("everywhere", or
    names separated by commas), until when it is valid ("never" ends), the day of its last use ("never"), and the label.
    """
    rows = _ask("tokens", to=name)
    if as_json:
        for row in rows:
            _print_record("tokens", row)
    elif on_terminal():
        for line in columns([("id", "scope", "for", "until", "used", "label"), *map(_token_cells, rows)]):
            print_row(line)
    else:
        for row in rows:
            tabs(_token_cells(row))


def _token_cells(row: Row) -> tuple[str, ...]:
    from chatcli.protocol.values.text import printable_line

    places = "everywhere" if row["to"] is None else ",".join(row["to"])
    used = row["used"][:10] if row["used"] else "never"
    return tuple(map(printable_line, (row["id"], row["scope"], places, row["until"] or "never", used, row["label"])))


@_sub_command("End the token ID.")
@click.argument("token_id", metavar="ID", type=TextType())
def revoke(token_id: str, as_json: bool) -> None:
    """End the token ID, whoever has made it, and close its connections."""
    _do(
        as_json,
        lambda row: f"The token {row['revoked']} of {row['user']} has ended: {_closed(row)}.",
        "revoke",
        to=token_id,
    )


def _join(row: Row, server: str | None, options: tuple[str, ...]) -> str:
    """Return the command with which someone joins, to be pasted."""
    from chatcli.cli.environment import program, reachable
    from chatcli.protocol.values.text import command_line

    bound = next(one for text in row["addresses"] for one in reachable(parse_address(text)))
    where = parse_address(server, bound.port) if server else bound
    pin = () if is_loopback(where.host) and not where.scheme else ("--pin", row["key"])
    words = (*program(where), "join", "--server", str(where), *pin, *options)
    return command_line(*words).strip()


def _require_page() -> None:
    """Raise if the server has no page, before there is a code.

    Raises:
        click.UsageError: it was started without.
    """
    from chatcli.cli.serve_record import recorded_pages

    if recorded_pages(data_directory()) == []:
        raise click.UsageError("This server has no page for browsers: it was started with --no-web. Drop --web.")


def _page(row: Row, server: str | None) -> Address:
    """Return the address at which others find the server's page: as given, as ``serve`` prints it, or as it listens."""
    import os

    from chatcli.cli.environment import invited_page, is_here, page_of
    from chatcli.cli.serve_record import recorded_pages

    bound = [parse_address(text) for text in row["addresses"]]
    if server:
        return page_of(parse_address(server, bound[0].port), os.environ)
    printed = [parse_address(page) for page in recorded_pages(data_directory()) or ()]
    return next((page for page in printed if not is_here(page)), None) or invited_page(bound, os.environ)


def _do(as_json: bool, sentence: Callable[[Row], str], do: str, **fields: Any) -> None:  # noqa: ANN401 (as Request's)
    """Send a request to the server, and print its result."""
    for row in _ask(do, **fields):
        if as_json:
            _print_record(do, row)
        elif not quiet():
            _print(sentence(row))


def _ask(do: str, **fields: Any) -> list[Row]:  # noqa: ANN401 (passed on)
    from chatcli.client.oneshot.admin import ask
    from chatcli.protocol.admin import Request

    return [_with_times(row) for row in ask(data_directory(), Request(do, **fields))]


def _with_times(row: Row) -> Row:
    """Return a row with its times in the form of all other output."""
    return {key: _time(value) if key in _TIMES and value is not None else value for key, value in row.items()}


def _time(text: str) -> str:
    import datetime

    from chatcli.protocol.records import moment

    return moment(int(datetime.datetime.fromisoformat(text).timestamp() * 1000))


def _shown(value: object) -> str:
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def _print_record(do: str, row: Row) -> None:
    """Print the result of a command as one object.

    Raises:
        ProtocolError: the server's answer does not fit this version.
    """
    import msgspec

    from chatcli.cli.output.schema import PRINTED
    from chatcli.cli.output.tables import print_json
    from chatcli.errors import ProtocolError

    try:
        record = msgspec.convert(row, PRINTED[f"admin {do}"])
    except msgspec.ValidationError as error:
        sentence = f"The running server is of another version of chatcli ({error}): restart it."
        raise ProtocolError(sentence) from None
    print_json(record)


def _print(line: str) -> None:
    from chatcli.protocol.values.text import printable_line

    click.echo(printable_line(line))


_TIMES: Final = frozenset({"since", "log_since", "until", "used", "certificate_expires"})
_HEADINGS: Final = ("name", "state", "connections", "is", "keys")


def _cells(row: Row) -> tuple[str, ...]:
    from chatcli.protocol.values.text import printable_line

    is_what = [what for what in ("operator", "muted", "banned") if row[what]]
    here = "here" if row["here"] else "gone"
    keys = ",".join(row["keys"]) or "-"
    return tuple(map(printable_line, (row["user"], here, str(row["connections"]), ",".join(is_what) or "-", keys)))


def _closed(row: Row) -> str:
    count = row["closed"]
    return (
        "no connection was open"
        if not count
        else "a connection was closed"
        if count == 1
        else (f"{count} connections were closed")
    )


def _how_long(seconds: int | None) -> str:
    from chatcli.protocol.values.durations import duration_text

    return "for ever" if seconds is None else f"for {duration_text(seconds)}"


def _no_longer(was: bool) -> str:
    return "no longer" if was else "not"


def _local(moment: str) -> str:
    import datetime

    return f"{datetime.datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
