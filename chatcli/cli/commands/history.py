"""``chatcli history``: prints the messages with a person or in a room."""

from __future__ import annotations

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, before_option, json_option, seq_option, server_options, user_option
from chatcli.cli.options.types import MomentType, NameType
from chatcli.cli.output.streams import notice


@click.command("history")
@click.argument("of", type=NameType(), shell_complete=candidates.people_and_rooms)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most this many, the newest."
)
@before_option
@click.option(
    "--since",
    type=MomentType(),
    help="Only messages since then: 2h, today, yesterday, 10:30, 2026-11-22, 2026-11-22T10:00Z.",
)
@seq_option
@json_option("seq, id, from, to, text, at (RFC 3339), re (the seq that it answers), choices, until, answer.")
@user_option()
@server_options
def command(
    of: str,
    limit: int,
    before: int | None,
    since: int | None,
    show_seq: bool,
    as_json: bool,
    account: Account,
) -> None:
    """Print the messages between you and the person OF, or in the room OF, the oldest first. "me" is yourself.

    On a terminal: time, sender, the message that it answers, and the text; an answered message that is not printed is
    called an earlier message. A line between them says when the person's name got another key or another owner. In a
    pipe each message is one line, separated by tabs: time (RFC 3339), from, to, and the text, in which \\n is a line
    feed, \\t a tab and \\\\ a backslash; printf %b restores it.

    \b
    chatcli history bob
    chatcli history '#ops' --since yesterday
    """
    from chatcli.cli.output.tables import hint_at_older, on_terminal, print_messages
    from chatcli.client.oneshot.client import Client
    from chatcli.protocol.frames import History

    with account.login() as login:
        found = Client(login).read(History(of, before, since), limit)
    print_messages(found.messages, as_json=as_json, show_seq=show_seq, changes=found.changes)
    hint_at_older(found.messages, more=found.more)
    if not (found.messages or found.changes) and on_terminal():
        notice("Nothing was said.")
