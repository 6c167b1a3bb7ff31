"""``chatcli send``: says one thing and leaves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from chatcli.cli.options import naming, server_options, user_option
from chatcli.cli.output import flush, give_up, warn
from chatcli.cli.quoting import TextCommand
from chatcli.cli.statuses import NOT_CONFIRMED
from chatcli.cli.values import DurationType, SeqType, TextType
from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.oneshot import Receipted
    from chatcli.client.trust import Trust
    from chatcli.protocol import frames

_TIMEOUT = 30  # seconds
_LONGEST = 1024 * 1024  # bytes: no server takes a longer text


@click.command("send", cls=TextCommand, short_help="Send a message to a person or a room.")
@click.argument("to", type=TextType())
@click.argument("text", type=TextType())
@click.option("--reply-to", "re", type=SeqType(), help="The message that it answers.")
@click.option("--wait", is_flag=True, help="Wait until the person, or somebody else in the room, was shown it.")
@click.option(
    "--timeout", type=DurationType(), help="How long to wait, as in 30s or 5m; implies --wait.  [default: 30s]"
)
@user_option()
@server_options
def command(
    to: str,
    text: str,
    re: int | None,
    wait: bool,
    timeout: int | None,
    user: str | None,
    server: Address,
    trust: Trust,
) -> None:
    """Send TEXT to the person or the room TO, and leave.

    With "-" as TEXT, the text is read from standard input. One that begins with a dash may stand behind "--" as well,
    so that it is never taken for an option. A room is written in quotes, or the shell takes it for a comment.

    Prints "delivered" if the person, or somebody else in the room, is in the chat, or "stored" if they get it when they
    come back; either way it is on the server's disk.

    With --wait, delivered means that it was shown on a screen of theirs, even if they are away from it. Where that is
    not confirmed in time, prints "stored" and ends with status 6: do not send it again, it comes when they are back.
    People who join with --no-receipts never confirm.

    \b
    chatcli send bob "the build is done"
    chatcli send '#ops' "deploying now"
    make 2>&1 | tail | chatcli send bob -
    chatcli send bob -- --help
    chatcli send bob "db2 is on fire" --timeout 5m || call-bob
    """
    from chatcli.client.ids import new_id
    from chatcli.client.oneshot import send
    from chatcli.protocol.frames import Send
    from chatcli.protocol.names import is_room

    if text == "-":
        text = _read_stdin()
    if not text.strip():
        raise click.UsageError("There is no text to send.")
    timeout = timeout or (_TIMEOUT if wait else None)
    with naming(user) as name:
        try:
            if timeout is None:
                _tell(send(server, name, to, text, trust, re=re).outcome)
                return
            receipted = _send_and_wait(server, name, Send(new_id(), to, text, re), timeout, trust)
        except InputError as error:
            if re is None or f"no message {re} to answer" not in str(error):
                raise
            where = f"in {to}" if is_room(to) else f"between {to} and you"
            raise click.UsageError(
                f"--reply-to {re}: there is no such message {where}; chatcli history --seq shows where each stands."
            ) from None
    _tell("delivered" if receipted.seen else "stored")
    if not receipted.seen:
        warn(_not_seen(to, timeout, receipted.why))
        click.get_current_context().exit(NOT_CONFIRMED)


def _send_and_wait(server: Address, user: str, message: frames.Send, timeout: int, trust: Trust) -> Receipted:
    """Send it and wait; whoever interrupts the waiting is told that the message is there."""
    from chatcli.client.oneshot import send_and_wait

    stored: list[str] = []
    try:
        return send_and_wait(server, user, message, timeout, trust, stored=lambda: stored.append(message.id))
    except KeyboardInterrupt:
        if stored:
            _tell("stored")
        raise


def _not_seen(to: str, timeout: int, why: str) -> str:
    from chatcli.protocol.durations import duration_text
    from chatcli.protocol.names import is_room

    if why:
        return f"It is stored, but whether it was shown to {to} is not known: {why}"
    if is_room(to):
        return f"Nobody in {to} confirmed it within {duration_text(timeout)}. It is stored."
    return (
        f"{to} did not confirm it within {duration_text(timeout)}: they may be away, or give no receipts. It is stored."
    )


def _tell(outcome: str) -> None:
    try:
        click.echo(outcome)
        flush()
    except OSError as error:
        give_up()
        # It has been sent: whoever reads the status must not send it again because the answer has nowhere to go.
        warn(f"The message was {outcome}, but standard output cannot be written: {error.strerror}.")


def _read_stdin() -> str:
    if sys.stdin is None:
        raise click.UsageError('There is no standard input to read the text of "-" from.')
    data = sys.stdin.buffer.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        sentence = "Standard input is longer than a message may be: send a part of it, as with tail -c 30000."
        raise Refused(codes.TEXT_TOO_LONG, sentence)
    try:
        return data.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise click.UsageError("What came on standard input is not text in UTF-8.") from None
