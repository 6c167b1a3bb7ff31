"""``chatcli who``: lists the people in the chat or in a room, or shows one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, json_option, server_options, user_option
from chatcli.cli.options.types import NameType
from chatcli.cli.output.streams import notice

if TYPE_CHECKING:
    from chatcli.protocol.frames import Person


@click.command("who")
@click.argument("of", required=False, type=NameType(), shell_complete=candidates.people_and_rooms)
@json_option("user, state (here, away or gone), since (RFC 3339, or null if it is not known), text, idle (since when).")
@user_option(
    "Who you are, for OF, and for servers that answer only users.  [default: your login"
    " name, or GITHUB_USER in a codespace]"
)
@server_options
def command(of: str | None, as_json: bool, account: Account) -> None:
    """List the people in the chat, or in the room OF; or show where the person OF is.

    On a terminal with their state, and since when: here, away, idle (nobody has touched any of their clients for a
    while), or gone. In a pipe, people in the chat are one name a line; with OF, each line has the name, "here", "away"
    or "gone", since when (RFC 3339), their away message, and since when they are idle, separated by tabs.

    \b
    chatcli who
    chatcli who bob
    chatcli who '#ops'
    """
    from chatcli.cli.output.records import of_person
    from chatcli.cli.output.tables import columns, on_terminal, print_json, print_row, tabs
    from chatcli.protocol.records import moment

    people = _listed(of, account) if of else _here(account)
    if as_json:
        for person in people:
            print_json(of_person(person))
    elif on_terminal():
        for line in columns([_cells(person) for person in people]):
            print_row(line)
        if not people:
            notice("Nobody is here.")
    else:
        for person in people:
            since, idle = (moment(time) if time else "" for time in (person.since, person.idle))
            tabs([person.user, person.state, since, person.text, idle] if of else [person.user])


def _here(account: Account) -> list[Person]:
    from chatcli.client.oneshot.client import Client

    with account.login() as login:
        return Client(login).who()


def _listed(of: str, account: Account) -> list[Person]:
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import People, Who

    with account.login() as login:
        return Client(login).request(Who(of, n=1), People).people


def _cells(person: Person) -> tuple[str, str]:
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.text import printable_line

    since = f" since {clock(person.since)}" if person.since else ""
    text = f" ({person.text})" if person.text else ""
    idle = f", idle since {clock(person.idle)}" if person.idle else ""
    return printable_line(person.user), printable_line(f"{person.state}{since}{text}{idle}")
