"""``chatcli who``: lists the people in the chat, or in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, json_option, server_options, user_option
from chatcli.cli.options.types import TextType
from chatcli.cli.output.streams import notice

if TYPE_CHECKING:
    from chatcli.protocol.frames import Person


@click.command("who")
@click.argument("room", required=False, type=TextType(), shell_complete=candidates.rooms)
@json_option("user, state (here, away or gone), since (RFC 3339, or null if it is not known), text.")
@user_option("Who you are, for rooms, and for servers that answer only users.  [default: your login name]")
@server_options
def command(room: str | None, as_json: bool, account: Account) -> None:
    """List the people in the chat, or the members of ROOM.

    On a terminal with their state, and since when. In a pipe, people in the chat are one name a line; for a ROOM, each
    line has the name, "here", "away" or "gone", since when (RFC 3339), and their away message, separated by tabs.

    \b
    chatcli who
    chatcli who '#ops'
    """
    from chatcli.cli.output.records import of_person
    from chatcli.cli.output.tables import columns, on_terminal, print_json, print_row, tabs
    from chatcli.cli.output.times import moment
    from chatcli.protocol.values.names import is_room

    if room and not is_room(room):
        raise click.UsageError(f"who takes a room, not a person. A room is written with # and in quotes: '#{room}'.")
    people = _members(room, account) if room else _here(account)
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
            since = moment(person.since) if person.since else ""
            tabs([person.user, person.state, since, person.text] if room else [person.user])


def _here(account: Account) -> list[Person]:
    from chatcli.client.oneshot.client import Client

    with account.login() as login:
        return Client(login).who()


def _members(room: str, account: Account) -> list[Person]:
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import People, Who

    with account.login() as login:
        return Client(login).request(Who(room, n=1), People).people


def _cells(person: Person) -> tuple[str, str]:
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.text import printable_line

    since = f" since {clock(person.since)}" if person.since else ""
    text = f" ({person.text})" if person.text else ""
    return printable_line(person.user), printable_line(f"{person.state}{since}{text}")
