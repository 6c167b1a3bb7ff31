"""The lines of an input as messages: waiting, in flight, or answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.client.errors import as_exception
from chatcli.client.identity.environment import new_id
from chatcli.client.oneshot.splitter import LONGEST, Line
from chatcli.errors import ChatError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.frames import Error, Send, Sent, ServerFrame
from chatcli.protocol.in_flight import MAX_MESSAGES, InFlight

if TYPE_CHECKING:
    from chatcli.client.oneshot.line_source import LineSource

#: Refusals of what a message says: the recipient may accept the next one.
_FAULTS: Final = frozenset({codes.TEXT_TOO_LONG, codes.EMPTY_TEXT, codes.BAD_ID, codes.ID_TAKEN, codes.INVALID})
#: Refusals that pass: the same message is sent again later.
_PASSING: Final = frozenset({codes.STORAGE, codes.TOO_MANY})


class Callbacks(NamedTuple):
    """Functions to call with the outcome of each message. Build it with keywords.

    Attributes:
        answered: with a message and the server's answer; None if it was stored in the outbox.
        refused: with the messages of a line that cannot be sent, and the reason.
        lost: with a message that is given up, the reason, and whether the server may have it.
        notice: with a sentence for each loss of the server, and each return.
    """

    answered: Callable[[Send, Sent | ChatError | None], None]
    refused: Callable[[list[Send], Refused], None]
    lost: Callable[[Send, ChatError, bool], None]
    notice: Callable[[str], None]


class LineQueue:
    """Messages made of lines, one for each recipient, until they are answered.

    Args:
        source: the lines.
        recipients: the first recipients; one who refuses gets no more.
        callbacks: are called with the outcomes.

    Attributes:
        recipients: those who get the next line.
    """

    def __init__(self, source: LineSource, recipients: Sequence[str], callbacks: Callbacks) -> None:
        self.recipients = list(recipients)
        self._source = source
        self._callbacks = callbacks
        self._in_flight = InFlight()
        self._numbers: dict[str, int] = {}  # the line of each message without an answer
        self._most = MAX_MESSAGES  # in flight; one at a time once the server could not store something
        self._has_warned = False  # of bytes that were replaced
        self.set_limits(LONGEST, 2 * LONGEST)

    def __len__(self) -> int:
        """Return the number of messages without an answer."""
        return len(self._in_flight)

    @property
    def has_room(self) -> bool:
        """Whether another message may be in flight."""
        return self._in_flight.has_room

    def set_limits(self, text: int, frame: int) -> None:
        """Set the largest text and the largest frame that the server accepts, in bytes."""
        self._limits = text, frame
        self._source.set_limits(text, frame)

    def is_finished(self) -> bool:
        """Return whether the input has ended and all of it is answered, or every recipient has refused."""
        if not self.recipients:
            return True
        if self._source.ended:
            self._fill()
        return self._source.ended and not self._in_flight

    def disconnected(self) -> None:
        """Have all messages without an answer sent again."""
        self._in_flight.disconnected()

    def next_batch(self) -> list[Send]:
        """Return the messages to send now."""
        self._fill()
        return self._in_flight.next_batch(self._most)

    def receive(self, frame: ServerFrame) -> bool:
        """Process a frame; return whether it answered a message.

        Raises:
            ServerUnavailable: the server cannot store the message now.
        """
        if not isinstance(frame, (Sent, Error)) or frame.id is None or frame.id not in self._in_flight:
            return False
        if isinstance(frame, Error) and frame.code in _PASSING:
            self._in_flight.postpone(frame.id)
            self._most = 1
            raise ServerUnavailable(frame.text, frame.code)
        self._most = MAX_MESSAGES
        message = self._in_flight.resolve(frame.id)
        assert message is not None  # noqa: S101 (it was in flight)
        del self._numbers[message.id]
        if isinstance(frame, Error) and frame.code not in _FAULTS:
            if message.to not in self.recipients:
                return True  # the first refusal was reported
            self.recipients.remove(message.to)
        self._callbacks.answered(message, frame if isinstance(frame, Sent) else as_exception(frame))
        return True

    def read_all(self) -> list[Send]:
        """Return the messages without an answer, those of all lines included that were read."""
        while (line := self._source.next_line()) is not None:
            self._add(line)
        return self._in_flight.unanswered()

    def by_line(self) -> list[list[str]]:
        """Return the ids of the messages without an answer, those of each line together."""
        lines: dict[int, list[str]] = {}
        for identity, number in self._numbers.items():
            lines.setdefault(number, []).append(identity)
        return list(lines.values())

    def stored(self) -> None:
        """Remove all messages, and report them as stored in the outbox."""
        messages = self._in_flight.unanswered()
        self._in_flight = InFlight()
        self._numbers.clear()
        for message in messages:
            self._callbacks.answered(message, None)

    def give_up(self, error: ChatError) -> str:
        """Report all messages without an answer as lost; return a sentence that counts their lines, or nothing."""
        more = "" if self._source.ended else ", and those after them,"
        self._source.end()
        unsent: set[int] = set()
        unknown: set[int] = set()
        for message in self.read_all():
            was_sent = self._in_flight.was_sent(message.id)
            (unknown if was_sent else unsent).add(self._numbers[message.id])
            self._callbacks.lost(message, error, was_sent)
        doubt = f" Whether {_lines(len(unknown))} arrived is not known." if unknown else ""
        rest = f"{_lines(len(unsent))}{more} {'was' if len(unsent) == 1 and not more else 'were'}"
        return f"{doubt} {rest} not sent." if unsent else doubt

    def _fill(self) -> None:
        while self._in_flight.has_room and (line := self._source.next_line()) is not None:
            self._add(line)

    def _add(self, line: Line) -> None:
        """Add the messages of a line; report one that is too long."""
        if self._source.has_replaced and not self._has_warned:
            self._has_warned = True
            self._callbacks.notice("There are bytes in the input that are not UTF-8: they are replaced.")
        messages = [Send(new_id(), to, line.text or "") for to in self.recipients]
        if line.text is None:
            self._callbacks.refused(messages, Refused(codes.TEXT_TOO_LONG, self._too_long(line)))
            return
        for message in messages:
            self._in_flight.add(message)
            self._numbers[message.id] = line.number

    def _too_long(self, line: Line) -> str:
        text, frame = self._limits
        if line.size > text:
            return f"Line {line.number} was not sent: it has {line.size} bytes, and a message may have {text}."
        return f"Line {line.number} was not sent: with its control characters escaped it is longer than {frame} bytes."


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"
