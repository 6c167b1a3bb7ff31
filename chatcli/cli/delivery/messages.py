"""Has messages delivered for ``chatcli send``, and tells what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from chatcli.cli.delivery.report import Outcome, tell, worst
from chatcli.cli.options.parser import unquoted
from chatcli.cli.options.shared import in_use, naming
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
from chatcli.protocol.names import is_room

if TYPE_CHECKING:
    from chatcli.client.identity.trust import Trust
    from chatcli.client.oneshot.receipts import ReceiptWaiter
    from chatcli.protocol.address import Address
    from chatcli.protocol.frames import Send


def deliver(
    server: Address,
    user: str | None,
    messages: Sequence[Send],
    trust: Trust,
    timeout: int | None,
    *,
    spool: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Send messages, tell what became of them, and end the command with the status that counts.

    Args:
        server: where to.
        user: who sends; by default the login name.
        messages: one for each recipient.
        trust: which servers to speak to.
        timeout: for how many seconds to wait until they were seen, if at all.
        spool: keep what the server cannot take now.
        as_json: tell it so.
        quiet: print no words.
    """
    delivery = _Delivery(messages, timeout)
    try:
        try:
            with naming(user) as name:
                delivery.run(server, name, trust)
        except ChatError as error:
            delivery.failed(error)
        if spool and (unavailable := delivery.unavailable()) is not None:
            delivery.spool(server, name, unavailable)
    except KeyboardInterrupt:
        # The waiting is interrupted; the message is there, and is not to be sent once more.
        tell([one for one in delivery.outcomes() if one.sent], as_json=as_json, quiet=quiet)
        raise
    outcomes = delivery.outcomes()
    unknown = any(isinstance(one.error, UnknownRecipient) for one in outcomes[1:])
    tell(outcomes, as_json=as_json, quiet=quiet, hint=unquoted() if unknown else "")
    click.get_current_context().exit(worst(one.status for one in outcomes))


class _Delivery:
    """Messages on their way, and what is known of each."""

    def __init__(self, messages: Sequence[Send], timeout: int | None) -> None:
        self._messages = messages
        self._timeout = timeout
        self._waiter: ReceiptWaiter | None = None
        self._batch = SendBatch(messages, together=[[message.id for message in messages]])
        self._error: ChatError | None = None  # of what is not answered
        self._spooled = False
        self._unkept: ServerUnavailable | None = None  # why what was to be kept could not be

    def run(self, server: Address, user: str, trust: Trust) -> None:
        """Send them, and wait until they were seen if that is wanted.

        Raises:
            As :class:`chatcli.client.oneshot.client.Client`.
        """
        from chatcli.client.identity.credentials import Login
        from chatcli.client.oneshot.client import Client

        client = Client(Login(server=server, user=user, trust=trust))
        if self._timeout is None:
            client.send_batch(self._batch)
            return
        from chatcli.client.oneshot.receipts import ReceiptWaiter

        self._waiter = ReceiptWaiter(self._messages, self._timeout)
        self._batch = self._waiter.batch
        client.send_and_wait(self._waiter)

    def failed(self, error: ChatError) -> None:
        """Note what kept everything that is not answered from being sent."""
        self._error = error

    def unavailable(self) -> ServerUnavailable | None:
        """Return why the server cannot take something now; None where it has answered everything for good."""
        return next((answer for _, answer in self._answers() if isinstance(answer, ServerUnavailable)), None)

    def spool(self, server: Address, user: str, why: ServerUnavailable) -> None:
        """Keep what the server cannot take now, until it can."""
        from chatcli.client.outbox.flush import store_messages
        from chatcli.protocol.names import check_name

        try:
            check_name(user)
        except InputError as error:
            self._error = Refused(codes.BAD_NAME, str(error))
            return
        waiting = [message for message, answer in self._answers() if isinstance(answer, ServerUnavailable)]
        try:
            store_messages(server, user, waiting)
        except InputError as error:
            self._unkept = type(why)(f"{why} It was not kept either. {error}", why.code)
        else:
            self._spooled = True

    def outcomes(self) -> list[Outcome]:
        """Return what became of each."""
        return [self._outcome(message, answer) for message, answer in self._answers()]

    def _answers(self) -> list[tuple[Send, Sent | ChatError | None]]:
        """Return what the server has said of each, or else what kept it from saying anything."""
        return [(message, self._batch.answers.get(message.id, self._error)) for message in self._messages]

    def _outcome(self, message: Send, answer: Sent | ChatError | None) -> Outcome:
        if isinstance(answer, Sent):
            if self._waiter is None:
                return Outcome(message, answer.outcome, answer)
            if message.id in self._waiter.seen:
                return Outcome(message, "delivered", answer)
            why = self._waiter.unknown.get(message.id, "")
            return Outcome(message, "stored", answer, unseen=_not_seen(message.to, self._timeout or 0, why))
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
    from chatcli.protocol.text import command_line

    where = f"in {message.to}" if is_room(message.to) else f"between {message.to} and you"
    return InputError(
        f"--reply-to {message.re}: there is no such message {where}. This shows where each stands:\n"
        f"{command_line('chatcli', 'history', message.to, '--seq', *in_use())}"
    )


def _not_seen(to: str, timeout: int, why: str) -> str:
    from chatcli.protocol.durations import duration_text

    if why:
        return f"It is stored, but whether it was shown to {to} is not known: {why}"
    if is_room(to):
        return f"Nobody in {to} confirmed it within {duration_text(timeout)}. It is stored."
    return (
        f"{to} did not confirm it within {duration_text(timeout)}: they may be away, or give no receipts. It is stored."
    )
