"""Asks a question and waits for its answer, on a blocking socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.key import Identity
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.retry import persist
from chatcli.client.transport.blocking import TIMEOUT, Connection, with_retries
from chatcli.errors import ChatError
from chatcli.protocol.address import Address
from chatcli.protocol.choices import WITHDRAWN_TEXT
from chatcli.protocol.frames import DECLINED, Answered, Answers, Bye, Message, Send, Sent

GRACE: Final = 0.5  # seconds: an answer given in the last moment is on its way to the disk, and then to us
_LAST_LOOK: Final = 5.0  # seconds for the server to say that there is no answer
WITHDRAWING: Final = 2.0  # seconds: somebody wants to leave

_AT_FIRST, _AT_THE_END = 1, 2  # numbers of what is asked


class Reply(NamedTuple):
    """What became of a question that is on the server's disk.

    Attributes:
        sent: what the server said of the question.
        message: what counts as the answer, or None if there is none that we know of.
        why: what kept us from learning whether there is one, as a sentence; empty if there is none.
    """

    sent: Sent
    message: Message | None
    why: str = ""


def ask(
    server: Address,
    user: str,
    question: Send,
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
    stored: Callable[[Sent], None] = lambda _: None,
    withdrawn: Callable[[str], None] = lambda _: None,
) -> Reply:
    """Ask a question, and return its answer, or that there was none in time.

    Once the question is on disk nothing is raised any more, lest it is asked again: a connection that breaks is made
    again until the question's time is over, and once more then. Whoever interrupts the waiting has it withdrawn.

    Args:
        server: where.
        user: who asks.
        question: with its choices, and the seconds for which it is open.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.
        stored: called once the question is on disk.
        withdrawn: called when it was withdrawn, or with a sentence that says why it could not be.

    Raises:
        InputError: the user's key cannot be used, or the question makes no sense.
        ServerNotTrusted: the server is not the one that was meant; nothing was said to it.
        ServerUnreachable: the server does not answer; where it may have got the question, the sentence says so.
        UnknownRecipient: nobody called that was ever here, or there is no such room.
        Refused: the server said no to the name or to the question.
        ProtocolError: what answers is no chatcli server.
    """
    login = Login(server=server, user=user, trust=trust, identity=identity).with_identity()
    wait = _Wait(question, stored)
    try:
        message = persist(login, wait, min(TIMEOUT, question.seconds or TIMEOUT))
    except ChatError as error:
        if wait.sent is None:
            raise
        return Reply(wait.sent, None, str(error))
    except (KeyboardInterrupt, SystemExit):
        if wait.told:
            withdrawn(_withdraw(login.without_prompt(), wait))
        raise
    assert wait.sent is not None  # noqa: S101 (it comes before any answer)
    return Reply(wait.sent, message)


class _Wait:
    """A question on its way, and the wait for its answer, over as many connections as it takes."""

    def __init__(self, question: Send, stored: Callable[[Sent], None]) -> None:
        self.question = question
        self.told = False  # the server may have it
        self.sent: Sent | None = None
        self._stored = stored
        self._until = 0.0

    @property
    def begun(self) -> bool:
        """Whether the question is on the server's disk."""
        return self.sent is not None

    def left(self) -> float:
        """Return how many seconds are left."""
        return self._until - time.monotonic()

    def patience(self) -> float:
        """Return how long to try to reach the server, in seconds."""
        return TIMEOUT if self.sent is None else max(_LAST_LOOK, min(TIMEOUT, self.left()))

    def talk(self, connection: Connection) -> Message | None:
        """Return the answer, or None if the question's time is over without one."""
        if self.sent is None:
            self.told = True
            connection.send(self.question)
            self.sent = connection.receive(Sent)
            # The server has closed the question then: it has begun to count before it said this.
            self._until = time.monotonic() + (self.question.seconds or 0) + GRACE
            self._stored(self.sent)
        if self.left() > 0:
            connection.deadline = self._until
            try:
                return self._watch(connection, self.sent.seq)
            except TimeoutError:
                if self.left() > 0:
                    raise
        return self._look(connection, self.sent.seq)

    def _watch(self, connection: Connection, seq: int) -> Message:
        """Return the answer as soon as there is one."""
        connection.send(Answers(seq, _AT_FIRST))
        while (answered := connection.receive(Answered)).message is None:
            pass
        return answered.message

    def _look(self, connection: Connection, seq: int) -> Message | None:
        """Return the answer if there is one, now that none can come any more."""
        connection.deadline = time.monotonic() + _LAST_LOOK
        connection.send(Answers(seq, _AT_THE_END))
        while (answered := connection.receive(Answered)).message is None and answered.n != _AT_THE_END:
            pass
        return answered.message


def _withdraw(login: Login, wait: _Wait) -> str:
    """Take back a question that may have been asked, if the server can be told so at once; return why not, or nothing.

    Where its place is not known here it is said once more: if it was asked already, it has the same.
    """

    def talk(connection: Connection) -> None:
        if wait.sent is None:
            connection.send(wait.question)
            wait.sent = connection.receive(Sent)
        connection.send(Send(new_id(), wait.question.to, WITHDRAWN_TEXT, wait.sent.seq, answer=DECLINED), Bye())
        connection.receive(Sent)

    try:
        with_retries(login, "send", talk, WITHDRAWING)
    except ChatError as error:
        return str(error)
    return ""
