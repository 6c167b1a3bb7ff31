"""What programs are given: messages, people and rooms, as records that nothing changes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from chatcli.protocol import frames
from chatcli.protocol.mentions import mentions
from chatcli.protocol.names import is_room


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said to the user, or in a room of theirs.

    Attributes:
        seq: its place in the log.
        id: the UUID that its sender gave it.
        sender: who said it.
        to: to whom: the user, or a room, which begins with ``#``.
        text: what.
        at: when the server took it.
        re: the ``seq`` of the message that it answers, if it answers one.
        choices: of a question, what can be answered; otherwise empty.
        until: of a question, when it closes; None if it does not close by itself.
        answer: of an answer to a question, the number of the choice, from 0, or -1 if it was declined or withdrawn;
            otherwise None.
        replayed: whether it may have been handed out before: it was not handled, or the program ended meanwhile.
        user: whose message it is: the name that is listening.
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

    @property
    def room(self) -> str | None:
        """The room in which it was said; None if it was said to the user alone."""
        return self.to if is_room(self.to) else None

    @property
    def mentions_me(self) -> bool:
        """Whether it was said to the user alone, or has their name in it."""
        return self.room is None or mentions(self.text, self.user)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is on the server's disk.

    Attributes:
        seq: its place in the log.
        id: the UUID that it was given here.
        at: when the server took it.
        delivered: whether the person, or somebody else in the room, is in the chat; otherwise they get it when they are
            back.
    """

    seq: int
    id: str
    at: datetime.datetime
    delivered: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What counts as the answer to a question.

    Attributes:
        sender: who answered.
        number: which of the choices, from 0; None if the question was declined.
        choice: its words; None if the question was declined.
        at: when the server took it.
    """

    sender: str
    number: int | None
    choice: str | None
    at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who is in the chat, or belongs to a room.

    Attributes:
        user: the name.
        state: in the chat, there but away from the keyboard, or not.
        since: since when; None if that is not known.
        text: what they said of being away.
    """

    user: str
    state: Literal["here", "away", "gone"]
    since: datetime.datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Room:
    """A room that the user may see.

    Attributes:
        name: with the ``#``.
        kind: who may enter and write.
        members: how many belong to it.
        topic: what it is about.
        joined: whether the user belongs to it.
    """

    name: str
    kind: Literal["open", "private", "announcement"]
    members: int
    topic: str
    joined: bool


def of_message(frame: frames.Message, user: str, *, replayed: bool) -> Message:
    """Return a message as programs see it."""
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
    )


def of_sent(sent: frames.Sent) -> Sent:
    """Return what became of a message."""
    return Sent(sent.seq, sent.id, _time(sent.at), sent.outcome == "delivered")


def of_answer(message: frames.Message) -> Answer:
    """Return what counts as an answer."""
    chosen = message.answer is not None and message.answer != frames.DECLINED
    choice = message.text if chosen else None
    return Answer(message.sender, message.answer if chosen else None, choice, _time(message.at))


def of_person(person: frames.Person) -> Person:
    """Return someone as programs see them."""
    return Person(person.user, person.state, _time(person.since) if person.since else None, person.text)


def of_room(room: frames.RoomInfo) -> Room:
    """Return a room as programs see it."""
    return Room(room.name, room.kind, room.members, room.topic, room.joined)


def _time(at: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(milliseconds=at)
