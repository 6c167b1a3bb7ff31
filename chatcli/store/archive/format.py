"""The archive of a log: the lines that an export writes and an import reads.

Each line is a JSON object, tagged by ``t``. Lines refer to users and rooms by name; the line that defines a name comes
before those that use it. ``docs/operation.md`` describes the format for those who write archives themselves.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from chatcli.protocol.frames import Choice

VERSION: Final = 1
MAX_LINE: Final = 16 * 1024 * 1024  # bytes
MAX_TEXT: Final = 1024 * 1024  # bytes of UTF-8, the highest limit of any server
LAST_SEQ: Final = 2**53 - 1  # the highest in a frame
MAX_SEQ: Final = 2**52  # the highest that an import keeps, so that there is room for others
MAX_TOPIC: Final = 500  # characters, the limit of a server

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)
_LAST: Final = 253_370_764_800_000  # milliseconds since then, the highest in a frame: the year 9999

Time = Annotated[datetime.datetime, msgspec.Meta(tz=True)]
_MAX: Final = 2**63 - 1  # the highest number in a log
Seq = Annotated[int, msgspec.Meta(ge=1, le=_MAX)]
Border = Annotated[int, msgspec.Meta(ge=0, le=_MAX)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_MAX)]


class Line(msgspec.Struct, tag_field="t", omit_defaults=True):
    """Base of all lines; unknown fields are ignored."""


class Start(Line, tag="export"):
    """The first line.

    Attributes:
        version: the version of the format.
        at: the time of the export.
        conversations: the conversations that were chosen; empty for all of the log.
    """

    version: Count
    at: Time | None = None
    conversations: list[str] = []


class Key(msgspec.Struct, omit_defaults=True):
    """A user's key.

    Attributes:
        key: the Ed25519 public key in base64.
        since: the time since which they have it.
        device: the label of the device that added it; left out if there is none.
    """

    key: str
    since: Time
    device: str = ""


class User(Line, tag="user", kw_only=True):
    """A user.

    Attributes:
        name: the name as displayed.
        created: the time of the user's first connection.
        seen: the time of the last one.
        keys: the keys that own the name, oldest first.
        released: whether the name was taken from the user, who has since been named like "alice (released 7)".
    """

    name: str
    created: Time
    seen: Time | None = None
    keys: list[Key] = []
    released: bool = False


class Room(Line, tag="room"):
    """A room.

    Attributes:
        name: the name as displayed, with its ``#``.
        kind: ``open``, ``private`` or ``announcement``.
        created: the time of its creation.
        topic: one line of text.
    """

    name: str
    kind: str
    created: Time
    topic: str = ""


class Member(Line, tag="member", kw_only=True):
    """A period for which a user was a member of a room.

    Attributes:
        room: the room's name.
        user: the user's name.
        since: it starts after this ``seq``.
        until: it ends with this ``seq``; left out if the user is still a member.
        owner: whether the user owns the room.
    """

    room: str
    user: str
    since: Border = 0
    until: Border | None = None
    owner: bool = False


class Read(Line, tag="read", kw_only=True):
    """A read position; someone without such a line has read and received everything.

    Attributes:
        user: the user's name.
        of: the name of the other user, or of the room; left out, it holds where the user has no other position.
        seq: the messages after it are unread.
        seen: others may know that the user has read up to this ``seq``; left out, it is the same.
        received: a client of the user has the messages up to this ``seq``; only without ``of``; left out, all of them.
    """

    user: str
    of: str | None = None
    seq: Border
    seen: Border | None = None
    received: Border | None = None


class Message(Line, tag="message", kw_only=True):
    """A message.

    Attributes:
        seq: its place in the log; each is higher than the one before.
        id: the client's UUID.
        sender: the sender's name.
        to: the name of the recipient or the room.
        text: the text, unchanged.
        at: the time of the message.
        re: the ``seq`` of the message that it answers.
        choices: the choices of a question; empty for other messages.
        until: the time at which the question expires; left out if it stays open until answered.
        answer: the index of a choice of the question ``re``, or -1: the message is the answer that counts.
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
    """The last line; an archive without it was cut short.

    Attributes:
        messages: the number of messages in the archive.
        unread: number of places in the log that could not be read because of damage.
    """

    messages: Count
    unread: Count = 0


AnyLine = Start | User | Room | Member | Read | Message | End

encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(AnyLine).decode


def time_of(milliseconds: int) -> datetime.datetime:
    """Return the time for a number of milliseconds in the log; the nearest one that the protocol allows."""
    return _EPOCH + min(max(milliseconds, 0), _LAST) * _MILLISECOND


def milliseconds_of(time: datetime.datetime) -> int:
    """Return a time in milliseconds since 1970-01-01 UTC.

    Raises:
        ValueError: the protocol does not allow it.
    """
    milliseconds = (time - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds <= _LAST:
        raise ValueError(f"{time.isoformat()} is not between 1970 and {time_of(_LAST):%Y-%m-%d}")
    return milliseconds
