"""``chatcli listen``: prints messages as they come, or runs a command for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.exit_status import NOT_IN_TIME
from chatcli.cli.listener.options import ListenOptions
from chatcli.cli.options import candidates
from chatcli.cli.options.parser import Command
from chatcli.cli.options.shared import Account, as_record, json_option, server_options, setting_option, user_option
from chatcli.cli.options.types import DurationType, NameType, TextType
from chatcli.cli.output.streams import warn

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since
    from chatcli.client.identity.credentials import Login


_EXEC: Final = "--exec"
_SPLIT: Final = "chatcli.split"  # key of click's ``meta``: a command and the word after it


class SinceType(click.ParamType["Since"]):
    """The start of a listener: a place in the log, a time, or a word."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Since:
        """Read it.

        Raises:
            InputError: the value is invalid; the sentence says how to write one.
        """
        from chatcli.cli.options.types import MomentType
        from chatcli.client.feed.listener import Timestamp

        text = str(value).strip()
        if text.isascii() and text.isdigit():
            return min(int(text[:20]), 2**53 - 1)  # the last place that there can be
        match text.lower():
            case "last":
                return None
            case "now":
                return "now"
        return Timestamp(MomentType().convert(text, param, ctx))


class _ListenCommand(Command):
    """A command that runs another one, which is one word of the shell."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; record a word after the command that may be a part of it."""
        if _EXEC in args:
            behind = args[args.index(_EXEC) + 1 :]
            if len(behind) > 1 and not behind[1].startswith("-") and " " not in behind[0]:
                ctx.meta[_SPLIT] = " ".join(behind[:2])
        return super().parse_args(ctx, args)


@click.command("listen", cls=_ListenCommand)
@click.argument("sources", metavar="[FROM]...", nargs=-1, type=NameType(), shell_complete=candidates.people_and_rooms)
@click.option(
    "--from",
    "senders",
    multiple=True,
    type=NameType("NAME"),
    shell_complete=candidates.people,
    help="Only messages from this person.",
)
@click.option(
    "--in",
    "places",
    multiple=True,
    type=NameType("WHERE"),
    shell_complete=candidates.people_and_rooms,
    help="Only messages in this room, or from this person to you.",
)
@click.option("--mentions", is_flag=True, help="Only messages for you: to you alone, an answer, or with your name.")
@click.option(
    "--since",
    type=SinceType(),
    metavar="SEQ|TIME|last|now",
    help="Begin there: 4711, 2h, yesterday, 2026-11-22T10:00Z.  [default: last]",
)
@click.option("-n", "--count", "limit", type=click.IntRange(min=1), help="End after this many messages.")
@click.option("-t", "--timeout", type=DurationType(bare=True), help="End after this time, as in 30s or 5m.")
@click.option("--as", "name", type=TextType("NAME"), help="Use a position of its own under this name.")
@click.option(_EXEC, "exec_command", type=TextType("CMD"), help="Run this in the shell for each message.")
@click.option("--join", "enter", is_flag=True, help="Enter the rooms that you do not belong to.")
@click.option("--mark-read", is_flag=True, help="What was printed, or handled by the command, counts as read.")
@json_option("seq, id, from, to, text, at (RFC 3339), re (the seq that it answers), choices, until, answer, replayed.")
@setting_option("receipts")
@user_option()
@server_options
@as_record(ListenOptions, conflicts=[(_EXEC, "--json")])
def command(options: ListenOptions, account: Account) -> None:
    """Print messages to you and in your rooms as they come, one line each.

    Your own messages to others are left out. Messages to yourself are printed: they may come from a script that runs
    under your name.

    FROM is a person or a room: messages from one of these people, or in one of these rooms; "me" is yourself. The
    options narrow that down; an option that is given several times accepts any of its values.

    In a pipe each line is the time (RFC 3339), from, to, and the text, separated by tabs, as by "chatcli history". With
    --json nothing is lost.

    It begins after the last message that any of your clients has received, and printed messages count as received:
    none of your clients gets them as new again. If FROM or the options leave a message out, that one and all later ones
    do not count.
    --as uses a position of its own on this machine instead, so that several listeners each get all messages; the first
    time it begins where your clients are. --since begins elsewhere, and the next run goes on from there. After a lost
    connection it connects again; nothing is lost or printed twice.

    Printed messages stay unread: a program has them, nobody has seen them. With --mark-read they count as read, with
    all that is before them in their conversation, and others learn it, unless --no-receipts is given. If FROM or the
    options leave out a part of a room, as --mentions does, nothing in that room counts as read.

    --exec runs a command for each message, one at a time and in order, with the message as JSON on standard input and
    in CHATCLI_SEQ, CHATCLI_ID, CHATCLI_FROM, CHATCLI_TO, CHATCLI_TEXT, CHATCLI_TIME, CHATCLI_RE, CHATCLI_REPLAYED,
    CHATCLI_USER and CHATCLI_SERVER. Until it ends with status 0, it is run again for the same message: within 1 s
    at first, within 60 s later on, without end. CHATCLI_REPLAYED is 1, and "replayed" true, if it may have been run for
    this message before. Others write the text: put the variables in double quotes, and never into eval.

    It goes on after the last message that it has received, even if the server has a new key. If the server was restored
    from a backup, it goes on where the two logs part: nothing new is skipped or marked as replayed. If it cannot know
    which messages are new, it ends with status 2 and asks for --since.

    With --exec or --as it waits for a server that is not there yet; otherwise it ends with status 5. It ends with
    status 0 on SIGTERM, when nobody reads its output any more, and after --timeout; but with 6 if --count was not
    reached by then.

    \b
    chatcli listen
    chatcli listen '#ops' bob --json | jq -r .text
    chatcli listen --in '#ops' --from ci --count 1 --timeout 10m
    chatcli listen '#ops' --as lamp --exec './blink "$CHATCLI_FROM"'
    """
    from msgspec.structs import replace

    from chatcli.errors import UnknownRecipient

    with account.login() as login:
        try:
            status = _listen(replace(login, receipts=options.receipts).with_identity(), options)
        except UnknownRecipient as unknown:
            split = click.get_current_context().meta.get(_SPLIT)
            if split is None:
                raise
            raise click.UsageError(f"{unknown} If that is a part of the command: {_EXEC} '{split}'.") from None
    if status == NOT_IN_TIME:
        limit = options.limit
        warn(f"Fewer than {limit} messages came in time." if limit != 1 else "No message came in time.")
    click.get_current_context().exit(status)


def _listen(login: Login, options: ListenOptions) -> int:
    """Listen, if need be once more with a server that the user has confirmed; return the exit status."""
    import asyncio

    from chatcli.cli.listener.run import ListenRun
    from chatcli.errors import UnknownServer

    try:
        return asyncio.run(ListenRun(login, options).run())
    except UnknownServer as unknown:
        login.trust.confirm(login.server.name, unknown)
        return asyncio.run(ListenRun(login, options).run())
