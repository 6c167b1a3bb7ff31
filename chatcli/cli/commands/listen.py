"""``chatcli listen``: a stream of messages, printed or handed to a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.exit_status import NOT_IN_TIME
from chatcli.cli.listener.options import ListenOptions
from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Account, as_record, json_option, server_options, setting_option, user_option
from chatcli.cli.options.types import DurationType, NameType, TextType
from chatcli.cli.output.streams import warn

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since
    from chatcli.client.identity.credentials import Login


_EXEC: Final = "--exec"
_PARTED: Final = "chatcli.parted"  # where click carries a command and what stands behind it


class SinceType(click.ParamType["Since"]):
    """Where to begin: a place in the log, a time, or a word."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Since:
        """Read it.

        Raises:
            InputError: it is none of these; the sentence says how to write one.
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


class _ListenCommand(click.Command):
    """A command that runs another, which is one word of the shell."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; note whether something stands behind the command that may be a part of it."""
        if _EXEC in args:
            behind = args[args.index(_EXEC) + 1 :]
            if len(behind) > 1 and not behind[1].startswith("-") and " " not in behind[0]:
                ctx.meta[_PARTED] = " ".join(behind[:2])
        return super().parse_args(ctx, args)


@click.command("listen", cls=_ListenCommand)
@click.argument("sources", metavar="[FROM]...", nargs=-1, type=NameType(), shell_complete=candidates.people_and_rooms)
@click.option(
    "--from",
    "senders",
    multiple=True,
    type=NameType("NAME"),
    shell_complete=candidates.people,
    help="Only what this person says.",
)
@click.option(
    "--in",
    "places",
    multiple=True,
    type=NameType("WHERE"),
    shell_complete=candidates.people_and_rooms,
    help="Only in this room, or with this person.",
)
@click.option("--mentions", is_flag=True, help="Only what is for you: to you alone, an answer, or with your name.")
@click.option(
    "--since",
    type=SinceType(),
    metavar="SEQ|TIME|last|now",
    help="Begin there: 4711, 2h, yesterday, 2026-11-22T10:00Z.  [default: last]",
)
@click.option("-n", "--count", "limit", type=click.IntRange(min=1), help="End after so many messages.")
@click.option("-t", "--timeout", type=DurationType(bare=True), help="End after this time, as in 30s or 5m.")
@click.option("--as", "name", type=TextType("NAME"), help="Keep a position of its own under this name.")
@click.option(_EXEC, "exec_command", type=TextType("CMD"), help="Run this in the shell for each message.")
@click.option("--join", "enter", is_flag=True, help="Enter the rooms, where you do not belong to them.")
@json_option("seq, id, from, to, text, at (RFC 3339), re (the seq that it answers), choices, until, answer, replayed.")
@setting_option("receipts")
@user_option()
@server_options
@as_record(ListenOptions, conflicts=[(_EXEC, "--json")])
def command(options: ListenOptions, account: Account) -> None:
    """Print what is said to you and in your rooms, as it comes, one line each.

    What you say to others is left out; what you say to yourself is not: a script that runs under your name may tell
    you something.

    FROM is a person or a room: anything that one of the people says, or that is said in one of the rooms; "me" is
    yourself. The options narrow that down; one that is given more than once takes either.

    In a pipe each line is the time (RFC 3339), from, to, and the text, parted by tabs, as by "chatcli history". With
    --json nothing is lost.

    It begins where you left off on any of your devices, and what was printed counts as read; what FROM and the options
    leave out does not, nor what is behind it. --as keeps a position of its own on this machine instead, so that several
    listeners do not take each other's messages; the first time it begins where you left off. --since begins elsewhere,
    and goes on from there the next time. A lost connection is made again, and nothing is lost or printed twice.

    --exec runs a command for each message, one at a time and in order, with the message as JSON on standard input, and
    in CHATCLI_SEQ, CHATCLI_ID, CHATCLI_FROM, CHATCLI_TO, CHATCLI_TEXT, CHATCLI_TIME, CHATCLI_RE, CHATCLI_REPLAYED,
    CHATCLI_USER and CHATCLI_SERVER. Unless it ends with status 0 it is run again for the same message, within 1 s
    at first and within 60 s later on, for ever. CHATCLI_REPLAYED is 1, and "replayed" true, if it may have been run for
    it before. Others write the text: put the variables in double quotes, and never into eval.

    It goes on after what it read last, whatever the server's key is then. If the log was put back from a backup, what
    is new there is marked as replayed, too, as long as its numbers were given out before. If nothing tells what is new,
    it ends with status 2 and asks for --since.

    With --exec or --as it waits for the server where there is none yet; otherwise that ends it with status 5. Ends with
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
            parted = click.get_current_context().meta.get(_PARTED)
            if parted is None:
                raise
            raise click.UsageError(f"{unknown} If that is a part of the command: {_EXEC} '{parted}'.") from None
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
        login.trust.confirm(login.server, unknown)
        return asyncio.run(ListenRun(login, options).run())
