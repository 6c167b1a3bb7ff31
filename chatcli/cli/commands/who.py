"""``chatcli who``: who is in the chat, or in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.resolution import login_name
from chatcli.cli.options.shared import json_option, naming, server_options, user_option
from chatcli.cli.options.types import TextType
from chatcli.cli.output.streams import note
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.identity.trust import Trust
    from chatcli.protocol.frames import Person


@click.command("who")
@click.argument("room", required=False, type=TextType(), shell_complete=candidates.rooms)
@json_option("user, state (here, away or gone), since (RFC 3339, or null if it is not known), text.")
@user_option("Who you are, for rooms, and for servers that answer only those they know.  [default: your login name]")
@server_options
def command(room: str | None, as_json: bool, user: str | None, server: Address, trust: Trust) -> None:
    """List who is in the chat, or who belongs to ROOM, and where they are.

    On a terminal with where they are, and since when. In a pipe, who is in the chat is one name a line; of a ROOM, each
    line has the name, "here", "away" or "gone", the time since (RFC 3339), and what they said of being away, parted by
    tabs.

    \b
    chatcli who
    chatcli who '#ops'
    """
    from chatcli.cli.output.records import of_person
    from chatcli.cli.output.tables import columns, on_terminal, print_json, print_row, tabs
    from chatcli.cli.output.times import moment
    from chatcli.protocol.names import is_room

    if room and not is_room(room):
        raise click.UsageError(f"who takes a room, and no person. A room is written with # and in quotes: '#{room}'.")
    people = _members(room, user, server, trust) if room else _here(user, server, trust)
    if as_json:
        for person in people:
            print_json(of_person(person))
    elif on_terminal():
        for line in columns([_cells(person) for person in people]):
            print_row(line)
        if not people:
            note("Nobody is here.")
    else:
        for person in people:
            since = moment(person.since) if person.since else ""
            tabs([person.user, person.state, since, person.text] if room else [person.user])


def _here(user: str | None, server: Address, trust: Trust) -> list[Person]:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.client import Client

    return Client(Login(server=server, user=user or login_name(), trust=trust)).who()


def _members(room: str, user: str | None, server: Address, trust: Trust) -> list[Person]:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import People, Who

    with naming(user) as name:
        return Client(Login(server=server, user=name, trust=trust)).request(Who(room, n=1), People).people


def _cells(person: Person) -> tuple[str, str]:
    from chatcli.cli.output.times import clock
    from chatcli.protocol.text import printable_line

    since = f" since {clock(person.since)}" if person.since else ""
    text = f" ({person.text})" if person.text else ""
    return printable_line(person.user), printable_line(f"{person.state}{since}{text}")
