"""Has the lines of standard input sent for ``chatcli send --lines``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from chatcli.cli.delivery.report import Outcome, worst
from chatcli.cli.options.shared import naming
from chatcli.cli.output.streams import flush, give_up, note, warn
from chatcli.errors import ChatError, Refused, UnknownRecipient
from chatcli.protocol.frames import Sent

if TYPE_CHECKING:
    from types import FrameType

    from chatcli.client.identity.trust import Trust
    from chatcli.client.oneshot.lines import LineSender
    from chatcli.protocol.address import Address
    from chatcli.protocol.frames import Send

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAMES = " With --lines, all names are recipients."


def pipe(
    server: Address,
    user: str | None,
    recipients: Sequence[str],
    timeout: int,
    trust: Trust,
    *,
    spool: bool,
    as_json: bool,
) -> None:
    """Send each line as it comes, then end the command with the status that counts, or as the signal wants it.

    Args:
        server: where to.
        user: who sends; by default the login name.
        recipients: to whom.
        timeout: seconds for what is not sent when the input ends.
        trust: which servers to speak to.
        spool: keep what comes while the server cannot be reached.
        as_json: print an object for each message.
    """
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.line_queue import Callbacks
    from chatcli.client.oneshot.lines import LineSender

    if sys.stdin is None:
        raise click.UsageError("There is no standard input to read lines from.")
    told = _Told(as_json=as_json, prefix=len(recipients) > 1)
    with naming(user) as name:
        login = Login(server=server, user=name, trust=trust).with_identity()
        callbacks = Callbacks(answered=told.answered, refused=told.refused, lost=told.lost, notice=note)
        lines = LineSender(login, sys.stdin.fileno(), recipients, callbacks, timeout=timeout, spool=spool)
        signals = _Signals(lines)
        try:
            lines.run()
        except UnknownRecipient as error:
            error.args = (f"{error}{_NAMES}",)
            raise
        finally:
            told.sum_up()
    signals.obey()
    click.get_current_context().exit(worst(told.statuses))


class _Told:
    """What the person is told, and the statuses that follow from it."""

    def __init__(self, *, as_json: bool, prefix: bool) -> None:
        self.statuses = {0}
        self._as_json = as_json
        self._prefix = prefix
        self._kept = 0

    def answered(self, message: Send, answer: Sent | ChatError | None) -> None:
        """Tell what became of a message."""
        if isinstance(answer, Sent):
            outcome = Outcome(message, answer.outcome, answer)
        elif answer is None:
            outcome = Outcome(message, "spooled")
            self._kept += 1
        else:
            outcome = Outcome(message, "failed", error=answer)
            hint = _NAMES if isinstance(answer, UnknownRecipient) else ""
            warn(f"{message.to}: {answer}{hint}" if self._prefix else str(answer))
        self.statuses.add(outcome.status)
        if self._as_json:
            self._print(outcome)

    def refused(self, messages: list[Send], error: Refused) -> None:
        """Tell that a line cannot be sent."""
        warn(str(error))
        for message in messages:
            outcome = Outcome(message, "failed", error=error)
            self.statuses.add(outcome.status)
            if self._as_json:
                self._print(outcome)

    def lost(self, message: Send, error: ChatError, told: bool) -> None:
        """Tell a program what was given up, and whether the server may have it; people are told how much that is."""
        if self._as_json:
            self._print(Outcome(message, "unknown" if told else "failed", error=error))

    def sum_up(self) -> None:
        """Say what waits."""
        if self._kept:
            what = "1 message was" if self._kept == 1 else f"{self._kept} messages were"
            note(f'{what} kept in the outbox while there was no server; "chatcli outbox" shows what waits.')

    def _print(self, outcome: Outcome) -> None:
        from chatcli.cli.output.tables import print_json

        try:
            print_json(outcome.record())
            flush()
        except OSError as error:
            give_up()
            self._as_json = False
            warn(f"Lines are still being sent, but standard output cannot be written: {error.strerror}.")


class _Signals:
    """Has the first signal end the input, so that what was read is sent; the second ends everything."""

    def __init__(self, lines: LineSender) -> None:
        self._lines = lines
        self._caught = 0
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as behind nohup, and in the background of a shell
                signal.signal(number, self._catch)

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._caught = number
        for caught in _SIGNALS:
            if signal.getsignal(caught) == self._catch:
                signal.signal(caught, signal.default_int_handler if caught == signal.SIGINT else signal.SIG_DFL)
        self._lines.stop()

    def obey(self) -> None:
        """End as the signal that came wants it, if one did."""
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        if self._caught:
            signal.raise_signal(self._caught)
