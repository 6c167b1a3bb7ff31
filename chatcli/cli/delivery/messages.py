"""Delivers the messages of ``chatcli send``, and reports what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from chatcli.cli.delivery.report import Outcome, report, speaks_of_absence, worst
from chatcli.cli.options.parser import unquoted
from chatcli.cli.options.shared import Account, in_use
from chatcli.client.outbox.batch import SendBatch
from chatcli.errors import (
    ChatError,
    InputError,
    Refused,
    ServerUnavailable,
    ServerUnreachable,
    UnknownRecipient,
    UnknownReply,
)
from chatcli.protocol import codes
from chatcli.protocol.frames import Sent
from chatcli.protocol.values.names import is_room

if TYPE_CHECKING:
    from chatcli.cli.delivery.wait import Wait
    from chatcli.client.identity.credentials import Login
    from chatcli.client.oneshot.receipts import ReceiptWaiter
    from chatcli.protocol.frames import Send

_MOST_ASKED: Final = 10  # recipients


def deliver(account: Account, messages: Sequence[Send], *, wait: Wait | None, spool: bool, as_json: bool) -> None:
    """Send messages, report what became of them, and end the command with the status that counts.

    Args:
        account: the sender.
        messages: one for each recipient.
        wait: what to wait for; None to return once they are stored.
        spool: store messages that the server cannot accept now.
        as_json: report records instead of words.
    """
    whereabouts = _people(messages) if wait or as_json or speaks_of_absence() else []
    delivery = _Delivery(messages, wait, whereabouts)
    try:
        try:
            with account.login() as login:
                delivery.run(login)
        except ChatError as error:
            delivery.fail(error)
        if spool and (unavailable := delivery.unavailable()) is not None:
            delivery.spool(account, unavailable)
    except KeyboardInterrupt:
        # The waiting is interrupted; the message is stored, and must not be sent again.
        report([one for one in delivery.outcomes() if one.sent], as_json=as_json)
        raise
    outcomes = delivery.outcomes()
    unknown = any(isinstance(one.error, UnknownRecipient) for one in outcomes[1:])
    report(outcomes, as_json=as_json, hint=unquoted() if unknown else "")
    click.get_current_context().exit(worst(one.status for one in outcomes))


def _people(messages: Sequence[Send]) -> list[str]:
    """Return the people among the recipients to ask for along with the messages; of many, nobody reads it."""
    people = [message.to for message in messages if not is_room(message.to)]
    return people if len(people) <= _MOST_ASKED else []


class _Delivery:
    """Messages being sent, and the outcome of each as far as it is known."""

    def __init__(self, messages: Sequence[Send], wait: Wait | None, whereabouts: Sequence[str]) -> None:
        self._messages = messages
        self._wait = wait
        self._whereabouts = whereabouts
        self._waiter: ReceiptWaiter | None = None
        together = [[message.id for message in messages]]
        self._batch = SendBatch(messages, together=together, whereabouts=whereabouts)
        self._error: ChatError | None = None  # of what is not answered
        self._spooled = False
        self._unkept: ServerUnavailable | None = None  # why what was to be kept could not be

    def run(self, login: Login) -> None:
        """Send the messages, and wait for their receipts if that is wanted.

        Raises:
            As :class:`chatcli.client.oneshot.client.Client`.
        """
        from chatcli.client.oneshot.client import Client

        client = Client(login)
        wait = self._wait
        if wait is None:
            client.send_batch(self._batch)
            return
        from chatcli.client.oneshot.receipts import ReceiptWaiter

        self._waiter = ReceiptWaiter(self._messages, wait.timeout, seen=wait.seen, whereabouts=self._whereabouts)
        self._batch = self._waiter.batch
        client.send_and_wait(self._waiter)

    def fail(self, error: ChatError) -> None:
        """Record the error that ended the sending: it holds for all messages without an answer."""
        self._error = error

    def unavailable(self) -> ServerUnavailable | None:
        """Return the error of messages that the server cannot accept now; None if there are none."""
        return next((answer for _, answer in self._answers() if isinstance(answer, ServerUnavailable)), None)

    def spool(self, account: Account, why: ServerUnavailable) -> None:
        """Store the messages that the server cannot accept now in the outbox."""
        from chatcli.client.outbox.flush import store_messages
        from chatcli.protocol.values.names import check_name

        try:
            check_name(account.name)
        except InputError as error:
            self._error = Refused(codes.BAD_NAME, str(error))
            return
        waiting = [message for message, answer in self._answers() if isinstance(answer, ServerUnavailable)]
        try:
            store_messages(account.server.name, account.name, waiting, epoch=self._batch.epoch)
        except InputError as error:
            self._unkept = type(why)(f"{why} It was not kept either. {error}", why.code)
        else:
            self._spooled = True

    def outcomes(self) -> list[Outcome]:
        """Return the outcome of each message."""
        return [self._outcome(message, answer) for message, answer in self._answers()]

    def _answers(self) -> list[tuple[Send, Sent | ChatError | None]]:
        """Return each message with the server's answer, or else with the error that ended the sending."""
        return [(message, self._batch.answers.get(message.id, self._error)) for message in self._messages]

    def _outcome(self, message: Send, answer: Sent | ChatError | None) -> Outcome:
        if isinstance(answer, Sent):
            person = self._batch.people.get(message.to)
            if self._waiter is None or self._wait is None:
                return Outcome(message, answer.outcome, answer, person=person)
            word = self._waiter.word(message)
            unmet = "" if self._wait.is_met(word) else self._wait.unmet(self._waiter, message)
            return Outcome(message, word, answer, unmet=unmet, person=person)
        if isinstance(answer, ServerUnavailable):
            if self._spooled:
                return Outcome(message, "spooled")
            answer = self._unkept or answer
        if isinstance(answer, ServerUnreachable) and self._batch.may_have_arrived(message):
            return Outcome(message, "unknown", error=answer)
        if isinstance(answer, UnknownReply):
            answer = _nothing_to_answer(message)
        return Outcome(message, "failed", error=answer)


def _nothing_to_answer(message: Send) -> InputError:
    from chatcli.protocol.values.text import command_line

    where = f"in {message.to}" if is_room(message.to) else f"between {message.to} and you"
    return InputError(
        f"--reply-to {message.re}: there is no such message {where}. This shows where each stands:\n"
        f"{command_line('chatcli', 'history', message.to, '--seq', *in_use())}"
    )
