"""``chatcli send``: says one thing and leaves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from chatcli.cli.options import TextType, naming, server_options, user_option
from chatcli.cli.output import flush, give_up, warn
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.client.trust import Trust

_LONGEST = 1024 * 1024  # bytes: no server takes a longer text


@click.command("send")
@click.argument("to", type=TextType())
@click.argument("text", type=TextType())
@user_option()
@server_options
def command(to: str, text: str, user: str | None, server: Address, trust: Trust) -> None:
    """Send TEXT to the person TO, and leave.

    With "-" as TEXT, the text is read from standard input. Prints "delivered" if the person is in the chat, or
    "stored" if they get it when they come back; either way it is on the server's disk.

    \b
    chatcli send bob "the build is done"
    make 2>&1 | tail | chatcli send bob -
    """
    from chatcli.client.oneshot import send

    if text == "-":
        text = _read_stdin()
    if not text.strip():
        raise click.UsageError("There is no text to send.")
    with naming(user) as name:
        sent = send(server, name, to, text, trust)
    try:
        click.echo(sent.outcome)
        flush()
    except OSError as error:
        give_up()
        # It has been sent: whoever reads the status must not send it again because the answer has nowhere to go.
        warn(f"The message was {sent.outcome}, but standard output cannot be written: {error.strerror}.")


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
