"""Messages on their way to the server: said in one breath, answered in any order, and again with the same ids."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.errors import ChatError, HeldBack
from chatcli.protocol.frames import Bye, Check, Done, Error, Send, Sent

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Exchange

#: Seconds for the next answer, from a server that has taken messages: to give up means not to know what became of them.
PATIENCE: Final = 30.0
#: Messages, and bytes of them, that may be on their way at once: so much memory, and so much that is said again.
MOST: Final = 200
MOST_BYTES: Final = 256 * 1024


def check(exchange: Exchange, recipients: Iterable[str]) -> dict[str, ChatError]:
    """Return why the user may not write to some of these, by name; nothing is sent.

    Raises:
        OSError: the connection broke, or it took too long.
        ChatError: the server said no to all of it.
    """
    asked = dict(enumerate(recipients, 1))
    refused: dict[str, ChatError] = {}
    exchange.say(*(Check(to, n) for n, to in asked.items()))
    while asked:
        answer = exchange.hear_each(Done)
        to = asked.pop(answer.n or 0, None)
        if to is not None and isinstance(answer, Error):
            refused[to] = as_exception(answer)
    return refused


class Mailing:
    """Messages, and what the server has said of each.

    Args:
        messages: what is sent.
        patience: seconds for the next answer, beside what the exchange has for all of it.
        together: ids of those that are sent all, or none of them if the user may not write to one of the recipients.

    Attributes:
        answers: by id, in the order in which they came: that a message is on disk, or why it is not.
        told: something was said, so that the server may have what is not answered.
    """

    def __init__(
        self, messages: Iterable[Send], patience: float | None = None, *, together: Iterable[Collection[str]] = ()
    ) -> None:
        self.answers: dict[str, Sent | ChatError] = {}
        self.told = False
        self._patience = patience
        self._together = [group for group in together if len(group) > 1]
        self._open = {message.id: message for message in messages}

    @property
    def done(self) -> bool:
        """Whether everything is answered."""
        return not self._open

    def unanswered(self) -> list[Send]:
        """Return what is not answered, in order."""
        return list(self._open.values())

    def talk(self, exchange: Exchange, *, leave: bool = True) -> None:
        """Say what is not answered yet, and hear the answers; to be called again on another connection if one breaks.

        Args:
            exchange: what to say it on.
            leave: say goodbye behind the last message.

        Raises:
            OSError: the connection broke, or nothing was answered for too long.
            ChatError: the server said no to all of it.
        """
        if self._together and not self.told:
            self._check(exchange)
        rest = self._batches()
        patience = PATIENCE if self._patience is None else self._patience
        said = answered = 0
        while self._open:
            # A batch more as soon as half of what was said is answered: so the server never has to wait for us.
            while said - answered <= MOST // 2 and (batch := next(rest, None)) is not None:
                said += len(batch)
                self.told = True
                exchange.say(*batch, *([Bye()] if leave and said == len(self._open) + answered else []))
                exchange.deadline = max(exchange.deadline, time.monotonic() + patience)
            if self._take(exchange.hear_each(Sent)):
                answered += 1
                exchange.deadline = max(exchange.deadline, time.monotonic() + patience)

    def _check(self, exchange: Exchange) -> None:
        """Answer what is held back with the reason, and what holds it back."""
        groups = [[self._open[identity] for identity in group if identity in self._open] for group in self._together]
        refused = check(exchange, {message.to: None for group in groups for message in group})
        for group in groups:
            cause = next((refused[message.to] for message in group if message.to in refused), None)
            for message in group if cause is not None else ():
                held = HeldBack(f"Not sent, as another recipient cannot get it: {cause}", cause or ChatError())
                self.answers[message.id] = refused.get(message.to, held)
                del self._open[message.id]

    def _batches(self) -> Iterator[list[Send]]:
        """Yield what is not answered in pieces of which two may be on their way."""
        batch: list[Send] = []
        size = 0
        for message in self.unanswered():
            length = len(message.text.encode())
            if len(batch) == MOST // 2 or (batch and size + length > MOST_BYTES // 2):
                yield batch
                batch, size = [], 0
            batch.append(message)
            size += length
        if batch:
            yield batch

    def _take(self, frame: Sent | Error) -> bool:
        """Note an answer; return whether it was one to a message of ours that was open."""
        if self._open.pop(frame.id or "", None) is None:
            return False
        self.answers[frame.id or ""] = frame if isinstance(frame, Sent) else as_exception(frame)
        return True
