"""What happens in a conversation, as the user is to learn of it, and when that was by their clock."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from chatcli import zone
from chatcli.errors import ChatError
from chatcli.protocol.frames import Message

#: How times are written.
Clock = Literal["24h", "12h"]


class Said(NamedTuple):
    """A message.

    Attributes:
        message: what was said.
        mine: whether the user said it, here or elsewhere.
        quote: how the message begins that this one answers; empty where that is not known.
        past: whether the user asked for it, in the history or by searching: it is no news.
        notable: whether the user is to notice it even if they do something else: it is to them, names them or answers
            them, and they do not want the conversation to be quiet.
        open: whether it is a question that the user may answer now.
    """

    message: Message
    mine: bool
    quote: str = ""
    past: bool = False
    notable: bool = False
    open: bool = False


class Separator(NamedTuple):
    """What stands between messages: another day, how many came while the user was away, up to where they had read."""

    text: str


class Answer(NamedTuple):
    """What the user asked for."""

    text: str


class Notice(NamedTuple):
    """Something worth knowing, said quietly."""

    text: str


class Trouble(NamedTuple):
    """Something was not done."""

    error: ChatError


Event = Said | Separator | Answer | Notice | Trouble


def when(at: int, today: datetime.date, clock: Clock = "24h") -> str:
    """Return a time, in milliseconds since 1970-01-01 UTC, by the reader's clock; on other days it carries its date."""
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
