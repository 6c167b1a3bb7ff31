"""``chatcli key``: shows the user's key, and transfers it to another machine."""

from __future__ import annotations

import sys
from typing import IO

import click

from chatcli.cli.options.shared import Account, json_option, loudness_options, server_options, user_option
from chatcli.cli.options.types import FingerprintType
from chatcli.cli.output.streams import notice, warn


@click.group("key")
def command() -> None:
    """Show your key, carry it to another machine, or let another device have your name.

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
@json_option("code, until (RFC 3339), command (for the other device).")
@user_option()
@server_options
def link(as_json: bool, account: Account) -> None:
    """Print a code with which another device of yours can join under your name.

    The code is valid for one device and for a few minutes. On the other device: chatcli join --user NAME --link CODE
    """
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import Link, LinkCode
    from chatcli.protocol.values.text import command_line, printable_line

    with account.login() as login:
        answer = Client(login).request(Link(1), LinkCode)
    if isinstance(answer, LinkCode):
        key = account.trust.known_key(account.server)
        pin = ("--pin", key) if key else ()
        where = ("--user", account.name, "--server", str(account.server), *pin)
        command = command_line("chatcli", "join", *where, "--link", answer.code)
        if as_json:
            from chatcli.cli.output.records import LinkCode as Record
            from chatcli.cli.output.tables import print_json
            from chatcli.cli.output.times import moment

            print_json(Record(answer.code, moment(answer.until), command.strip()))
            return
        notice(f"On the other device, within 10 minutes:\n{command}")
        click.echo(printable_line(answer.code))


@command.command("list", short_help="List the keys that your name belongs to.")
@json_option("fingerprint, since (RFC 3339).")
@user_option()
@server_options
def list_(as_json: bool, account: Account) -> None:
    """List the keys that your name belongs to, the oldest first.

    On a terminal in columns. In a pipe separated by tabs: the fingerprint, and when it was added (RFC 3339).
    """
    from chatcli.cli.output.records import Key
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs
    from chatcli.cli.output.times import local, moment
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import KeyList, Keys
    from chatcli.protocol.values.text import printable_line

    with account.login() as login:
        keys = Client(login).request(Keys(1), KeyList).keys
    if as_json:
        for key in keys:
            print_json(Key(key.fingerprint, moment(key.since)))
    elif on_terminal():
        table(("fingerprint", "since"), [(printable_line(key.fingerprint), local(key.since)) for key in keys])
    else:
        for key in keys:
            tabs((key.fingerprint, moment(key.since)))


@command.command("revoke", short_help="Remove a key from your name.")
@click.argument("fingerprint", type=FingerprintType())
@user_option()
@server_options
def revoke(fingerprint: str, account: Account) -> None:
    """Remove a key from your name, and close its connections: for a device that is lost."""
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import Done, Revoke

    with account.login() as login:
        Client(login).request(Revoke(fingerprint, 1), Done)
    notice(f"{fingerprint} is no longer a key of your name.")
