"""``chatcli key``: shows the user's key, transfers it to another machine, and makes tokens for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from chatcli.cli.options.shared import (
    SCOPES,
    Account,
    in_use,
    json_option,
    loudness_options,
    server_options,
    token_options,
    user_option,
    web_option,
)
from chatcli.cli.options.types import CredentialType
from chatcli.cli.output.streams import notice, warn

if TYPE_CHECKING:
    from chatcli.protocol.frames import Scope, TokenInfo

_MEANING: Final = {"send": "sends", "read": "reads", "all": "does all but manage keys, tokens and people"}
_SCOPES: Final = {**SCOPES, "recover": "adding a key to your name, once"}


@click.group("key")
def command() -> None:
    """Show your key, carry it to another machine, or let another device or a program have your name.

    The key is made when it is first needed. Your names belong to it: a person with your key can use them.
    """


@command.command("show")
@json_option("fingerprint.")
@loudness_options
def show(as_json: bool) -> None:
    """Print the fingerprint of your key."""
    from chatcli.client.identity.key import load_identity
    from chatcli.client.storage.files import config_directory

    fingerprint = load_identity(config_directory()).fingerprint
    if as_json:
        from chatcli.cli.output.records import OwnKey
        from chatcli.cli.output.tables import print_json

        print_json(OwnKey(fingerprint))
    else:
        click.echo(fingerprint)


@command.command("export", short_help="Print your key, which is a secret.")
@loudness_options
def export() -> None:
    """Print your key, for "key import" on another machine. It is a secret.

    \b
    chatcli key export | ssh other-machine chatcli key import
    """
    from chatcli.client.identity.key import load_identity
    from chatcli.client.storage.files import config_directory

    identity = load_identity(config_directory())
    if sys.stdout is not None and sys.stdout.isatty():
        warn("This is secret: anyone who sees it can write under your names.")
    click.echo(identity.export_text(), nl=False)


@command.command("import", short_help="Make the key in FILE yours.")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"), default="-")
@click.option("--force", is_flag=True, help="Replace another key; it is kept beside the new one, as key.old.")
@loudness_options
def import_(file: IO[str], force: bool) -> None:
    """Make the key in FILE yours: the output of "key export", from standard input if there is no FILE."""
    from chatcli.client.identity.key import import_identity, parse_identity
    from chatcli.client.storage.files import config_directory

    identity = parse_identity(file.read())
    kept = import_identity(config_directory(), identity, force=force)
    if kept is not None:
        notice(f"The key that was here is kept in {kept}.")
    notice(f"Your key is now {identity.fingerprint}.")


@command.command("link", short_help="Print a code for another device of yours.")
@web_option
@json_option("code, until (RFC 3339), command (for the other device), url (for a browser).")
@user_option()
@server_options
def link(web: bool, as_json: bool, account: Account) -> None:
    """Print a code with which another device of yours can join under your name.

    The code is valid for one device and for a few minutes. On the other device: chatcli join --user NAME --link CODE

    With --web it is part of an address: whoever opens that first, in whichever browser, gets the name.
    """
    import os

    from chatcli.cli.environment import page_of
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import Link, LinkCode
    from chatcli.protocol.values.page_links import Fragment, page_url
    from chatcli.protocol.values.text import command_line, printable_line

    account.require_key()
    with account.login() as login:
        answer = Client(login).request(Link(1), LinkCode)
    key = account.trust.known_key(account.server.name)
    pin = ("--pin", key) if key else ()
    where = ("--user", account.name, "--server", str(account.server), *pin)
    command = command_line("chatcli", "join", *where, "--link", answer.code)
    page = page_of(account.server.name, os.environ)
    url = page_url(page, Fragment(name=account.name, link=answer.code))
    if as_json:
        from chatcli.cli.output.records import LinkCode as Record
        from chatcli.cli.output.tables import print_json
        from chatcli.protocol.records import moment

        print_json(Record(answer.code, moment(answer.until), command.strip(), url))
    elif web:
        from chatcli.cli.environment import is_here
        from chatcli.cli.output.page_link import print_page_link

        notice(f"For 10 minutes, the first browser that opens this gets the name {account.name}.")
        print_page_link(url, here_only=is_here(page))
    else:
        notice(f"On the other device, within 10 minutes:\n{command}")
        click.echo(printable_line(answer.code))


@command.command("list", short_help="List the keys that your name belongs to.")
@json_option("fingerprint, since (RFC 3339), device.")
@user_option()
@server_options
def list_(as_json: bool, account: Account) -> None:
    """List the keys that your name belongs to, the oldest first.

    On a terminal in columns. In a pipe separated by tabs: the fingerprint, when it was added (RFC 3339), and the label
    of the device that added it, if there is one.
    """
    from chatcli.cli.output.records import Key
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs
    from chatcli.cli.output.times import local
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import KeyList, Keys
    from chatcli.protocol.records import moment
    from chatcli.protocol.values.text import printable_line

    account.require_key()
    with account.login() as login:
        keys = Client(login).request(Keys(1), KeyList).keys
    if as_json:
        for key in keys:
            print_json(Key(key.fingerprint, moment(key.since), printable_line(key.device)))
    elif on_terminal():
        rows = [(key.fingerprint, local(key.since), key.device) for key in keys]
        table(("fingerprint", "since", "device"), [tuple(map(printable_line, row)) for row in rows], spare=("since",))
    else:
        for key in keys:
            tabs((key.fingerprint, moment(key.since), key.device))


@command.command("token", short_help="Print a token for a program without a key.")
@token_options(expires="90d", scopes=_SCOPES)
@json_option("token, id, until (RFC 3339, or null).")
@user_option()
@server_options
def token(label: str | None, to: tuple[str, ...], scope: Scope, seconds: int, as_json: bool, account: Account) -> None:
    """Print a token for a program that cannot keep a key, such as a CI job or a webhook. It is a secret.

    It is shown this once. Give it to the program in the variable CHATCLI_TOKEN; never on a command line, where others
    can read it. Messages come from you. Make one for each program, for as little as it needs, so that you can revoke it
    alone.

    \b
    chatcli key token --label "deploy hook" --to '#ops'
    CHATCLI_TOKEN=cct_… chatcli send '#ops' "deployed"

    With --scope recover the token is for you, for the day when your key is lost: it lets one device have your name, and
    is used up then. It never ends unless you say something else. Keep it as you keep a password, not on this device.

    \b
    chatcli key token --scope recover --label "in the safe"
    chatcli join --user alice --link cct_…
    """
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import MakeToken, Token
    from chatcli.protocol.values.text import command_line

    account.require_key()
    recovers = scope == "recover"
    if recovers and click.get_current_context().get_parameter_source("seconds") is ParameterSource.DEFAULT:
        seconds = 0
    request = MakeToken(label or "", scope, list(to), seconds or None, 1)
    with account.login() as login:
        made = Client(login).request(request, Token)
    if as_json:
        from chatcli.cli.output.records import Token as Record
        from chatcli.cli.output.tables import print_json
        from chatcli.protocol.records import moment

        print_json(Record(made.token, made.id, moment(made.until) if made.until else None))
        return
    click.echo(made.token)
    end = f"To end it:\n{command_line('chatcli', 'key', 'revoke', made.id, *in_use())}"
    if recovers:
        where = ("--user", account.name, "--server", str(account.server))
        join = command_line("chatcli", "join", *where, "--link")
        until = f", {_until(made.until)}" if made.until else ""
        notice(
            f"Recovery token {made.id}: whoever has it can add a key to your name, once{until}. "
            f"Keep it as you keep a password, not on this device. It is not shown again. To use it elsewhere:\n"
            f"{join} cct_…\n{end}"
        )
        return
    places = f"for {' and '.join(to)} only" if to else "everywhere"
    notice(f"Token {made.id}: {_MEANING[scope]}, {places}, {_until(made.until)}. It is not shown again. {end}")


def _until(until: int | None) -> str:
    from chatcli.cli.output.times import local

    return f"until {local(until)}" if until else "for ever"


@command.command("tokens", short_help="List the tokens of your name.")
@json_option("id, scope, label, to (or null for everywhere), since, until, used (RFC 3339, or null), key (or null).")
@user_option()
@server_options
def tokens(as_json: bool, account: Account) -> None:
    """List the tokens that speak under your name, the oldest first.

    On a terminal in columns. In a pipe separated by tabs: the id, the scope, what it is limited to ("everywhere", or
    names separated by commas), until when it is valid ("never" ends), the day of its last use ("never"), and the label.
    """
    from chatcli.cli.output.records import of_token
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs
    from chatcli.cli.output.times import local
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import TokenList, Tokens
    from chatcli.protocol.records import moment

    account.require_key()
    with account.login() as login:
        found = Client(login).request(Tokens(1), TokenList).tokens
    if as_json:
        for one in found:
            print_json(of_token(one))
    elif on_terminal():
        headings = ("id", "scope", "for", "until", "used", "label")
        table(headings, [_token_cells(one, local) for one in found])
        if not found:
            notice("You have no tokens.")
    else:
        for one in found:
            tabs(_token_cells(one, moment))


def _token_cells(one: TokenInfo, written: Callable[[int], str]) -> tuple[str, ...]:
    from chatcli.protocol.records import moment
    from chatcli.protocol.values.text import printable_line

    places = ",".join(one.to) or "nowhere" if one.limited else "everywhere"
    until = written(one.until) if one.until else "never"
    used = moment(one.used)[:10] if one.used else "never"
    return tuple(map(printable_line, (one.id, one.scope, places, until, used, one.label)))


@command.command("revoke", short_help="Remove a key from your name, or end a token.")
@click.argument("credential", metavar="SHA256:…|ID", type=CredentialType())
@user_option()
@server_options
def revoke(credential: str, account: Account) -> None:
    """Remove a key from your name, or end a token given by its ID, and close its connections.

    For a device that is lost, or a token that others have seen. The tokens that a key has made end with it.
    """
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import Done, Revoke, RevokeToken
    from chatcli.protocol.values.tokens import is_token_id

    account.require_key()
    is_token = is_token_id(credential)
    with account.login() as login:
        Client(login).request(RevokeToken(credential, 1) if is_token else Revoke(credential, 1), Done)
    if is_token:
        notice(f"The token {credential} has ended.")
    else:
        notice(f"{credential} is no longer a key of your name. The tokens that it has made have ended, too.")
