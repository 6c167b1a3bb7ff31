"""The archive of a log: the lines that an export writes and an import reads.

Each line is a JSON object, tagged by ``t``. People and rooms are named, and every name is explained by a line before
the one that uses it. ``docs/operation.md`` describes the lines to those who write some themselves.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from chatcli.protocol.frames import Choice

VERSION: Final = 1
MAX_LINE: Final = 16 * 1024 * 1024  # bytes
MAX_TEXT: Final = 1024 * 1024  # bytes of UTF-8, as much as any server takes
LAST_SEQ: Final = 2**53 - 1  # as frames can carry them
MAX_SEQ: Final = 2**52  # up to which an import keeps the numbers of messages, so that there is room for others
MAX_TOPIC: Final = 500  # characters, as many as a server takes

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)
_LAST: Final = 253_370_764_800_000  # milliseconds since then, as frames can carry them: up to the year 9999

Time = Annotated[datetime.datetime, msgspec.Meta(tz=True)]
_MOST: Final = 2**63 - 1  # as a log can hold
Seq = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Border = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class Line(msgspec.Struct, tag_field="t", omit_defaults=True):
    """What all lines have in common: fields that are not known are ignored."""


class Start(Line, tag="export"):
    """The first line.

    Attributes:
        version: of the format.
        at: when it was made.
        conversations: which ones were asked for; empty if it is all of the log.
    """

    version: Count
    at: Time | None = None
    conversations: list[str] = []


class Key(msgspec.Struct):
    """A key of someone: the Ed25519 public key in base64, and since when it is theirs."""

    key: str
    since: Time


class User(Line, tag="user"):
    """Someone.

    Attributes:
        name: as it is written.
        created: when they first came.
        seen: when they were last here.
        keys: the keys that own the name, the oldest first.
        released: the name was taken from them, and they have been called like "alice (released 7)" since.
    """

    name: str
    created: Time
    seen: Time | None = None
    keys: list[Key] = []
    released: bool = False


class Room(Line, tag="room"):
    """A room.

    Attributes:
        name: with its ``#``.
        kind: ``open``, ``private`` or ``announcement``.
        created: when it was made.
        topic: what it is about.
    """

    name: str
    kind: str
    created: Time
    topic: str = ""


class Member(Line, tag="member"):
    """A time for which someone belonged to a room.

    Attributes:
        room: which.
        user: who.
        since: from the message behind this ``seq`` on.
        until: to this ``seq``; they belong to it still, if there is none.
        owner: they own it.
    """

    room: str
    user: str
    since: Border = 0
    until: Border | None = None
    owner: bool = False


class Message(Line, tag="message"):
    """A message.

    Attributes:
        seq: its place; each is higher than the one before.
        id: the UUID that the client made.
        sender: who has said it.
        to: to whom, or in which room.
        text: what was said, untouched.
        at: when.
        re: the ``seq`` of the message that it answers.
        choices: with them it is a question.
        until: up to when that is open; left out, as long as nobody answers it.
        answer: the number of a choice of the question ``re``, or -1: it is what counts for it.
    """

    seq: Seq
    id: str
    sender: str = msgspec.field(name="from")
    to: str
    text: str
    at: Time
    re: Seq | None = None
    choices: Sequence[str] = ()
    until: Time | None = None
    answer: Choice | None = None


class End(Line, tag="end"):
    """The last line, without which an archive was cut short.

    Attributes:
        messages: how many there are.
        unread: how many places could not be read when it was made, because the log was damaged there.
    """

    messages: Count
    unread: Count = 0


AnyLine = Start | User | Room | Member | Message | End

encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(AnyLine).decode


def time_of(milliseconds: int) -> datetime.datetime:
    """Return the moment that the log means by a number; of one that is none in the protocol, the nearest."""
    return _EPOCH + min(max(milliseconds, 0), _LAST) * _MILLISECOND


def milliseconds_of(time: datetime.datetime) -> int:
    """Return the number under which the log keeps a moment.

    Raises:
        ValueError: the protocol has none for it.
    """
    milliseconds = (time - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds <= _LAST:
        raise ValueError(f"{time.isoformat()} is not between 1970 and {time_of(_LAST):%Y-%m-%d}")
    return milliseconds
