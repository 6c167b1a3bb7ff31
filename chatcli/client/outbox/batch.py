"""A batch of messages that one command sends: in one write, answered in any order, and again with the same ids."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception
from chatcli.errors import ChatError, HeldBack, Refused
from chatcli.protocol import codes
from chatcli.protocol.frames import Bye, Check, Done, Error, People, Person, Send, Sent, Who
from chatcli.protocol.in_flight import InFlight
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

#: Seconds for the next answer, from a server that has received messages: to give up leaves their outcome unknown.
PATIENCE: Final = 30.0
_ANSWERS: Final[tuple[type[Sent | People], ...]] = (Sent, People)

#: Sentences for messages to a log that was restored from a backup.
NO_REPLY: Final = "The message is sent without what it answers, which is gone from the server's log."
NO_ANSWER: Final = "The question is gone from the server's log."


def check_recipients(connection: Connection, recipients: Iterable[str]) -> dict[str, ChatError]:
    """Return the recipients that the user may not write to, by name, each with the reason; nothing is sent.

    Raises:
        OSError: the connection broke, or it took too long.
        ChatError: the server refused all of it.
    """
    asked = dict(enumerate(recipients, 1))
    refused: dict[str, ChatError] = {}
    connection.send(*(Check(to, n) for n, to in asked.items()))
    while asked:
        answer = connection.receive_answer(Done)
        to = asked.pop(answer.n or 0, None)
        if to is not None and isinstance(answer, Error):
            refused[to] = as_exception(answer)
    return refused


class SendBatch:
    """Messages to send, and the server's answers.

    Args:
        messages: the messages, in order.
        patience: seconds for the next answer, beyond the deadline of the connection.
        together: groups of ids: the messages of a group are all sent, or none is if the user may not write to one of
            the recipients.
        whereabouts: people to ask for along with the messages: where they are.
        epochs: the epochs of the logs which the numbers in messages belong to, by id. Without one it is the log of the
            first connection.

    Attributes:
        answers: by id, in the order in which they came: the receipt of a message that is on disk, or the refusal.
        people: the people who were asked for, by name as given, as far as the server knows them.
        epoch: the epoch of the log of the newest connection; empty if it is not known.
    """

    def __init__(
        self,
        messages: Iterable[Send],
        patience: float | None = None,
        *,
        together: Iterable[Collection[str]] = (),
        whereabouts: Iterable[str] = (),
        epochs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.answers: dict[str, Sent | ChatError] = {}
        self.people: dict[str, Person] = {}
        self.epoch = ""
        self._messages = list(messages)
        self._whereabouts = dict(enumerate(whereabouts, 1))
        self._patience = PATIENCE if patience is None else patience
        self._groups = [group for group in together if len(group) > 1]
        self._epochs = dict(epochs)
        self._in_flight = InFlight(self._messages)

    @property
    def done(self) -> bool:
        """Whether every message is answered."""
        return not self._in_flight

    def set_stored(self, answers: Mapping[str, Sent], epoch: str) -> None:
        """Record, before the first connection, that messages are on the server's disk, in the log of that epoch."""
        self.epoch = epoch
        for identity, sent in answers.items():
            self.answers[identity] = sent
            self._in_flight.resolve(identity)

    def may_have_arrived(self, message: Send) -> bool:
        """Return whether a message without an answer was sent, so that the server may have it."""
        return self._in_flight.was_sent(message.id)

    def run(self, connection: Connection, *, leave: bool = True) -> None:
        """Send the messages without an answer, and receive the answers; on each connection until all are answered.

        Args:
            connection: the connection.
            leave: say goodbye after the last message.

        Raises:
            OSError: the connection broke, or no answer came for too long.
            ChatError: the server refused all of it.
        """
        self._in_flight.disconnected()
        try:
            self.fit(connection)
            self._run(connection, leave=leave)
        finally:
            self.epoch = connection.epoch or self.epoch

    def fit(self, connection: Connection) -> None:
        """Fit the messages to the log of a connection, which may have been restored from a backup.

        A message that it has lost is sent again, a reply without the number that means another message now, and an
        answer to a question that is gone is not sent.

        Raises:
            OSError: the connection broke, or it took too long.
            ChatError: the server refused all of it.
        """
        if self.epoch:
            stored = [one for one in self._messages if isinstance(self.answers.get(one.id), Sent)]
            shared = connection.shared_with(self.epoch) if stored else 0
            self._in_flight.put_back([one for one in stored if not self._is_stored(one, shared)])
        for message in self._in_flight.unanswered():
            epoch = self._epochs.get(message.id, self.epoch)
            if message.re is None or not epoch:
                continue
            from chatcli.protocol.epochs import fitted

            fit = fitted(message, connection.shared_with(epoch))
            if fit is None:
                self.answers[message.id] = Refused(codes.NOT_OPEN, NO_ANSWER)
                self._in_flight.resolve(message.id)
            elif fit is not message:
                diagnostics.trouble(f"{printable_line(message.to)}: {NO_REPLY}")
                self._in_flight.exchange(fit)
            self._epochs[message.id] = connection.epoch or epoch
        self.epoch = connection.epoch or self.epoch

    def _is_stored(self, message: Send, shared: int) -> bool:
        """Return whether a message that was stored is among those up to a number; if not, it has no answer any more."""
        answer = self.answers[message.id]
        if isinstance(answer, Sent) and answer.seq <= shared:
            return True
        del self.answers[message.id]
        return False

    def _run(self, connection: Connection, *, leave: bool) -> None:
        in_flight = self._in_flight
        if self._groups:
            self._check_groups(connection)
        unsent = len(in_flight)
        questions = [Who(name, n=n) for n, name in self._whereabouts.items() if name not in self.people]
        while in_flight:
            if batch := in_flight.next_batch():
                unsent -= len(batch)
                # The questions go first: their answers are here before the last message is on disk.
                connection.send(*questions, *batch, *([Bye()] if leave and not unsent else []))
                questions = []
                self._extend_deadline(connection)
            answer = connection.receive_answer(*_ANSWERS)
            if isinstance(answer, People):
                self._add_person(answer)
            elif (message := in_flight.resolve(answer.id)) is not None:
                self.answers[message.id] = answer if isinstance(answer, Sent) else as_exception(answer)
                self._extend_deadline(connection)

    def ask_again(self, connection: Connection, names: Iterable[str]) -> None:
        """Ask once more where some of the people are, who were asked for.

        Raises:
            OSError: the connection broke, or the time is over.
            ChatError: the server ends it.
        """
        asked = {n: name for n, name in self._whereabouts.items() if name in names}
        connection.send(*(Who(name, n=n) for n, name in asked.items()))
        while asked:
            answer = connection.receive_answer(People)
            if asked.pop(answer.n or 0, None) and isinstance(answer, People):
                self._add_person(answer)

    def _add_person(self, answer: People) -> None:
        name = self._whereabouts.get(answer.n)
        if name is not None and len(answer.people) == 1:
            self.people[name] = answer.people[0]

    def _extend_deadline(self, connection: Connection) -> None:
        connection.deadline = max(connection.deadline, time.monotonic() + self._patience)

    def _check_groups(self, connection: Connection) -> None:
        """Answer the messages of each group that may not be sent: with its refusal, or that of another recipient."""
        messages = {message.id: message for message in self._in_flight.unanswered()}
        groups = [[messages[identity] for identity in group if identity in messages] for group in self._groups]
        refused = check_recipients(connection, {message.to: None for group in groups for message in group})
        for group in groups:
            cause = next((refused[message.to] for message in group if message.to in refused), None)
            for message in group if cause is not None else ():
                held = HeldBack(f"Not sent, as another recipient cannot get it: {cause}", cause or ChatError())
                self.answers[message.id] = refused.get(message.to, held)
                self._in_flight.resolve(message.id)
        self._groups = []  # once is enough: the messages may be on the server's disk from now on
