"""The recent messages: enough of them to quote, to reply to, and to say who else has seen them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from chatcli.client.chat.events import Shown
from chatcli.errors import InputError
from chatcli.protocol.frames import Message
from chatcli.protocol.values.mentions import has_word, mentions
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line

_REMEMBERED: Final = 2000  # messages
_SHOWN: Final = 10_000  # messages that are recognized if they come again
_ANSWERED: Final = 500  # messages of others that can be replied to
_QUOTED: Final = 40  # characters


class Snippet(Struct, frozen=True, kw_only=True):
    """The beginning of a message, and where it is in the log."""

    seq: int
    of: str  # the conversation, folded
    sender: str
    at: int
    start: str
    can_be_unread: bool  # not a question or an answer: the server does not count these once they are settled


class Received(NamedTuple):
    """A message of someone else's that can be replied to."""

    seq: int
    of: str  # the conversation
    sender: str


class RecentMessages:
    """The messages that came, were sent or were looked up most recently.

    Args:
        alerts: words that notify the user as their name does.

    Attributes:
        received: those of others, the newest first, without those that were looked up.
    """

    def __init__(self, alerts: Iterable[str] = ()) -> None:
        self._alerts = tuple(alerts)
        self.received: deque[Received] = deque(maxlen=_ANSWERED)
        self._snippets: dict[int, Snippet] = {}  # by seq, the first ones first
        self._shown: dict[str, int] = {}  # the places of messages when they were shown, by id, the oldest first

    def add(self, message: Message, of: str) -> None:
        """Record a message of a conversation."""
        self._snippets.pop(message.seq, None)
        self._snippets[message.seq] = _snippet(message, of)
        if len(self._snippets) > _REMEMBERED:
            del self._snippets[next(iter(self._snippets))]

    def mark_shown(self, identity: str, seq: int) -> int | None:
        """Record that a message has come; return its place when it came before, None if it did not."""
        before = self._shown.get(identity)
        self._shown[identity] = seq
        if len(self._shown) > _SHOWN:
            del self._shown[next(iter(self._shown))]
        return before

    def drop_after(self, seq: int) -> list[Snippet]:
        """Forget the messages after a place, whose numbers others have now; return them."""
        dropped = [snippet for snippet in self._snippets.values() if snippet.seq > seq]
        for snippet in dropped:
            del self._snippets[snippet.seq]
        kept = [one for one in self.received if one.seq <= seq]
        self.received.clear()
        self.received.extend(kept)
        return dropped

    def add_received(self, message: Message, of: str) -> None:
        """Record a message of someone else's, which can be replied to."""
        self.received.appendleft(Received(message.seq, of, message.sender))

    def add_again(self, message: Message, of: str, user: str) -> None:
        """Record that a message has come again, maybe under another number: it can be replied to if it is not ours."""
        received = Received(message.seq, of, message.sender)
        if message.sender != user and received not in self.received:
            self.received.appendleft(received)

    def as_event(
        self, message: Message, user: str, *, past: bool = False, notable: bool = False, is_open: bool = False
    ) -> Shown:
        """Return a message as the user sees it, with the beginning of the one that it answers if that is recorded."""
        answered = None if message.re is None else self._snippets.get(message.re)
        mine = message.sender == user and message.to != user
        quote = answered.start if answered else ""
        return Shown(message=message, mine=mine, quote=quote, past=past, notable=notable, open=is_open)

    def is_for(self, message: Message, user: str) -> bool:
        """Return whether someone else's message is for the user: to them alone, in reply to them, or naming them."""
        if not is_room(message.to):
            return True
        answered = None if message.re is None else self._snippets.get(message.re)
        return (answered is not None and answered.sender == user) or self._names(message.text, user)

    def _names(self, text: str, user: str) -> bool:
        return mentions(text, user) or (bool(self._alerts) and has_word(text, self._alerts))

    def sent_by(self, user: str, of: str) -> list[Snippet]:
        """Return the user's own messages in a conversation, the oldest first."""
        of = fold(of)
        own = (snippet for snippet in self._snippets.values() if (snippet.of, snippet.sender) == (of, user))
        return sorted(own, key=lambda snippet: snippet.seq)

    def replied_to(self, argument: str, received: Sequence[Received] | None = None) -> tuple[Received, str]:
        """Return the message that is replied to, and the reply.

        Args:
            argument: the text; a number may stand before it, 1 for the newest message, or the name of a sender.
            received: the messages that can be replied to, the newest first; by default those that can be now.

        Raises:
            InputError: there is no such message.
        """
        received = self.received if received is None else received
        if not received:
            raise InputError("There is no message to reply to yet.")
        first, text = (*argument.split(maxsplit=1), "")[:2]
        if not text:
            return received[0], argument
        if first.isdecimal() and first.isascii():
            number = int(first[:9])
            if not 0 < number <= len(received):
                count = "1 message" if len(received) == 1 else f"{len(received)} messages"
                raise InputError(
                    f"{count} can be answered, 1 is the newest; to reply with a text that begins with a number, "
                    f'write "/reply 1 {printable_line(first)} …".'
                )
            return received[number - 1], text
        theirs = next((one for one in received if fold(one.sender) == fold(first)), None)
        return (received[0], argument) if theirs is None else (theirs, text)

    def numbered(self, number: int) -> Snippet:
        """Return the message of someone else's with this number, 1 for the newest, if it can be unread.

        Raises:
            InputError: there is no such message.
        """
        if 0 < number <= len(self.received):
            snippet = self._snippets.get(self.received[number - 1].seq)
            if snippet is not None:
                if not snippet.can_be_unread:
                    raise InputError(f'"{snippet.start}" is a question or an answer: name an earlier message.')
                return snippet
        count = len(self.received)
        known = "No message has" if count == 0 else "1 message has" if count == 1 else f"{count} messages have"
        raise InputError(f"{known} come here; 1 is the newest.")

    def newest_in(self, of: str, user: str) -> Snippet:
        """Return the newest message in a conversation that can be unread: not the user's own to others.

        Raises:
            InputError: none is known here.
        """
        of = fold(of)
        in_it = (one for one in self._snippets.values() if one.of == of and one.can_be_unread)
        known = [one for one in in_it if one.sender != user or fold(user) == of]
        if not known:
            name = printable_line(of)
            raise InputError(
                f'No message of {name} that can be unread has been shown here: "/history {name}" shows the last ones.'
            )
        return max(known, key=lambda one: one.seq)


def _snippet(message: Message, of: str) -> Snippet:
    return Snippet(
        seq=message.seq,
        of=fold(of),
        sender=message.sender,
        at=message.at,
        start=_start(message),
        can_be_unread=message.answer is None and not message.choices,
    )


def conversation(message: Message, user: str) -> str:
    """Return the conversation of the user's that a message belongs to: a person or a room."""
    return message.to if is_room(message.to) or message.sender == user else message.sender


def _start(message: Message) -> str:
    # Cut before it is made printable: a long text is read no further than it is shown.
    start = printable_line(message.text[: _QUOTED + 1].strip())
    return f"{start[:_QUOTED].rstrip()}…" if len(message.text) > _QUOTED else start
