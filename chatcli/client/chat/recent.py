"""What the user has seen of late: enough to quote it, to reply to it, and to say who else has seen it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from chatcli.client.chat.events import Said
from chatcli.errors import InputError
from chatcli.protocol.frames import Message
from chatcli.protocol.mentions import has_word, mentions
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line

_REMEMBERED: Final = 2000  # messages
_ANSWERED: Final = 500  # messages of others that can be replied to
_QUOTED: Final = 40  # characters


class Glimpse(NamedTuple):
    """A message as it is remembered."""

    seq: int
    of: str  # the conversation, folded
    sender: str
    at: int
    start: str


class Received(NamedTuple):
    """A message of someone else's, as far as it takes to answer it."""

    seq: int
    of: str  # the conversation
    sender: str


class Memory:
    """The newest messages.

    Args:
        alerts: words of which the user is told as of their name.

    Attributes:
        received: those that came from others, the newest first; what was looked back at does not count.
    """

    def __init__(self, alerts: Iterable[str] = ()) -> None:
        self._alerts = tuple(alerts)
        self.received: deque[Received] = deque(maxlen=_ANSWERED)
        self._glimpses: dict[int, Glimpse] = {}  # by seq, those that came first at the beginning

    def note(self, message: Message, of: str) -> None:
        """Remember a message of a conversation."""
        self._glimpses.pop(message.seq, None)
        self._glimpses[message.seq] = _glimpse(message, of)
        if len(self._glimpses) > _REMEMBERED:
            del self._glimpses[next(iter(self._glimpses))]

    def knows(self, message: Message, of: str) -> bool:
        """Return whether this very message of a conversation is remembered."""
        return self._glimpses.get(message.seq) == _glimpse(message, of)

    def receive(self, message: Message, of: str) -> None:
        """Remember that someone else said this, so that it can be replied to."""
        self.received.appendleft(Received(message.seq, of, message.sender))

    def said(
        self, message: Message, user: str, *, past: bool = False, notable: bool = False, is_open: bool = False
    ) -> Said:
        """Return a message as the user is to see it, with what it answers as far as that is remembered."""
        answered = None if message.re is None else self._glimpses.get(message.re)
        mine = message.sender == user and message.to != user
        return Said(message, mine, answered.start if answered else "", past, notable, is_open)

    def is_for(self, message: Message, user: str) -> bool:
        """Return whether a message of someone else's is for the user: to them, an answer to them, or naming them."""
        if not is_room(message.to):
            return True
        answered = None if message.re is None else self._glimpses.get(message.re)
        return (answered is not None and answered.sender == user) or self._names(message.text, user)

    def _names(self, text: str, user: str) -> bool:
        return mentions(text, user) or (bool(self._alerts) and has_word(text, self._alerts))

    def said_by(self, user: str, of: str) -> list[Glimpse]:
        """Return what the user has said in a conversation, as far as it is remembered, the oldest first."""
        of = fold(of)
        return sorted(glimpse for glimpse in self._glimpses.values() if (glimpse.of, glimpse.sender) == (of, user))

    def replied_to(self, argument: str) -> tuple[Received, str]:
        """Return the message that is replied to, and the reply.

        Args:
            argument: the text; a number may stand before it, 1 for the newest message, or the name of a sender.

        Raises:
            InputError: there is no such message.
        """
        if not self.received:
            raise InputError("Nothing was said to you yet.")
        first, text = (*argument.split(maxsplit=1), "")[:2]
        if not text:
            return self.received[0], argument
        if first.isdecimal() and first.isascii():
            number = int(first[:9])
            if not 0 < number <= len(self.received):
                count = "1 message" if len(self.received) == 1 else f"{len(self.received)} messages"
                raise InputError(
                    f"{count} can be answered, 1 is the newest; to reply with a text that begins with a number, "
                    f'write "/reply 1 {printable_line(first)} …".'
                )
            return self.received[number - 1], text
        theirs = next((one for one in self.received if fold(one.sender) == fold(first)), None)
        return (self.received[0], argument) if theirs is None else (theirs, text)


def _glimpse(message: Message, of: str) -> Glimpse:
    return Glimpse(message.seq, fold(of), message.sender, message.at, _start(message))


def conversation(message: Message, user: str) -> str:
    """Return the person or the room that the user speaks with in this message."""
    return message.to if is_room(message.to) or message.sender == user else message.sender


def _start(message: Message) -> str:
    # Cut before it is made harmless: long texts are looked at no further than they are shown.
    start = printable_line(message.text[: _QUOTED + 1].strip())
    return f"{start[:_QUOTED].rstrip()}…" if len(message.text) > _QUOTED else start
