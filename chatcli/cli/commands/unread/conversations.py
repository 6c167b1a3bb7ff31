"""``chatcli conversations``: lists the user's conversations, those with the newest messages first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.options.shared import Account, json_option, server_options, user_option
from chatcli.cli.output.streams import notice

if TYPE_CHECKING:
    from chatcli.protocol.frames import ConversationInfo

_HEADINGS: Final = ("name", "unread", "mentions", "time", "last message")
_SPARE: Final = ("mentions", "time")  # columns that a narrow terminal does without


@click.command("conversations")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, the newest."
)
@click.option("--unread", "only_unread", is_flag=True, help="Only those with unread messages.")
@json_option("of, unread, mentions, read (a seq), last (a message as of history, or null).")
@user_option()
@server_options
def command(limit: int, only_unread: bool, as_json: bool, account: Account) -> None:
    """List the people and rooms that you talk with, the newest message first.

    With the number of unread messages and of those among them that mention you in a room, and the start of the last
    message. 1000 means 1000 or more. Nothing becomes read by it.

    On a terminal in columns, fewer if it is narrow. In a pipe separated by tabs: name, unread, mentions, and of the
    last message the time (RFC 3339), the sender, and the start of the text.

    \b
    chatcli conversations
    chatcli conversations --unread --json | jq -r .of
    """
    from chatcli.cli.output.records import of_conversation
    from chatcli.cli.output.tables import on_terminal, print_json, table, tabs
    from chatcli.client.oneshot.client import Client

    with account.login() as login:
        found = Client(login).conversations(limit, only_unread=only_unread)
    if as_json:
        for one in found:
            print_json(of_conversation(one))
    elif not on_terminal():
        for one in found:
            tabs([one.of, str(one.unread), str(one.mentions), *_last(one)])
    elif found:
        table(_HEADINGS, [_cells(one, login.user) for one in found], _SPARE)
    else:
        notice("Nothing is unread." if only_unread else "There are no conversations yet.")


def _last(one: ConversationInfo) -> tuple[str, str, str]:
    from chatcli.protocol.records import moment

    return ("", "", "") if one.last is None else (moment(one.last.at), one.last.sender, one.last.text)


def _cells(one: ConversationInfo, own: str) -> list[str]:
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.text import printable_line

    time, text = "-", "-"
    if one.last is not None:
        sender = "you" if one.last.sender == own else one.last.sender
        time, text = clock(one.last.at), f"{sender}: {one.last.text}"
    return [printable_line(cell) for cell in (one.of, _count(one.unread), _count(one.mentions), time, text)]


def _count(number: int) -> str:
    from chatcli.protocol.frames import MAX_COUNT

    return "-" if not number else f"{number}+" if number >= MAX_COUNT else str(number)
