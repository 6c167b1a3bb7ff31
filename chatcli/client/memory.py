"""What the user has seen of late: enough to quote it, to reply to it, and to say who else has seen it."""

from __future__ import annotations

from typing import Final, NamedTuple

from chatcli.client.commands import Place
from chatcli.client.events import Said
from chatcli.protocol.frames import Message
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable_line

_REMEMBERED: Final = 2000  # messages
_QUOTED: Final = 40  # characters


class Glimpse(NamedTuple):
    """A message as it is remembered."""

    seq: int
    of: str  # the conversation, folded
    sender: str
    at: int
    start: str


class Memory:
    """The newest messages, and which conversation the user is in.

    Attributes:
        place: what the user means who names no conversation.
        newest: the newest message that came from someone else, if there is one; what was looked back at does not count.
    """

    def __init__(self) -> None:
        self.place = Place()
        self.newest: Message | None = None
        self._glimpses: dict[int, Glimpse] = {}  # by seq, those that came first at the beginning

    def note(self, message: Message, of: str) -> None:
        """Remember a message of a conversation."""
        self._glimpses.pop(message.seq, None)
        self._glimpses[message.seq] = Glimpse(message.seq, of.casefold(), message.sender, message.at, _start(message))
        if len(self._glimpses) > _REMEMBERED:
            del self._glimpses[next(iter(self._glimpses))]

    def turn_to(self, of: str) -> None:
        """From now on the user is in this conversation."""
        self.place = Place(of, of if is_room(of) else self.place.room)

    def turn_from(self, of: str) -> None:
        """The user is not in this conversation: they have left the room, or there is no such one."""
        self.place = Place(*("" if name.casefold() == of.casefold() else name for name in self.place))

    def said(self, message: Message, user: str, *, past: bool = False) -> Said:
        """Return a message as the user is to see it, with what it answers as far as that is remembered."""
        answered = None if message.re is None else self._glimpses.get(message.re)
        mine = message.sender == user and message.to != user
        return Said(message, mine, answered.start if answered else "", past)

    def said_by(self, user: str, of: str) -> list[Glimpse]:
        """Return what the user has said in a conversation, as far as it is remembered, the oldest first."""
        of = of.casefold()
        return sorted(glimpse for glimpse in self._glimpses.values() if (glimpse.of, glimpse.sender) == (of, user))


def conversation(message: Message, user: str) -> str:
    """Return the person or the room that the user speaks with in this message."""
    return message.to if is_room(message.to) or message.sender == user else message.sender


def _start(message: Message) -> str:
    # Cut before it is made harmless: long texts are looked at no further than they are shown.
    start = printable_line(message.text[: _QUOTED + 1].strip())
    return f"{start[:_QUOTED].rstrip()}…" if len(message.text) > _QUOTED else start
