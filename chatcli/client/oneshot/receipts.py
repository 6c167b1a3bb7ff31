"""Waits for the receipts of messages, over as many connections as it takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from chatcli.client.errors import as_exception
from chatcli.client.outbox.batch import SendBatch
from chatcli.errors import ChatError
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, Receipt, ReceiptList, Receipts, Send, Sent
from chatcli.protocol.values.names import is_room

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

_OF_RECEIPTS: Final[tuple[type[ReceiptList | Receipt], ...]] = (ReceiptList, Receipt)
_LOOK: Final = 1.0  # seconds for finding out where the missing people are, once the time is over
_POLL: Final = 2.0  # seconds: the server does not report that clients of a room's members receive its messages


class ReceiptWaiter:
    """Messages to send, and the wait for their receipts.

    Args:
        messages: the messages, each to another recipient.
        timeout: seconds to wait once they are on the server's disk.
        seen: wait until somebody has read each; otherwise until a client of theirs has received it.
        whereabouts: people to ask for along with the messages, and again once the time is over.

    Attributes:
        batch: the messages, and the server's answers.
        received: ids of the messages that a client of the recipient has received, or of somebody else in the room.
        seen: ids of the messages that somebody has read.
        unknown: why it is not known what became of others, by id.
        tells_received: whether the server reports that a client has received a message; an older one does not.
        until: when the wait ends, by the monotonic clock; None until each message is answered.
    """

    last_look = 0.0  # seconds: there is nothing to learn after the end

    def __init__(
        self, messages: Iterable[Send], timeout: float, *, seen: bool = False, whereabouts: Collection[str] = ()
    ) -> None:
        self._messages = list(messages)
        together = [[message.id for message in self._messages]]
        self.batch = SendBatch(self._messages, together=together, whereabouts=whereabouts)
        self.received: set[str] = set()
        self.seen: set[str] = set()
        self.unknown: dict[str, str] = {}
        self.tells_received = True
        self.waits_for_reading = seen
        self._timeout = timeout
        self._whereabouts = whereabouts
        self.until: float | None = None

    @classmethod
    def after(cls, stored: Sequence[tuple[Send, Sent]], timeout: float, *, seen: bool, epoch: str) -> ReceiptWaiter:
        """Return the wait for the receipts of messages that are on the server's disk, in the log of that epoch."""
        waiter = cls([message for message, _ in stored], timeout, seen=seen)
        waiter.batch.set_stored({message.id: sent for message, sent in stored}, epoch)
        return waiter

    @property
    def is_stored(self) -> bool:
        """Whether each message is answered."""
        return self.batch.done

    def pending(self) -> list[tuple[Send, int]]:
        """Return the messages without a receipt that may get one, each with its ``seq``."""
        done = self.seen if self.waits_for_reading else self.received
        return [
            (message, answer.seq)
            for message in self._messages
            if isinstance(answer := self.batch.answers.get(message.id), Sent)
            and message.id not in done
            and message.id not in self.unknown
        ]

    def word(self, message: Send) -> Literal["seen", "delivered", "stored"]:
        """Return the outcome of a stored message, as far as it was waited for."""
        if self.waits_for_reading and message.id in self.seen:
            return "seen"
        return "delivered" if message.id in self.received else "stored"

    def give_up(self, reason: str) -> None:
        """Record the reason why no more receipts can be received."""
        self.unknown.update((message.id, reason) for message, _ in self.pending())

    def run(self, connection: Connection) -> None:
        """Send the messages without an answer, then wait until all have their receipt, or the time is over.

        A message that a restored log has lost is sent again.
        """
        self.batch.fit(connection)
        if not self.batch.done:
            self.batch.run(connection, leave=False)
        if self.until is None:
            answers = self.batch.answers.values()
            self.received.update(one.id for one in answers if isinstance(one, Sent) and one.outcome == "delivered")
            self.until = time.monotonic() + self._timeout
        connection.deadline = self.until
        try:
            if self.pending():
                _Subscription(self, connection, self.until).run()
        except TimeoutError:
            if time.monotonic() < self.until:
                raise
            self.tells_received = connection.welcome is None or connection.welcome.revision >= 1
            self._look(connection)

    def _look(self, connection: Connection) -> None:
        """Find out where those are who did not confirm, as far as that is possible."""
        names = {message.to for message, _ in self.pending() if message.to in self._whereabouts}
        connection.deadline = time.monotonic() + _LOOK
        with contextlib.suppress(OSError, ChatError):
            if names:
                self.batch.ask_again(connection, names)


class _Subscription:
    """A subscription to the receipts of messages, on one connection.

    Args:
        waiter: the messages.
        connection: the connection.
        until: when the wait ends, by the monotonic clock.
    """

    def __init__(self, waiter: ReceiptWaiter, connection: Connection, until: float) -> None:
        self._waiter = waiter
        self._connection = connection
        self._until = until
        self._messages = dict(enumerate(waiter.pending(), 1))  # with their seqs, by number of the request
        self._recipients: dict[int, str] = {}  # by number of the request, spelled by the server
        #: Numbers of rooms about which the server must be asked again and again.
        self._polled = {n for n, (to, _) in self._messages.items() if is_room(to.to) and not waiter.waits_for_reading}
        self._early: list[Receipt] = []  # came before an answer, and may be newer than that

    def run(self) -> None:
        """Subscribe, and return once no receipt is missing."""
        self._connection.send(*(Receipts(to.to, watch=True, n=n) for n, (to, _) in self._messages.items()))
        while self._waiter.pending():
            frame = self._receive()
            if isinstance(frame, Error):
                self._receive_refusal(frame)
            elif isinstance(frame, ReceiptList):
                self._receive_list(frame)
            else:
                if len(self._recipients) < len(self._messages):
                    self._early.append(frame)
                for n in self._recipients:
                    self._apply(n, frame)

    def _receive(self) -> ReceiptList | Receipt | Error:
        """Return the next frame; meanwhile ask again what the server does not report by itself."""
        connection = self._connection
        while True:
            asked = [n for n in self._polled if self._messages[n] in self._waiter.pending()]
            connection.deadline = min(self._until, time.monotonic() + _POLL) if asked else self._until
            try:
                return connection.receive_answer(*_OF_RECEIPTS)
            except TimeoutError:
                if time.monotonic() >= self._until:
                    raise
            connection.deadline = self._until
            connection.send(*(Receipts(self._messages[n][0].to, n=n) for n in asked))

    def _receive_refusal(self, frame: Error) -> None:
        n = frame.n or 0
        if n not in self._messages:
            raise as_exception(frame)
        if frame.code == codes.TOO_MANY and n not in self._polled:  # too many others watch the room
            self._polled.add(n)
            self._connection.send(Receipts(self._messages[n][0].to, n=n))
            return
        self._recipients[n] = ""
        self._waiter.unknown[self._messages[n][0].id] = str(as_exception(frame))

    def _receive_list(self, known: ReceiptList) -> None:
        if known.n not in self._messages:
            return
        self._recipients[known.n] = known.to
        for receipt in known.people:
            self._apply(known.n, receipt, anywhere=True)
        for receipt in self._early:
            self._apply(known.n, receipt)

    def _apply(self, n: int, receipt: Receipt, *, anywhere: bool = False) -> None:
        """Record that a message was received or read, if the receipt is one of it.

        Args:
            n: the number of the request for its receipts.
            receipt: the receipt.
            anywhere: the receipt is of that conversation, whatever it names.
        """
        to, (message, seq) = self._recipients[n], self._messages[n]
        in_room = is_room(to)
        own = self._connection.welcome.user if self._connection.welcome else ""
        is_somebody = receipt.user != own if in_room else receipt.user == to
        is_here = anywhere or receipt.to == (to if in_room else "")
        if not (is_here and is_somebody and receipt.since < seq):
            return
        if seq <= receipt.seq:
            self._waiter.seen.add(message.id)
        if seq <= max(receipt.received, receipt.seq):  # an older server knows only what was read
            self._waiter.received.add(message.id)
