"""Waits until those to whom something was said have been shown it, over as many connections as that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.client.outbox.batch import SendBatch
from chatcli.client.transport.blocking import TIMEOUT
from chatcli.protocol.frames import Error, Receipt, ReceiptList, Receipts, Send, Sent
from chatcli.protocol.names import is_room

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection

_OF_RECEIPTS: Final[tuple[type[ReceiptList | Receipt], ...]] = (ReceiptList, Receipt)


class Confirming:
    """Messages on their way, and the wait for their receipts.

    Args:
        messages: what is sent, to somebody else each.
        timeout: how long to wait after they are on disk, in seconds.
        stored: called once each of them is answered.

    Attributes:
        batch: what the server has said of each.
        seen: ids of those that somebody has confirmed.
        unknown: why that cannot be learnt of others, by id.
    """

    def __init__(self, messages: Iterable[Send], timeout: float, stored: Callable[[], None] = lambda: None) -> None:
        self._messages = list(messages)
        self.batch = SendBatch(self._messages, together=[[message.id for message in self._messages]])
        self.seen: set[str] = set()
        self.unknown: dict[str, str] = {}
        self._timeout = timeout
        self._stored = stored
        self._until = 0.0

    @property
    def begun(self) -> bool:
        """Whether each message is answered."""
        return self.batch.done

    def left(self) -> float:
        """Return how many seconds are left."""
        return self._until - time.monotonic()

    def patience(self) -> float:
        """Return for how long to try, in seconds."""
        return max(0.1, min(TIMEOUT, self.left())) if self.batch.done else TIMEOUT

    def waits(self) -> list[tuple[Send, int]]:
        """Return what is not confirmed and may be, and where it stands in the log."""
        return [
            (message, answer.seq)
            for message in self._messages
            if isinstance(answer := self.batch.answers.get(message.id), Sent)
            and message.id not in self.seen
            and message.id not in self.unknown
        ]

    def give_up(self, why: str) -> None:
        """Note why no receipt will be heard of any more."""
        self.unknown.update((message.id, why) for message, _ in self.waits())

    def talk(self, connection: Connection) -> None:
        """Say what is not answered, then wait until all of it was seen, or the time is over."""
        if not self.batch.done:
            self.batch.run(connection, leave=False)
            self._until = time.monotonic() + self._timeout
            self._stored()
        connection.deadline = self._until
        try:
            if self.waits():
                _Watch(self, connection).run()
        except TimeoutError:
            if self.left() > 0:
                raise


class _Watch:
    """What one connection tells of who has read how far."""

    def __init__(self, confirming: Confirming, connection: Connection) -> None:
        self._confirming = confirming
        self._connection = connection
        self._asked = dict(enumerate(confirming.waits(), 1))
        self._named: dict[int, str] = {}  # to whom a message went, as they are called
        self._early: list[Receipt] = []  # what came before an answer, and may be newer than what that says

    def run(self) -> None:
        """Return once nothing is waited for any more."""
        self._connection.send(*(Receipts(message.to, watch=True, n=n) for n, (message, _) in self._asked.items()))
        while self._confirming.waits():
            frame = self._connection.receive_answer(*_OF_RECEIPTS)
            if isinstance(frame, Error):
                self._refused(frame)
            elif isinstance(frame, ReceiptList):
                self._answered(frame)
            else:
                if len(self._named) < len(self._asked):
                    self._early.append(frame)
                for n in self._named:
                    self._consider(n, frame)

    def _refused(self, frame: Error) -> None:
        n = frame.n or 0
        if n not in self._asked:
            raise as_exception(frame)
        self._named[n] = ""
        self._confirming.unknown[self._asked[n][0].id] = str(as_exception(frame))

    def _answered(self, known: ReceiptList) -> None:
        if known.n not in self._asked:
            return
        self._named[known.n] = known.to
        for receipt in known.people:
            self._consider(known.n, receipt, anywhere=True)
        for receipt in self._early:
            self._consider(known.n, receipt)

    def _consider(self, n: int, receipt: Receipt, *, anywhere: bool = False) -> None:
        """Note that a message was seen, if that is what the receipt says."""
        to, (message, seq) = self._named[n], self._asked[n]
        room = is_room(to)
        own = self._connection.welcome.user if self._connection.welcome else ""
        somebody = receipt.user != own if room else receipt.user == to
        here = anywhere or receipt.to == (to if room else "")
        if here and somebody and receipt.since < seq <= receipt.seq:
            self._confirming.seen.add(message.id)
