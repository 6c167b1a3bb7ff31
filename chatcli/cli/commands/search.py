"""``chatcli search``: finds messages by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, before_option, json_option, seq_option, server_options, user_option
from chatcli.cli.options.types import NameType, TextType
from chatcli.cli.output.streams import note
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.frames import Search


@click.command("search")
@click.argument("words", nargs=-1, required=True, type=TextType())
@click.option(
    "--in",
    "where",
    type=NameType(),
    metavar="ROOM|NAME",
    shell_complete=candidates.people_and_rooms,
    help="Only in this room, or with this person.",
)
@click.option(
    "--from",
    "sender",
    type=NameType(),
    metavar="NAME",
    shell_complete=candidates.people,
    help="Only what this person said.",
)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The newest so many.")
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

    Upper and lower case and accents make no difference. A word may end in "*" for its beginning; words in double quotes
    must follow each other, and the shell wants single quotes around those. Among the words, in:ROOM|NAME and from:NAME
    mean what --in and --from do. --in me and --from me are about yourself.

    Messages are printed as by "chatcli history", also in a pipe.

    Where nothing is found, nothing is printed on standard output, and the status is 0 all the same.

    \b
    chatcli search disk full
    chatcli search disk full in:#ops
    chatcli search '"disk full"' 'deploy*' --in '#ops' --from bob
    """
    from chatcli.cli.output.tables import print_messages, tell_of_older
    from chatcli.client.oneshot.client import Client

    question = _question(" ".join(words), where, sender, before)
    with account.login() as login:
        found = Client(login).read(question, limit)
    print_messages(found.messages, as_json=as_json, show_seq=show_seq)
    tell_of_older(found.messages, more=found.more)
    if not found.messages:
        note("Nothing found.")


def _question(text: str, where: str | None, sender: str | None, before: int | None) -> Search:
    """Return what to ask: words as in the interactive client, among which may be where, and by whom."""
    from chatcli.client.chat.commands import frame_for
    from chatcli.protocol.frames import Search

    try:
        typed = frame_for("search", text)
    except InputError:  # whose sentence is about a line in that client
        raise click.UsageError("There are no words to look for.") from None
    assert isinstance(typed, Search)  # noqa: S101 (which is what the word means)
    if (where and typed.where) or (sender and typed.sender):
        raise click.UsageError("Say it once: in: is the same as --in, and from: the same as --from.")
    return Search(typed.text, where or typed.where, sender or typed.sender, before)
