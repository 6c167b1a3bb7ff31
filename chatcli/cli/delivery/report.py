"""What became of messages: in words, as JSON, and as the status of the command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import click

from chatcli.cli.exit_status import NOT_IN_TIME, exit_status
from chatcli.cli.output.streams import flush, give_up, warn
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
    from chatcli.protocol.frames import Send, Sent

#: Of several statuses, which counts: the first in this order. What helps is to try again comes behind what does not.
_WORST: Final = (1, 2, 4, 3, 5, NOT_IN_TIME, 0)

_HELD: Final = "Nothing was sent to the others either."

#: What is not refused by the server has no code of the protocol.
_CODES: Final[tuple[tuple[type[ChatError], str], ...]] = (
    (ServerUnreachable, "unreachable"),
    (ServerNotTrusted, "not_trusted"),
    (InputError, codes.INVALID),
    (HeldBack, "held_back"),
)


class Outcome(NamedTuple):
    """What became of one message.

    Attributes:
        message: what was to be sent, and to whom.
        word: delivered, stored, spooled, failed, or unknown where the connection broke before the answer.
        sent: what the server said, if it has it.
        error: why it was not sent, or is not known to be.
        unseen: why it is not confirmed, if that was waited for.
    """

    message: Send
    word: Literal["delivered", "stored", "spooled", "failed", "unknown"]
    sent: Sent | None = None
    error: ChatError | None = None
    unseen: str = ""

    @property
    def status(self) -> int:
        """The status of the command, were this the only message."""
        if self.error is not None:
            return exit_status(self.error)
        return NOT_IN_TIME if self.unseen else 0

    def record(self) -> records.Sent:
        """Return what ``--json`` says of it."""
        from chatcli.cli.output.records import Sent
        from chatcli.cli.output.times import moment

        seq, at = (self.sent.seq, moment(self.sent.at)) if self.sent else (None, None)
        return Sent(self.message.to, self.word, self.message.id, seq, at, self._error(), self.status)

    def _error(self) -> records.Failure | None:
        from chatcli.cli.output.records import Failure

        if self.error is not None:
            return Failure(code_of(self.error), str(self.error))
        return Failure("not_in_time", self.unseen) if self.unseen else None


def code_of(error: ChatError) -> str:
    """Return the word that programs know an error by."""
    if isinstance(error, (Refused, ServerUnavailable)) and not isinstance(error, ServerUnreachable):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "unexpected")


def worst(statuses: Iterable[int]) -> int:
    """Return the status that counts, of several."""
    return min(statuses, key=_WORST.index, default=0)


def tell(outcomes: Sequence[Outcome], *, as_json: bool, quiet: bool, hint: str = "") -> None:
    """Print what became of messages on standard output, and of what went wrong a sentence each on standard error.

    Args:
        outcomes: of one message for each recipient.
        as_json: as an object for each.
        quiet: print no words.
        hint: what to say behind what went wrong.
    """
    if as_json or not quiet:
        _print(outcomes, as_json=as_json)
    held = any(isinstance(outcome.error, HeldBack) for outcome in outcomes)
    sentences = [outcome.unseen or str(outcome.error or "") for outcome in outcomes]
    if len(set(sentences)) == 1:  # one message, or what kept all of them
        sentences = sentences[:1]
    else:
        sentences = [
            sentence if not sentence or outcome.unseen else f"{outcome.message.to}: {sentence}"
            for sentence, outcome in zip(sentences, outcomes, strict=True)
            if not isinstance(outcome.error, HeldBack)
        ]
    for sentence in filter(None, [*sentences, _HELD if held else "", hint]):
        warn(sentence)


def _print(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    from chatcli.protocol.text import printable_line

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
        # It has been sent: whoever reads the status must not send it again because the answer has nowhere to go.
        words = {outcome.word for outcome in outcomes}
        what = f"The message was {outcomes[0].word}" if len(outcomes) == 1 else f"The messages were {'/'.join(words)}"
        warn(f"{what}, but standard output cannot be written: {error.strerror}.")
