"""``chatcli history``: what was said with a person or in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import before_option, json_option, naming, seq_option, server_options, user_option
from chatcli.cli.quoting import RoomCommand
from chatcli.cli.values import MomentType, TextType
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.trust import Trust


@click.command("history", cls=RoomCommand, short_help="Print what was said, the oldest first.")
@click.argument("of", type=TextType())
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="The newest so many.")
@before_option
@click.option("--since", type=MomentType(), help="Only what is not older, as in 2h, 2d, or 2026-11-22T10:00Z.")
@seq_option
@json_option("seq, id, from, to, text, at (RFC 3339), re (the seq that it answers, or null).")
@user_option()
@server_options
def command(
    of: str,
    limit: int,
    before: int | None,
    since: int | None,
    show_seq: bool,
    as_json: bool,
    user: str | None,
    server: Address,
    trust: Trust,
) -> None:
    """Print what was said between you and the person OF, or in the room OF, the oldest first.

    Lines are the same on a terminal and in a pipe: time, who, what it answers, and the text. Of a message that is not
    among those printed, it says only that it is an earlier one.

    \b
    chatcli history bob
    chatcli history '#ops' --since 2h
    """
    from chatcli.cli.listing import on_terminal, print_messages, tell_of_older
    from chatcli.client.oneshot import read
    from chatcli.protocol.frames import History

    with naming(user) as name:
        found = read(server, name, History(of, before, since), limit, trust)
    print_messages(found.messages, as_json=as_json, show_seq=show_seq)
    tell_of_older(found.messages, more=found.more)
    if not found.messages and on_terminal():
        click.echo("Nothing was said.", err=True)
