"""``chatcli send``: sends a message, or each line of standard input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.parser import MessageCommand, OptionalWord
from chatcli.cli.options.shared import Account, as_record, json_option, server_options, user_option
from chatcli.cli.options.types import DurationType, NameType, SeqType, TextType

if TYPE_CHECKING:
    from chatcli.cli.delivery.wait import Wait
    from chatcli.protocol.frames import Send

_TIMEOUT: Final = 30  # seconds
_ONLY_ONE: Final = ("--code", "--reply-to")  # options for one message, not for lines


class SendOptions(NamedTuple):
    """The options of ``chatcli send``.

    Attributes:
        to: the recipients, each word with one or several names.
        text: the text; None with ``lines``.
        lines: send each line of standard input.
        code: send the text as a block.
        re: the message to answer, by its place in the log.
        wait: wait until it was delivered, or seen.
        timeout: seconds to wait; None if that was not given.
        spool: store messages that the server cannot accept now.
        as_json: print records instead of words.
    """

    to: tuple[str, ...]
    text: str | None
    lines: bool
    code: bool
    re: int | None
    wait: str | None
    timeout: int | None
    spool: bool
    as_json: bool


@click.command("send", cls=MessageCommand)
@click.argument(
    "to", nargs=-1, required=True, type=NameType(), metavar="TO... [TEXT]", shell_complete=candidates.recipients
)
@click.option("-m", "--message", type=TextType(), help="The text, in place of TEXT.")
@click.option("--lines", is_flag=True, help="Send each line of standard input as it comes, except blank ones.")
@click.option("--code", is_flag=True, help="Send the text as a block, which is shown unchanged.")
@click.option("--reply-to", "re", type=SeqType(), help="The message to answer, by its place in the log.")
@click.option(
    "--wait",
    cls=OptionalWord,
    words=["delivered", "seen"],
    text='Wait until a client of the person has the message, or of somebody else in the room; with "seen", until they '
    "have read it.",
)
@click.option(
    "-t",
    "--timeout",
    type=DurationType(bare=True),
    help="How long to wait, as in 30s or 5m; implies --wait. With --lines, how long to go on with unsent lines after "
    "the input ends.  [default: 30s]",
)
@click.option("--spool", is_flag=True, help="If the server cannot accept it now, keep it, and send it the next time.")
@json_option("to, outcome, id, seq, at (RFC 3339), error (code and text, or null), status, person (or null).")
@user_option()
@server_options
@as_record(SendOptions, conflicts=[("--spool", "--wait"), *(("--lines", other) for other in _ONLY_ONE)])
def command(options: SendOptions, account: Account) -> None:
    """Send TEXT to the people and rooms TO, and leave.

    With "-" as TEXT, the text is read from standard input. After "--" all words are the text, even if they look like
    options. Write a room in quotes, or the shell takes it for a comment. "me" is yourself.

    Prints "delivered" if a client of the person, or of somebody else in the room, has it, or "stored" if they get it
    when they come back; either way it is on the server's disk. On a terminal it says if the person is away or idle. For
    several recipients it prints a line each, the name and the word separated by a tab; the status is the worst one.
    Either all of them get the message or nobody does: if one of them is unknown, or refuses it, nothing is sent.

    With --wait, it waits until the message is "delivered". With --wait seen it waits until the person, or somebody else
    in the room, has read it on their screen, and prints "seen". If that does not happen in time, it prints what did,
    and ends with status 6: do not send the message again, they get it when they are back. People who join with
    --no-receipts let nobody know what they have read.

    With --spool, it prints "spooled" if the server cannot be reached, or cannot store the message now, with status 0:
    the next command that reaches that server as the same user sends it first, once. "chatcli outbox" lists what waits.

    With --lines, each line is a message: all in order, each once, through restarts of the server, for as long as the
    input lasts. Only if the server's disk fails may lines that are sent together change places. A line that is too long
    for a message is refused, with its number, and the others go on; the status is then 4. Blank lines are skipped, and
    bytes that are not UTF-8 replaced. Nothing is printed, except with --json. With --wait, it waits at the end for the
    last of them. If a recipient is unknown, nothing is sent; one that refuses later gets no more lines. Once no
    recipient is left, the command ends.

    \b
    chatcli send bob "the build is done"
    chatcli send bob carol '#ops' "deploying now"
    make 2>&1 | tail | chatcli send bob --code -
    chatcli send bob -- --help
    chatcli send bob "db2 is on fire" --wait seen --timeout 5m || call-bob
    tail -f server.log | chatcli send --lines '#ops'
    """
    if options.spool and options.timeout and not options.lines:
        raise click.UsageError("--spool excludes --timeout, unless --lines is given: drop one of them.")
    recipients = _recipients(options.to)
    if options.re is not None and len(recipients) > 1:
        raise click.UsageError("--reply-to answers one message of one conversation: name one recipient.")
    if options.lines:
        from chatcli.cli.delivery.lines import send_lines

        send_lines(
            account,
            recipients,
            timeout=options.timeout or _TIMEOUT,
            wait=_wait(options) if options.wait else None,
            spool=options.spool,
            as_json=options.as_json,
        )
        return
    from chatcli.cli.delivery.messages import deliver

    messages = _messages(recipients, options)
    wait = _wait(options) if options.wait or options.timeout else None
    deliver(account, messages, wait=wait, spool=options.spool, as_json=options.as_json)


def _wait(options: SendOptions) -> Wait:
    from chatcli.cli.delivery.wait import Wait

    return Wait(options.timeout or _TIMEOUT, options.wait == "seen")


def _recipients(to: tuple[str, ...]) -> list[str]:
    """Return the recipients, each once."""
    names = [part.strip() for word in to for part in word.split(",")]
    if not all(names):
        raise click.UsageError(f'"{",".join(to)}": a name is empty; write names as in bob,carol.')
    if len(names) == 1:
        return names
    from chatcli.protocol.values.names import fold

    found: dict[str, str] = {}
    for name in names:
        found.setdefault(fold(name), name)
    return list(found.values())


def _messages(recipients: list[str], options: SendOptions) -> list[Send]:
    from chatcli.client.identity.environment import new_id
    from chatcli.protocol.frames import Send

    text = options.text or ""
    if text == "-":
        from chatcli.cli.output.stdin import read_text

        text = read_text("message")
    if not text.strip():
        raise click.UsageError("There is no text to send.")
    if options.code:
        text = _block(text)
    return [Send(new_id(), to, text, options.re) for to in recipients]


def _block(text: str) -> str:
    """Return the text between fences longer than any inside it."""
    ticks = [len(line.strip()) for line in text.split("\n") if line.strip() and not line.strip().strip("`")]
    fence = "`" * max(3, *(count + 1 for count in ticks), 3)
    return f"{fence}\n{text}\n{fence}"
