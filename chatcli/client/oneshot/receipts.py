"""Waits for the receipts of messages, over as many connections as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.client.outbox.batch import SendBatch
from chatcli.protocol.frames import Error, Receipt, ReceiptList, Receipts, Send, Sent
from chatcli.protocol.values.names import is_room

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

_OF_RECEIPTS: Final[tuple[type[ReceiptList | Receipt], ...]] = (ReceiptList, Receipt)


class ReceiptWaiter:
    """Messages to send, and the wait for their receipts.

    Args:
        messages: the messages, each to another recipient.
        timeout: seconds to wait once they are on the server's disk.
        on_stored: is called once each of them is answered.

    Attributes:
        batch: the messages, and the server's answers.
        seen: ids of the messages that somebody has seen.
        unknown: why it is not known whether others were seen, by id.
        until: when the wait ends, by the monotonic clock; None until each message is answered.
    """

    last_look = 0.0  # seconds: there is nothing to learn after the end

    def __init__(self, messages: Iterable[Send], timeout: float, on_stored: Callable[[], None] = lambda: None) -> None:
        self._messages = list(messages)
        self.batch = SendBatch(self._messages, together=[[message.id for message in self._messages]])
        self.seen: set[str] = set()
        self.unknown: dict[str, str] = {}
        self._timeout = timeout
        self._on_stored = on_stored
        self.until: float | None = None

    @property
    def is_stored(self) -> bool:
        """Whether each message is answered."""
        return self.batch.done

    def pending(self) -> list[tuple[Send, int]]:
        """Return the messages without a receipt that may get one, each with its ``seq``."""
        return [
            (message, answer.seq)
            for message in self._messages
            if isinstance(answer := self.batch.answers.get(message.id), Sent)
            and message.id not in self.seen
            and message.id not in self.unknown
        ]

    def give_up(self, reason: str) -> None:
        """Record the reason why no more receipts can be received."""
        self.unknown.update((message.id, reason) for message, _ in self.pending())

    def run(self, connection: Connection) -> None:
        """Send the messages without an answer, then wait until all were seen, or the time is over."""
        if self.until is None:
            self.batch.run(connection, leave=False)
            self.until = time.monotonic() + self._timeout
            self._on_stored()
        connection.deadline = self.until
        try:
            if self.pending():
                _Subscription(self, connection).run()
        except TimeoutError:
            if time.monotonic() < self.until:
                raise


class _Subscription:
    """A subscription to the receipts of messages, on one connection."""

    def __init__(self, waiter: ReceiptWaiter, connection: Connection) -> None:
        self._waiter = waiter
        self._connection = connection
        self._messages = dict(enumerate(waiter.pending(), 1))  # with their seqs, by number of the request
        self._recipients: dict[int, str] = {}  # by number of the request, spelled by the server
        self._early: list[Receipt] = []  # came before an answer, and may be newer than that

    def run(self) -> None:
        """Subscribe, and return once no receipt is missing."""
        self._connection.send(*(Receipts(to.to, watch=True, n=n) for n, (to, _) in self._messages.items()))
        while self._waiter.pending():
            frame = self._connection.receive_answer(*_OF_RECEIPTS)
            if isinstance(frame, Error):
                self._receive_refusal(frame)
            elif isinstance(frame, ReceiptList):
                self._receive_list(frame)
            else:
                if len(self._recipients) < len(self._messages):
                    self._early.append(frame)
                for n in self._recipients:
                    self._apply(n, frame)

    def _receive_refusal(self, frame: Error) -> None:
        n = frame.n or 0
        if n not in self._messages:
            raise as_exception(frame)
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
        """Record that a message was seen, if the receipt is one of it.

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
        if is_here and is_somebody and receipt.since < seq <= receipt.seq:
            self._waiter.seen.add(message.id)
