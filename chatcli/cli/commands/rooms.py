"""``chatcli rooms``: lists the rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.options.shared import Account, in_use, json_option, server_options, user_option
from chatcli.cli.output.streams import notice

if TYPE_CHECKING:
    from chatcli.protocol.frames import RoomInfo

_HEADINGS: Final = ("name", "kind", "you", "members", "topic", "last message")
_SPARE: Final = ("topic", "members", "kind")  # columns that a narrow terminal does without
_START: Final = 80  # characters of the newest message
_TOPIC: Final = 24  # columns of it in a table


@click.command("rooms")
@json_option("room, kind, members, topic, owners, joined, invited, last (a message as of history, or null).")
@user_option()
@server_options
def command(as_json: bool, account: Account) -> None:
    """List the rooms that you may see: name, kind, members, topic, and the last message.

    On a terminal in columns, fewer if it is narrow. In a pipe separated by tabs; the last message is its time
    (RFC 3339), sender, and the start of the text.
    """
    from chatcli.cli.output.records import of_room
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs
    from chatcli.client.oneshot.client import Client
    from chatcli.client.oneshot.pages import RoomPages
    from chatcli.protocol.frames import RoomList

    with account.login() as login:
        pages = RoomPages()
        client = Client(login)
        while pages.add(client.request(pages.next_request(), RoomList)):
            pass
    rooms = pages.rooms
    if as_json:
        for room in rooms:
            print_json(of_room(room))
    elif not on_terminal():
        for room in rooms:
            tabs([room.name, room.kind, str(room.members), room.topic, *_last(room)])
    elif rooms:
        table(_HEADINGS, [_cells(room) for room in rooms], _SPARE)
    else:
        from chatcli.protocol.values.text import command_line

        command = command_line("chatcli", "join", "--room", "#lobby", *in_use())
        notice(f"There are no rooms yet. This makes one:\n{command}")


def _last(room: RoomInfo) -> tuple[str, str, str]:
    from chatcli.protocol.records import moment

    if room.last is None:
        return "", "", ""
    return moment(room.last.at), room.last.sender, room.last.text[:_START]


def _cells(room: RoomInfo) -> list[str]:
    from chatcli.cli.output.layout import shortened
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.text import printable_line

    place = "member" if room.joined else "invited" if room.invited else "-"
    topic = shortened(printable_line(room.topic), _TOPIC) or "-"
    last = f"{clock(room.last.at)}  {room.last.sender}: {room.last.text[:_START]}" if room.last else "-"
    return [printable_line(cell) for cell in (room.name, room.kind, place, str(room.members), topic, last)]
