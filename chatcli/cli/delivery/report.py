"""The outcomes of messages: in words, as JSON, and as the exit status of the command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import click
from msgspec import Struct

from chatcli.cli.exit_status import NOT_IN_TIME, exit_status
from chatcli.cli.output.streams import flush, give_up, notice, quiet, warn
from chatcli.errors import (
    ChatError,
    HeldBack,
    InputError,
    Refused,
    ServerNotTrusted,
    ServerUnavailable,
    ServerUnreachable,
)
from chatcli.protocol import codes

if TYPE_CHECKING:
    from chatcli.cli.output import records
    from chatcli.protocol.frames import Person, Send, Sent

#: Of several statuses, the first in this order counts. Those that another try may cure come last.
_WORST: Final = (1, 2, 4, 3, 5, NOT_IN_TIME, 0)

_HELD: Final = "Nothing was sent to the others either."

#: Codes of errors that do not come from the server.
_CODES: Final[tuple[tuple[type[ChatError], str], ...]] = (
    (ServerUnreachable, "unreachable"),
    (ServerNotTrusted, "not_trusted"),
    (InputError, codes.INVALID),
    (HeldBack, "held_back"),
)


class Outcome(Struct, frozen=True):
    """The outcome of one message.

    Attributes:
        message: the message with its recipient.
        word: seen, delivered, stored, spooled, failed, or unknown if the connection broke before the answer.
        sent: the server's answer, if it has the message.
        error: why it was not sent, or is not known to be.
        unmet: why the receipt that was waited for has not come; empty if it has.
        person: where the recipient is, if that was asked.
    """

    message: Send
    word: Literal["seen", "delivered", "stored", "spooled", "failed", "unknown"]
    sent: Sent | None = None
    error: ChatError | None = None
    unmet: str = ""
    person: Person | None = None

    @property
    def status(self) -> int:
        """The exit status of the command if this were the only message."""
        if self.error is not None:
            return exit_status(self.error)
        return NOT_IN_TIME if self.unmet else 0

    def record(self) -> records.Sent:
        """Return the record that ``--json`` prints."""
        from chatcli.cli.output.records import Sent, of_person
        from chatcli.protocol.records import moment

        seq, at = (self.sent.seq, moment(self.sent.at)) if self.sent else (None, None)
        return Sent(
            to=self.message.to,
            outcome=self.word,
            id=self.message.id,
            seq=seq,
            at=at,
            error=self._error(),
            status=self.status,
            person=of_person(self.person) if self.person else None,
        )

    def _error(self) -> records.Failure | None:
        from chatcli.cli.output.records import Failure

        if self.error is not None:
            return Failure(code_of(self.error), str(self.error))
        return Failure("not_in_time", self.unmet) if self.unmet else None


def code_of(error: ChatError) -> str:
    """Return the code of an error, for programs."""
    if isinstance(error, (Refused, ServerUnavailable)) and not isinstance(error, ServerUnreachable):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "unexpected")


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status that counts, of several."""
    return min(statuses, key=_WORST.index, default=0)


def report(outcomes: Sequence[Outcome], *, as_json: bool, hint: str = "") -> None:
    """Print the outcomes on standard output, and a sentence for each error on standard error.

    Args:
        outcomes: of one message for each recipient.
        as_json: print a record for each; otherwise a word, unless ``--quiet`` was given.
        hint: a sentence to print after the errors.
    """
    if as_json or not quiet():
        _print(outcomes, as_json=as_json)
    for outcome in outcomes if speaks_of_absence() and not as_json else ():
        _report_absence(outcome)
    held = any(isinstance(outcome.error, HeldBack) for outcome in outcomes)
    sentences = [outcome.unmet or str(outcome.error or "") for outcome in outcomes]
    if len(set(sentences)) == 1:  # one message, or what kept all of them
        sentences = sentences[:1]
    else:
        sentences = [
            sentence if not sentence or outcome.unmet else f"{outcome.message.to}: {sentence}"
            for sentence, outcome in zip(sentences, outcomes, strict=True)
            if not isinstance(outcome.error, HeldBack)
        ]
    for sentence in filter(None, [*sentences, _HELD if held else "", hint]):
        warn(sentence)


def speaks_of_absence() -> bool:
    """Return whether somebody reads along, to whom it is said that a recipient is away."""
    return sys.stderr is not None and sys.stderr.isatty() and not quiet()


def _report_absence(outcome: Outcome) -> None:
    """Print where the recipient is, unless a sentence about the missing receipt says so."""
    if outcome.person is None or outcome.sent is None or outcome.unmet or outcome.word == "seen":
        return
    from chatcli.cli.delivery.whereabouts import absence

    if sentence := absence(outcome.person, delivered=outcome.word == "delivered"):
        notice(f"{sentence}.")


def _print(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    from chatcli.protocol.values.text import printable_line

    try:
        for outcome in outcomes:
            if as_json:
                from chatcli.cli.output.tables import print_json

                print_json(outcome.record())
            elif len(outcomes) > 1:
                click.echo(f"{printable_line(outcome.message.to)}\t{outcome.word}")
            elif outcome.error is None:
                click.echo(outcome.word)
        flush()
    except OSError as error:
        give_up()
        # The message is sent: a script must not send it again because the answer could not be printed.
        words = {outcome.word for outcome in outcomes}
        what = f"The message was {outcomes[0].word}" if len(outcomes) == 1 else f"The messages were {'/'.join(words)}"
        warn(f"{what}, but standard output cannot be written: {error.strerror}.")
