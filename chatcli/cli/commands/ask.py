"""``chatcli ask``: asks a person or a room, and waits for the answer."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.exit_status import DECLINED, NOT_IN_TIME
from chatcli.cli.options import candidates
from chatcli.cli.options.parser import Command
from chatcli.cli.options.shared import Account, in_use, json_option, server_options, user_option
from chatcli.cli.options.types import DurationType, NameType, TextType
from chatcli.cli.output.streams import flush, give_up, notice, warn
from chatcli.errors import InputError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.questions import Reply
    from chatcli.protocol.frames import Message, Person, Send, Sent

_YES_OR_NO: Final = ("yes", "no")
_MOST: Final = 6  # choices: their numbers are the exit statuses 0 to 5; 6 and 7 have a meaning of their own
_TIMEOUT: Final = 300  # seconds


@click.command("ask", cls=Command)
@click.argument("to", type=NameType(), shell_complete=candidates.people_and_rooms)
@click.argument("question", type=TextType())
@click.option(
    "-c",
    "--choice",
    "choices",
    type=TextType(),
    multiple=True,
    help=f"An answer to choose from; give it 2 to {_MOST} times.  [default: yes, no]",
)
@click.option(
    "-t",
    "--timeout",
    type=DurationType(bare=True),
    default=_TIMEOUT,
    help="How long the question is open, as in 90s or 5m; up to 30d.  [default: 5m]",
)
@json_option(
    "answer, choice (its number, from 0; both null if it was declined), by, seq, at (RFC 3339), question (its seq), "
    "person (or null)."
)
@user_option()
@server_options
def command(
    to: str,
    question: str,
    choices: tuple[str, ...],
    timeout: int,
    as_json: bool,
    account: Account,
) -> None:
    """Ask QUESTION of the person TO, or in the room TO, and wait for the answer.

    Prints the chosen answer, and ends with its number as the status: 0 for the first choice, 1 for the second. Without
    an answer in time the status is 6, and 7 if the person declines; then nothing is printed. In a room the first answer
    counts.

    The statuses 1 to 5 may also mean an error: then, too, nothing is printed. So if any but the first choice matters,
    check what was printed.

    With "-" as QUESTION, it is read from standard input. Write a room in quotes, or the shell takes it for a comment;
    "me" is yourself. A person who is away gets the question on return, if it is still open. Ctrl-C withdraws it.

    If the connection is lost, ask goes on waiting. It asks again only if the server was restored from a backup that
    does not have the question, and says so. If the connection is still lost when the time is over, the status is 6, and
    a sentence says that an answer may have been given.

    \b
    chatcli ask bob "Deploy to prod?" && ./deploy
    chatcli ask '#ops' "Which one?" --choice blue --choice green --timeout 1h
    answer=$(chatcli ask bob "Try again?" --choice now --choice later --choice never) || true
    """
    from chatcli.client.identity.environment import new_id
    from chatcli.protocol.frames import Send

    choices = choices or _YES_OR_NO
    _check(choices, timeout)
    text = question
    if question == "-":
        from chatcli.cli.output.stdin import read_text

        text = read_text("question")
    if not text.strip():
        raise click.UsageError("There is no question to ask.")
    asked = Send(new_id(), to, text, choices=list(choices), seconds=timeout)
    with account.login() as login:
        reply = _ask(login, asked)
    if reply.message is None:
        warn(_no_answer(to, timeout, reply))
        click.get_current_context().exit(NOT_IN_TIME)
    _report(reply, reply.message, choices, as_json=as_json)


def _check(choices: Sequence[str], timeout: int) -> None:
    from chatcli.protocol.frames import MAX_OPEN
    from chatcli.protocol.values.choices import check_choices

    if len(choices) == 1 and "," in choices[0]:
        raise click.UsageError("Give --choice once for each: --choice yes --choice no.")
    if not 2 <= len(choices) <= _MOST:
        raise click.UsageError(
            f"Give 2 to {_MOST} choices, not {len(choices)}: their numbers are the exit statuses, and 6 and 7 mean "
            "that there is no answer."
        )
    try:
        check_choices(choices)
    except InputError as error:
        raise click.UsageError(f"--choice: {error}") from None
    if timeout > MAX_OPEN:
        raise click.UsageError(f"--timeout: a question can be open for {MAX_OPEN // 86_400}d at most.")


def _ask(login: Login, question: Send) -> Reply:
    """Ask and wait for the answer; if the waiting is interrupted, the question is withdrawn."""
    from chatcli.client.oneshot.questions import ask

    def stored(sent: Sent, person: Person | None) -> None:
        notice(_asked(question.to, question.seconds or 0, sent, person))

    def withdrawn(why_not: str) -> None:
        if why_not:
            warn(f"The question could not be withdrawn: {why_not}")
        else:
            notice("The question is withdrawn.")

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))
    return ask(login, question, on_stored=stored, on_withdrawn=withdrawn)


def _asked(to: str, timeout: int, sent: Sent, person: Person | None) -> str:
    from chatcli.cli.delivery.whereabouts import absence
    from chatcli.protocol.values.durations import duration_text
    from chatcli.protocol.values.names import is_room

    if is_room(to):
        where = "somebody is there" if sent.outcome == "delivered" else "nobody is there now"
    else:
        is_delivered = sent.outcome == "delivered"
        where = absence(person, delivered=is_delivered) if person is not None else ""
        where = where or f"{to} {'is' if is_delivered else 'is not'} here"
        where += "" if is_delivered else ", and gets it on return"
    return f"Asked {to}: {where}. Waiting up to {duration_text(timeout)}."


def _no_answer(to: str, timeout: int, reply: Reply) -> str:
    from chatcli.protocol.values.durations import duration_text
    from chatcli.protocol.values.text import command_line

    if reply.reason:
        return (
            f"Whether {to} has answered is not known: {reply.reason} The question was asked. "
            f"This shows what came of it:\n"
            f"{command_line('chatcli', 'history', to, *in_use())}"
        )
    return f"No answer from {to} within {duration_text(timeout)}. The question is closed."


def _report(reply: Reply, message: Message, choices: Sequence[str], *, as_json: bool) -> None:
    """Print the answer, and end with its number as the exit status."""
    from chatcli.cli.output.records import Answer, of_person
    from chatcli.cli.output.tables import print_json
    from chatcli.protocol.records import moment

    choice = message.answer if message.answer is not None and message.answer >= 0 else None
    if choice is not None and choice >= len(choices):
        raise ProtocolError("The server sent an answer that is not one of the choices.")
    answer = None if choice is None else choices[choice]
    try:
        if as_json:
            print_json(
                Answer(
                    answer=answer,
                    choice=choice,
                    by=message.sender,
                    seq=message.seq,
                    at=moment(message.at),
                    question=reply.sent.seq,
                    person=of_person(reply.person) if reply.person else None,
                )
            )
        elif answer is not None:
            click.echo(answer)
        flush()
    except OSError as error:
        give_up()
        # The question is answered: the status must say so, or a script would ask again.
        said = "declined" if answer is None else f'answered "{answer}"'
        warn(f"{message.sender} has {said}, but standard output cannot be written: {error.strerror}.")
    if choice is None:
        warn(f"{message.sender} has {message.text}.")
    click.get_current_context().exit(DECLINED if choice is None else choice)
