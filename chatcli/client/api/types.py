"""The records of the library: messages, receipts, answers, people and rooms, all immutable."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Literal

from chatcli.protocol import frames
from chatcli.protocol.values.mentions import mentions
from chatcli.protocol.values.names import is_room


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the user, or in a room of theirs.

    Attributes:
        seq: its place in the log.
        id: its UUID, from the sender.
        sender: the name of the sender.
        to: the recipient: the user, or a room, which begins with ``#``.
        text: the text.
        at: the time when the server accepted it.
        re: the ``seq`` of the message that it answers; None if it answers none.
        choices: the possible answers to a question; empty if it is not a question.
        until: the time when a question closes; None if it does not close by itself.
        answer: the number of the choice, from 0, in an answer to a question; -1 if the question was declined or
            withdrawn; None if it is not such an answer.
        replayed: whether it may have been received before: it was not handled, or the program crashed meanwhile.
        user: the name of the user who receives it.
    """

    seq: int
    id: str
    sender: str
    to: str
    text: str
    at: datetime.datetime
    re: int | None
    choices: tuple[str, ...]
    until: datetime.datetime | None
    answer: int | None
    replayed: bool
    user: str
    _epoch: str = field(default="", repr=False, compare=False)  # of the log which seq and re belong to

    @property
    def room(self) -> str | None:
        """The room of the message; None if it is to the user alone."""
        return self.to if is_room(self.to) else None

    @property
    def mentions_me(self) -> bool:
        """Whether it is to the user alone, or has their name in it."""
        return self.room is None or mentions(self.text, self.user)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is on the server's disk.

    Attributes:
        seq: its place in the log.
        id: its UUID, made here.
        at: the time when the server accepted it.
        delivered: whether a client of the person, or of somebody else in the room, got it at once; if not, they get it
            when they are back.
    """

    seq: int
    id: str
    at: datetime.datetime
    delivered: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that counts to a question.

    Attributes:
        sender: the name of the person who answered.
        number: the number of the choice, from 0; None if the question was declined.
        choice: the words of the choice; None if the question was declined.
        at: the time when the server accepted it.
    """

    sender: str
    number: int | None
    choice: str | None
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A person, and where they are.

    Attributes:
        user: the name.
        state: in the chat, in it but away from the keyboard, or not in it.
        since: the time since which the state holds; None if that is not known.
        text: the reason for being away, in their words.
        idle: the time since when nobody has touched any of their clients; None if somebody has.
    """

    user: str
    state: Literal["here", "away", "gone"]
    since: datetime.datetime | None
    text: str
    idle: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class Room:
    """A room that is visible to the user.

    Attributes:
        name: with the ``#``.
        kind: the kind, which decides who may enter and write.
        members: the number of members.
        topic: the topic.
        joined: whether the user belongs to it.
    """

    name: str
    kind: Literal["open", "private", "announcement"]
    members: int
    topic: str
    joined: bool


@dataclass(frozen=True, slots=True)
class NameChange:
    """A name that the user talks with has another key or another owner.

    Attributes:
        seq: the change's place in the log.
        name: the name.
        what: ``key``: its owner has added a key; ``recovered``: an operator has let its owner in with a new key;
            ``released``: an operator has freed the name; ``taken``: somebody else has taken it.
        by: the operator, or ``operator``; None if it was none.
        at: the time of the change.
    """

    seq: int
    name: str
    what: Literal["key", "recovered", "released", "taken"]
    by: str | None
    at: datetime.datetime


def of_change(frame: frames.NameChange) -> NameChange:
    """Return the record of a change of a name."""
    return NameChange(frame.seq, frame.user, frame.what, frame.by or None, _time(frame.at))


def of_message(frame: frames.Message, user: str, *, replayed: bool, epoch: str) -> Message:
    """Return the record of a message."""
    return Message(
        seq=frame.seq,
        id=frame.id,
        sender=frame.sender,
        to=frame.to,
        text=frame.text,
        at=_time(frame.at),
        re=frame.re,
        choices=tuple(frame.choices),
        until=None if frame.until is None else _time(frame.until),
        answer=frame.answer,
        replayed=replayed,
        user=user,
        _epoch=epoch,
    )


def of_sent(sent: frames.Sent) -> Sent:
    """Return the record of a message that was sent."""
    return Sent(sent.seq, sent.id, _time(sent.at), sent.outcome == "delivered")


def of_answer(message: frames.Message) -> Answer:
    """Return the record of an answer."""
    chosen = message.answer is not None and message.answer != frames.DECLINED
    choice = message.text if chosen else None
    return Answer(message.sender, message.answer if chosen else None, choice, _time(message.at))


def of_person(person: frames.Person) -> Person:
    """Return the record of a person."""
    since, idle = (_time(time) if time else None for time in (person.since, person.idle))
    return Person(person.user, person.state, since, person.text, idle)


def of_room(room: frames.RoomInfo) -> Room:
    """Return the record of a room."""
    return Room(name=room.name, kind=room.kind, members=room.members, topic=room.topic, joined=room.joined)


def _time(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=at)
