"""Asks a question and waits for its answer, on a blocking socket."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception
from chatcli.client.identity.environment import new_id
from chatcli.client.outbox.flush import flush_outbox
from chatcli.client.transport.blocking import TIMEOUT, Connection, with_retries
from chatcli.errors import ChatError
from chatcli.protocol.frames import DECLINED, Answered, Answers, Bye, Message, People, Person, Send, Sent, Who
from chatcli.protocol.values.choices import WITHDRAWN_TEXT
from chatcli.protocol.values.names import is_room

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login

GRACE: Final = 0.5  # seconds: an answer given in the last moment is on its way to the disk, and then to us
WITHDRAWING: Final = 2.0  # seconds: somebody wants to leave

_LOST: Final = "The server was restored from a backup that does not have the question: it is asked again."
_ANSWERS: Final[tuple[type[Sent | People], ...]] = (Sent, People)
_WATCH, _LAST, _WHO = 1, 2, 3  # numbers of the two requests for the answer, and of that for the person


class Reply(NamedTuple):
    """The outcome of a question that is on the server's disk.

    Attributes:
        sent: the server's receipt for the question.
        message: the answer that counts; None if none is known.
        reason: why the outcome is unknown, as a sentence; empty if it is known.
        person: where the person was when they were asked; None for a room.
    """

    sent: Sent
    message: Message | None
    reason: str = ""
    person: Person | None = None


def ask(
    login: Login,
    question: Send,
    on_stored: Callable[[Sent, Person | None], None] = lambda _sent, _person: None,
    on_withdrawn: Callable[[str], None] = lambda _: None,
) -> Reply:
    """Ask a question, and return its answer, or that there was none in time.

    Once the question is on the server's disk no error is raised, so that it is not asked again: a connection that
    breaks is made again until the question's time is over, and once more then. Only if the server was restored from a
    backup that lacks the question, it is asked again, with the same id, for the rest of its time. An interrupt
    withdraws the question.

    Args:
        login: the server, and who asks.
        question: the question, with its choices, and the seconds for which it is open.
        on_stored: is called once the question is on disk, with where the person is.
        on_withdrawn: is called when it was withdrawn, with a sentence if that failed.

    Raises:
        ChatError: as :class:`chatcli.client.oneshot.client.Client`; InputError also if the question makes no sense.
    """
    login = login.with_identity()
    waiter = _AnswerWaiter(question, on_stored)
    try:
        flush_outbox(login, read_only=False, seconds=min(TIMEOUT, question.seconds or TIMEOUT))
        message = with_retries(login, "send", waiter.run, wait=waiter)
    except ChatError as error:
        if waiter.sent is None:
            raise
        return Reply(waiter.sent, None, str(error), waiter.person)
    except (KeyboardInterrupt, SystemExit):
        if waiter.may_be_stored:
            on_withdrawn(_withdraw(login.without_prompt(), waiter))
        raise
    assert waiter.sent is not None  # noqa: S101 (it comes before any answer)
    return Reply(waiter.sent, message, person=waiter.person)


class _AnswerWaiter:
    """A question to send, and the wait for its answer.

    Attributes:
        question: the question.
        may_be_stored: whether it was sent.
        sent: the server's receipt; None until it has come.
        person: where the person is; None for a room, and until that has come.
        epoch: the epoch of the log that has the question.
        until: when the question is closed, by the monotonic clock; None until it is stored.
    """

    last_look = 5.0  # seconds for the server to say that there is no answer

    def __init__(self, question: Send, on_stored: Callable[[Sent, Person | None], None]) -> None:
        self.question = question
        self.may_be_stored = False
        self.sent: Sent | None = None
        self.person: Person | None = None
        self.epoch = ""
        self._on_stored = on_stored
        self.until: float | None = None

    def run(self, connection: Connection) -> Message | None:
        """Return the answer, or None if the question's time is over without one."""
        if self.sent is None or self.until is None:
            self.sent, self.until = self._ask(connection)
        elif self.sent.seq > connection.shared_with(self.epoch):
            left = math.ceil(self.until - GRACE - time.monotonic())
            if left <= 0:
                return None  # that question is over, and its number may be that of another one
            diagnostics.trouble(_LOST)
            self.question = replace(self.question, seconds=left)
            self.sent, self.until = self._ask(connection)
        self.epoch = connection.epoch
        if time.monotonic() < self.until:
            connection.deadline = self.until
            try:
                return self._watch(connection, self.sent.seq)
            except TimeoutError:
                if time.monotonic() < self.until:
                    raise
        return self._look(connection, self.sent.seq)

    def _ask(self, connection: Connection) -> tuple[Sent, float]:
        """Ask the question; return the receipt, and when the question is closed."""
        self.may_be_stored = True
        sent = self._send(connection)
        # By then the server has closed the question: its time has started before this answer.
        until = time.monotonic() + (self.question.seconds or 0) + GRACE
        self._on_stored(sent, self.person)
        return sent, until

    def _send(self, connection: Connection) -> Sent:
        """Send the question, and that for the person before it, whose answer is here before the question is on disk."""
        to = self.question.to
        connection.send(*([] if is_room(to) else [Who(to, n=_WHO)]), self.question)
        while True:
            answer = connection.receive_answer(*_ANSWERS)
            if isinstance(answer, Sent):
                return answer
            if isinstance(answer, People):
                self.person = answer.people[0] if answer.people else None
            elif answer.n != _WHO:
                raise as_exception(answer)

    def _watch(self, connection: Connection, seq: int) -> Message:
        """Return the answer as soon as there is one."""
        connection.send(Answers(seq, _WATCH))
        while (answered := connection.receive(Answered)).message is None:
            pass
        return answered.message

    def _look(self, connection: Connection, seq: int) -> Message | None:
        """Return the answer if there is one, once no more can come."""
        connection.deadline = time.monotonic() + self.last_look
        connection.send(Answers(seq, _LAST))
        while (answered := connection.receive(Answered)).message is None and answered.n != _LAST:
            pass
        return answered.message


def _withdraw(login: Login, waiter: _AnswerWaiter) -> str:
    """Withdraw a question that may be stored; return a sentence if that failed, or nothing.

    If its ``seq`` is not known, the question is sent once more: it keeps its place if it is stored already.
    """

    def run(connection: Connection) -> None:
        if waiter.sent is None:
            connection.send(waiter.question)
            waiter.sent = connection.receive(Sent)
            waiter.epoch = connection.epoch
        elif waiter.sent.seq > connection.shared_with(waiter.epoch):
            return  # there is no question to withdraw any more
        connection.send(Send(new_id(), waiter.question.to, WITHDRAWN_TEXT, waiter.sent.seq, answer=DECLINED), Bye())
        connection.receive(Sent)

    try:
        with_retries(login, "send", run, WITHDRAWING, epoch=waiter.epoch)
    except ChatError as error:
        return str(error)
    return ""
