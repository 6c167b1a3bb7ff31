"""``chatcli key``: shows the user's key, and carries it to another machine."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING

import click

from chatcli.cli.options import login_name, server_options, user_option
from chatcli.cli.values import FingerprintType
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.trust import Trust


@click.group("key", short_help="Show your key, or share your name.")
def command() -> None:
    """Show your key, carry it to another machine, or let another device have your name.

    The key is made the first time that it is needed. Your names belong to it: whoever has the key is you.
    """


@command.command("show")
def show() -> None:
    """Print the fingerprint of your key."""
    from chatcli.client.files import config_directory
    from chatcli.client.identity import load_identity

    click.echo(load_identity(config_directory()).fingerprint)


@command.command("export", short_help="Print your key, which is a secret.")
def export() -> None:
    """Print your key, for "key import" on another machine. It is a secret.

    \b
    chatcli key export | ssh other-machine chatcli key import
    """
    from chatcli.client.files import config_directory
    from chatcli.client.identity import load_identity

    identity = load_identity(config_directory())
    if sys.stdout.isatty():
        click.echo("This is secret: whoever sees it can write under your names.", err=True)
    click.echo(identity.export_text(), nl=False)


@command.command("import", short_help="Make the key in FILE yours.")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"), default="-")
@click.option("--force", is_flag=True, help="Replace another key; it is kept beside the new one, as key.old.")
def import_(file: IO[str], force: bool) -> None:
    """Make the key in FILE yours: what "key export" printed, from standard input if no FILE is named."""
    from chatcli.client.files import config_directory
    from chatcli.client.identity import import_identity, parse_identity

    identity = parse_identity(file.read())
    kept = import_identity(config_directory(), identity, force=force)
    if kept is not None:
        click.echo(f"The key that was here is kept in {kept}.", err=True)
    click.echo(f"Your key is now {identity.fingerprint}.", err=True)


@command.command("link", short_help="Print a code for another device of yours.")
@user_option()
@server_options
def link(user: str | None, server: Address, trust: Trust) -> None:
    """Print a code with which another device of yours can join under your name.

    The code is good for one device and for a few minutes. On the other device: chatcli join --user NAME --link CODE
    """
    from chatcli.client.oneshot import request
    from chatcli.protocol.frames import Link, LinkCode
    from chatcli.protocol.text import printable_line

    name = user or login_name()
    answer = request(server, name, Link(1), trust, purpose="query")
    if isinstance(answer, LinkCode):
        code = printable_line(answer.code)
        key = trust.known_key(server)
        where = f"--server {server}" + (f" --pin {key}" if key else "")
        command = f"chatcli join --user {name} {where} --link {code}"
        click.echo(f"On the other device, within 10 minutes: {command}", err=True)
        click.echo(code)


@command.command("list", short_help="List the keys that your name belongs to.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: fingerprint, and since when (RFC 3339).")
@user_option()
@server_options
def list_(as_json: bool, user: str | None, server: Address, trust: Trust) -> None:
    """List the keys that your name belongs to, the oldest first."""
    from chatcli.cli.listing import moment, print_json
    from chatcli.client.oneshot import request
    from chatcli.protocol.frames import KeyList, Keys
    from chatcli.protocol.text import printable_line

    answer = request(server, user or login_name(), Keys(1), trust, purpose="query")
    for key in answer.keys if isinstance(answer, KeyList) else []:
        since = moment(key.since)
        if as_json:
            print_json({"fingerprint": key.fingerprint, "since": since})
        else:
            click.echo(f"{printable_line(key.fingerprint)}\t{since.partition('T')[0]}")


@command.command("revoke", short_help="Take your name away from a key.")
@click.argument("fingerprint", type=FingerprintType())
@user_option()
@server_options
def revoke(fingerprint: str, user: str | None, server: Address, trust: Trust) -> None:
    """Take your name away from a key, and close what is open under it: for a device that is lost."""
    from chatcli.client.oneshot import request
    from chatcli.protocol.frames import Revoke

    request(server, user or login_name(), Revoke(fingerprint, 1), trust, purpose="query")
    click.echo(f"{fingerprint} is yours no more.", err=True)
