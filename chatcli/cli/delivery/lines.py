"""Sends the lines of standard input for ``chatcli send --lines``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from chatcli.cli.delivery.report import Outcome, worst
from chatcli.cli.exit_status import NOT_IN_TIME
from chatcli.cli.output.streams import flush, give_up, notice, warn
from chatcli.errors import ChatError, Refused, UnknownRecipient
from chatcli.protocol.frames import Sent

if TYPE_CHECKING:
    from types import FrameType

    from chatcli.cli.delivery.wait import Wait
    from chatcli.cli.options.shared import Account
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.lines import LineSender
    from chatcli.protocol.frames import Send

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAMES = " With --lines, all names are recipients."


def send_lines(
    account: Account, recipients: Sequence[str], *, timeout: int, wait: Wait | None, spool: bool, as_json: bool
) -> None:
    """Send each line as it comes, then end the command with the status that counts, or by the signal that ended it.

    Args:
        account: the sender.
        recipients: the people and rooms that get each line.
        timeout: seconds for lines that are not sent when the input ends.
        wait: what to wait for once all are stored; None to return then.
        spool: store lines in the outbox while the server cannot be reached.
        as_json: print a record for each message.
    """
    from chatcli.client.oneshot.line_queue import Callbacks
    from chatcli.client.oneshot.lines import LineSender

    if sys.stdin is None:
        raise click.UsageError("There is no standard input to read lines from.")
    reporter = _Reporter(as_json=as_json, prefix=len(recipients) > 1)
    with account.login() as login:
        callbacks = Callbacks(answered=reporter.answered, refused=reporter.refused, lost=reporter.lost, notice=notice)
        lines = LineSender(
            login.with_identity(), sys.stdin.fileno(), recipients, callbacks, timeout=timeout, spool=spool
        )
        signals = _Signals(lines)
        try:
            lines.run()
        except UnknownRecipient as error:
            error.args = (f"{error}{_NAMES}",)
            raise
        finally:
            reporter.sum_up()
        if wait is not None and reporter.last:
            reporter.statuses.add(_wait_for_last(login, reporter, wait, lines.epoch))
    signals.end()
    click.get_current_context().exit(worst(reporter.statuses))


def _wait_for_last(login: Login, reporter: _Reporter, wait: Wait, epoch: str) -> int:
    """Wait for the receipt of each recipient's last line, which holds for those before it; return the exit status.

    Args:
        login: the server, and who has sent.
        reporter: what was sent.
        wait: what to wait for.
        epoch: that of the log which has the lines.
    """
    from chatcli.client.oneshot.client import Client
    from chatcli.client.oneshot.receipts import ReceiptWaiter

    stored = list(reporter.last.values())
    waiter = ReceiptWaiter.after(stored, wait.timeout, seen=wait.seen, epoch=epoch)
    Client(login.without_prompt()).send_and_wait(waiter)
    unmet = [message for message, _ in stored if not wait.is_met(waiter.word(message))]
    for message in unmet:
        warn(wait.unmet(waiter, message))
    return NOT_IN_TIME if unmet else 0


class _Reporter:
    """Reports the outcome of each line, and collects the exit statuses."""

    def __init__(self, *, as_json: bool, prefix: bool) -> None:
        self.statuses = {0}
        self.last: dict[str, tuple[Send, Sent]] = {}  # by recipient
        self._as_json = as_json
        self._prefix = prefix
        self._kept = 0

    def answered(self, message: Send, answer: Sent | ChatError | None) -> None:
        """Report the outcome of a message."""
        if isinstance(answer, Sent):
            outcome = Outcome(message, answer.outcome, answer)
            self.last[message.to] = message, answer
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
        """Report a line that cannot be sent."""
        warn(str(error))
        for message in messages:
            outcome = Outcome(message, "failed", error=error)
            self.statuses.add(outcome.status)
            if self._as_json:
                self._print(outcome)

    def lost(self, message: Send, error: ChatError, told: bool) -> None:
        """Report a message that was given up. Only a program gets each of them; people get their number."""
        if self._as_json:
            self._print(Outcome(message, "unknown" if told else "failed", error=error))

    def sum_up(self) -> None:
        """Report how many messages wait in the outbox."""
        if self._kept:
            what = "1 message was" if self._kept == 1 else f"{self._kept} messages were"
            notice(f'{what} kept in the outbox while there was no server; "chatcli outbox" shows what waits.')

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
    """Ends the input at the first signal, so that what was read is sent; the second signal ends the process."""

    def __init__(self, lines: LineSender) -> None:
        self._lines = lines
        self._caught = 0
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, and in the background of a shell
                signal.signal(number, self._catch)

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._caught = number
        for caught in _SIGNALS:
            if signal.getsignal(caught) == self._catch:
                signal.signal(caught, signal.default_int_handler if caught == signal.SIGINT else signal.SIG_DFL)
        self._lines.stop()

    def end(self) -> None:
        """End the process by the signal that was caught, if there was one."""
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        if self._caught:
            signal.raise_signal(self._caught)
