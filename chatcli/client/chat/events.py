"""Events that the interactive client shows, with their times by the user's clock."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from msgspec import Struct

from chatcli import zone
from chatcli.errors import ChatError
from chatcli.protocol.frames import ClientFrame, Message

#: How times are written.
Clock = Literal["24h", "12h"]


class Shown(Struct, frozen=True, kw_only=True):
    """A message.

    Attributes:
        message: as the server stores it.
        mine: whether the user said it, here or elsewhere.
        quote: the beginning of the message that this one answers; empty if it is not known.
        past: whether the user asked for it, in the history or by searching: it is no news.
        notable: whether the user is notified of it: it is to them, names them or answers them, and the conversation is
            not quiet.
        open: whether it is a question that the user may answer now.
    """

    message: Message
    mine: bool
    quote: str = ""
    past: bool = False
    notable: bool = False
    open: bool = False


class Separator(NamedTuple):
    """A line between messages: another day, or the number of messages that came while the user was away."""

    text: str


class Answer(NamedTuple):
    """Something that the user asked for."""

    text: str


class Row(Struct, frozen=True, kw_only=True):
    """A conversation in a list.

    Attributes:
        name: the person or the room.
        number: its number; up to 9, the digit that opens it together with Alt. 0 if it has none.
        unread: the number of unread messages; 1000 means 1000 or more.
        mentions: the number of those in a room that mention the user.
        last: the newest message, with the start of its text; None if none is known.
        mine: whether the user said that.
        quiet: whether the conversation neither rings nor counts.
    """

    name: str
    number: int = 0
    unread: int = 0
    mentions: int = 0
    last: Message | None = None
    mine: bool = False
    quiet: bool = False


class Listing(NamedTuple):
    """Conversations that the user asked for, in columns."""

    rows: Sequence[Row]


class Backlog(NamedTuple):
    """The conversations that are unread as the user comes in; not shown where they stand above the input line."""

    rows: Sequence[Row]


class Notice(NamedTuple):
    """Something worth knowing, shown quietly."""

    text: str


class Trouble(NamedTuple):
    """Something was not done."""

    error: ChatError


Event = Shown | Separator | Answer | Listing | Backlog | Notice | Trouble


class Effects(Struct, frozen=True, kw_only=True):
    """The effects of a typed line, or of frames from the server.

    Attributes:
        events: what to show to the user.
        frames: what to send to the server.
        ack: the place in the log that is acknowledged once the events are shown; None if there is nothing new to
            acknowledge.
        returned: texts that were not sent, to be put back into the input line.
        leave: whether the user wants to leave.
    """

    events: Sequence[Event] = ()
    frames: Sequence[ClientFrame] = ()
    ack: int | None = None
    returned: Sequence[str] = ()
    leave: bool = False


def when(at: int, today: datetime.date, clock: Clock = "24h") -> str:
    """Return a time by the reader's clock, with its date if that is another day.

    Args:
        at: milliseconds since 1970-01-01 UTC.
        today: the reader's day.
        clock: how times are written.
    """
    date, time = _local(at // 60_000, clock, zone.current())
    return time if date == today else f"{date} {time}"


def day(at: int) -> datetime.date:
    """Return the reader's day at a time in milliseconds since 1970-01-01 UTC."""
    return _local(at // 60_000, "24h", zone.current())[0]


@lru_cache(maxsize=64)  # many messages are of the same minute
def _local(minutes: int, clock: Clock, _: int) -> tuple[datetime.date, str]:
    local = datetime.datetime.fromtimestamp(minutes * 60, datetime.UTC).astimezone()
    if clock == "12h":  # not %p, which is empty in many languages
        return local.date(), f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"
    return local.date(), f"{local:%H:%M}"
