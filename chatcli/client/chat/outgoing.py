"""The user's messages: those on their way to the server, and the delivery of those that it has stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import Event, Notice
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.epochs import KnownLogs, fitted
from chatcli.protocol.in_flight import InFlight
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line

_REMEMBERED: Final = 10_000  # messages of the user's, to recognise them when the log repeats them


class Outgoing:
    """Messages that the server has not stored yet, in order, and the ids of those that the user has typed.

    Attributes:
        unstored: whether the server could not store the last message that it answered.
        is_behind: whether messages to people wait until it is known whether they are still the same people.
    """

    def __init__(self) -> None:
        self.unstored = False
        self.is_behind = False
        self._in_flight = InFlight()
        self._limits = f.Limits(f.MAX_TEXT, f.MAX_FRAME, 0)  # until the server sends its own
        self._epochs: dict[str, str] = {}  # the log of the number in a message that has one, by id
        self._typed: dict[str, None] = {}  # ids, the oldest first
        self._shown: dict[str, None] = {}

    def __len__(self) -> int:
        """Return the number of messages that the server has not stored."""
        return len(self._in_flight)

    def __contains__(self, identity: object) -> bool:
        """Return whether the server has not stored a message."""
        return identity in self._in_flight

    def unanswered(self) -> list[f.Send]:
        """Return the messages that the server has not stored, in order."""
        return self._in_flight.unanswered()

    @property
    def epochs(self) -> Mapping[str, str]:
        """The epoch of the number in each message that has one, by id, as far as it is known."""
        return self._epochs

    def restore(self, messages: Iterable[f.Send], epochs: Mapping[str, str] = MappingProxyType({})) -> None:
        """Add the messages that an earlier run of the client has not sent; to be called before the first line.

        Args:
            messages: the messages, in order.
            epochs: the epochs of the logs which their numbers belong to, by id.
        """
        for message in messages:
            self._in_flight.add(message)
        self._epochs |= epochs

    def add(self, message: f.Send, epoch: str = "") -> None:
        """Append a message that the user has typed; its number belongs to the log of that epoch.

        Raises:
            Refused: it is too long for the server. An answer is left to the server, whose refusal opens the question
                again.
        """
        problem = "" if message.answer is not None else too_long(message, self._limits)
        if problem:
            raise Refused(codes.TEXT_TOO_LONG, problem)
        _remember(self._typed, message.id)
        if message.re is not None and epoch:
            self._epochs[message.id] = epoch
        self._in_flight.add(message)

    def connected(self, limits: f.Limits) -> None:
        """Start on a new connection: everything is to be sent again."""
        self.unstored = False
        self._limits = limits
        self._in_flight.disconnected()

    def fit(self, logs: KnownLogs) -> tuple[list[f.Send], list[f.Send]]:
        """Fit the messages without an answer to the log that is there now.

        Returns:
            The messages that are no replies any more, and the answers that are not sent: the messages that they refer
            to are gone.
        """
        replies, answers = [], []
        for message in self.unanswered():
            if (epoch := self._epochs.get(message.id, "")) == logs.epoch:
                continue
            fit = fitted(message, logs.shared(epoch))
            if fit is None:
                answers.append(message)
                self.remove(message.id)
            elif fit is not message:
                replies.append(message)
                self._in_flight.exchange(fit)
                del self._epochs[message.id]
            elif epoch:
                self._epochs[message.id] = logs.epoch
        return replies, answers

    def next_batch(self) -> list[f.Send]:
        """Return the messages to send now: none while the server cannot store them, until :meth:`retry`."""
        return [] if self.unstored else self._in_flight.next_batch(is_held=self._is_held)

    def retry(self) -> list[f.Send]:
        """Return the messages to send again: only one while the server stores nothing."""
        return self._in_flight.next_batch(1, self._is_held) if self.unstored else self.next_batch()

    def _is_held(self, message: f.Send) -> bool:
        return self.is_behind and not is_room(message.to)

    def unsent(self) -> list[f.Send]:
        """Return the messages that are yet to be sent on this connection, in order."""
        return [message for message in self.unanswered() if self._in_flight.is_unsent(message.id)]

    def stored(self, identity: str) -> f.Send | None:
        """Remove and return a message that the server has stored; None if it is not here any more."""
        message = self.remove(identity)
        if message is not None:
            self.unstored = False
        return message

    def remove(self, identity: str | None) -> f.Send | None:
        """Remove and return a message that needs no more sending; None if there is none of that id."""
        self._epochs.pop(identity or "", None)
        return self._in_flight.resolve(identity)

    def postpone(self, identity: str) -> bool:
        """Keep a message that the server cannot store now; return whether it could store the one before."""
        before, self.unstored = self.unstored, True
        self._in_flight.postpone(identity)
        return not before

    def was_typed(self, identity: str) -> bool:
        """Return whether the user has typed a message in this client."""
        return identity in self._typed

    def mark_shown(self, identity: str) -> bool:
        """Record that a message of the user's is shown; return whether it was not shown before."""
        if identity in self._shown:
            return False
        _remember(self._shown, identity)
        return True


def _remember(identities: dict[str, None], identity: str) -> None:
    identities[identity] = None
    if len(identities) > _REMEMBERED:
        del identities[next(iter(identities))]


def too_long(message: f.Send, limits: f.Limits) -> str:
    """Return a sentence if a message is too long for the server; empty if it is not."""
    size = len(message.text.encode())
    if size > limits.text:
        return f"Not sent: a message may have {limits.text} bytes, and this one has {size}. Send it in parts."
    if len(encode(message)) > limits.frame:
        return (
            "Not sent: with its quotes and control characters escaped, it is longer than "
            f"{limits.frame} bytes. Send it in parts."
        )
    return ""


class DeliveryStatus:
    """Tracks what became of the user's messages, and reports each change once.

    Args:
        contacts: the people and rooms that the user knows of.
    """

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        self._gone: set[str] = set()  # people of whom the user knows that they are not here, folded
        self._doubtful: set[str] = set()  # people whom a message has not reached, and who may be here, folded
        self._unseen: dict[str, int] = {}  # the newest message that waits for a person, by folded name
        self._newest_sent: dict[str, int] = {}  # the newest message to a person, by folded name
        self._read: dict[str, int] = {}  # up to where a person has read, by folded name
        self._outside: set[str] = set()  # rooms that the user has written to without belonging there, folded

    def sent(self, frame: f.Sent, of: str, *, located: bool) -> list[Event]:
        """Record that a message of this conversation is stored; return the events.

        Args:
            frame: the server's answer.
            of: the conversation.
            located: whether it is known where the other person is, or else :meth:`located` is to be called. A message
                does not reach at once somebody who is still getting what they missed: they are here nevertheless.
        """
        to = fold(of)
        if is_room(of):
            return self._sent_to_room(to, of)
        if to == fold(self._contacts.user):
            return []
        self._newest_sent[to] = frame.seq
        if frame.outcome == "delivered":
            self._gone.discard(to)
            self._doubtful.discard(to)
            return []
        self._unseen[to] = frame.seq
        self._doubtful.add(to)
        return self.located(of) if located else []

    def located(self, *names: str) -> list[Event]:
        """Report that people are not here whom a message has not reached, now that it is known of these."""
        events: list[Event] = []
        for name in names:
            is_gone = fold(name) in self._doubtful and self._contacts.presence.where(name) == "gone"
            self._doubtful.discard(fold(name))
            if is_gone and fold(name) not in self._gone:
                self._gone.add(fold(name))
                events.append(Notice(f"{printable_line(name)} is not here and gets it on return"))
        return events

    def _sent_to_room(self, key: str, room: str) -> list[Event]:
        """Return a notice if the user does not belong to the room."""
        if key in self._contacts.rooms or key in self._outside:
            return []
        self._outside.add(key)
        room = printable_line(room)
        return [Notice(f"You are not in {room} and do not see the answers: /join {room}")]

    def entered(self, room: str) -> None:
        """Record that the user belongs to a room now."""
        self._outside.discard(fold(room))

    def repeated(self, seq: int, of: str) -> None:
        """Record a message of this conversation that the user has sent from another client."""
        if not is_room(of):
            self._newest_sent[fold(of)] = max(seq, self._newest_sent.get(fold(of), 0))

    def drop_after(self, seq: int) -> None:
        """Forget what became of messages after a place: the log has none of them."""
        self._unseen = {name: sent for name, sent in self._unseen.items() if sent <= seq}
        self._newest_sent = {name: sent for name, sent in self._newest_sent.items() if sent <= seq}
        self._read = {name: min(read, seq) for name, read in self._read.items()}

    def has_seen(self, name: str) -> bool:
        """Return whether someone has reported to have seen every message to them since the client started."""
        key = fold(name)
        return key in self._newest_sent and self._read.get(key, 0) >= self._newest_sent[key]

    def add_here(self, names: list[str]) -> None:
        """Record that people are here."""
        self._gone.difference_update(map(fold, names))

    def seen(self, frame: f.Receipt) -> list[Event]:
        """Record that someone has seen messages up to a place in the log; return the events."""
        name = fold(frame.user)
        if not frame.to:
            self._read[name] = max(frame.seq, self._read.get(name, 0))
        if frame.to or self._unseen.get(name, frame.seq + 1) > frame.seq:
            return []
        del self._unseen[name]
        return [Notice(f"{printable_line(frame.user)} has seen what you said")]
