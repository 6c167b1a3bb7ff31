"""``chatcli search``: finds messages by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.parser import Command
from chatcli.cli.options.shared import Account, before_option, json_option, seq_option, server_options, user_option
from chatcli.cli.options.types import NameType, TextType
from chatcli.cli.output.streams import notice
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.frames import Search


@click.command("search", cls=Command)
@click.argument("words", nargs=-1, required=True, type=TextType())
@click.option(
    "--in",
    "where",
    type=NameType(),
    metavar="ROOM|NAME",
    shell_complete=candidates.people_and_rooms,
    help="Only messages in this room, or with this person.",
)
@click.option(
    "--from",
    "sender",
    type=NameType(),
    metavar="NAME",
    shell_complete=candidates.people,
    help="Only messages from this person.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many, the newest."
)
@before_option
@seq_option
@json_option("seq, id, from, to, text, at (RFC 3339), re (the seq that it answers), choices, until, answer.")
@user_option()
@server_options
def command(
    words: tuple[str, ...],
    where: str | None,
    sender: str | None,
    limit: int,
    before: int | None,
    show_seq: bool,
    as_json: bool,
    account: Account,
) -> None:
    """Find messages that have all of these WORDS, the newest first, among all that you may read.

    Case and accents make no difference. A word may end in "*" to match its beginning; words in double quotes must
    follow each other, with single quotes around them for the shell. Among the words, in:ROOM|NAME and from:NAME mean
    the same as --in and --from; "me" is yourself.

    Messages are printed as by "chatcli history", also in a pipe.

    If nothing is found, nothing is printed on standard output, and the status is 0.

    \b
    chatcli search disk full
    chatcli search disk full in:#ops
    chatcli search '"disk full"' 'deploy*' --in '#ops' --from bob
    """
    from chatcli.cli.output.tables import hint_at_older, print_messages
    from chatcli.client.oneshot.client import Client

    question = _question(" ".join(words), where, sender, before)
    with account.login() as login:
        found = Client(login).read(question, limit)
    print_messages(found.messages, as_json=as_json, show_seq=show_seq)
    hint_at_older(found.messages, more=found.more)
    if not found.messages:
        notice("Nothing found.")


def _question(text: str, where: str | None, sender: str | None, before: int | None) -> Search:
    """Return the request for words as in the interactive client, among which may be in: and from:."""
    from chatcli.client.chat.commands import frame_for
    from chatcli.protocol.frames import Search

    try:
        typed = frame_for("search", text)
    except InputError:  # its sentence is about a line in that client
        raise click.UsageError("There are no words to search for.") from None
    assert isinstance(typed, Search)  # noqa: S101 (which is what the word means)
    if (where and typed.where) or (sender and typed.sender):
        raise click.UsageError("in: is the same as --in, and from: the same as --from: drop one of them.")
    return Search(typed.text, where or typed.where, sender or typed.sender, before)
