"""What happens in a conversation, as the user is to learn of it, and how each of these reads as a line."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from chatcli.errors import ChatError
from chatcli.protocol.frames import Message
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable, printable_line

#: Pieces of a line, each with the name of its style.
Fragments = list[tuple[str, str]]


class Said(NamedTuple):
    """A message.

    Attributes:
        message: what was said.
        mine: whether the user said it, here or elsewhere.
        quote: how the message begins that this one answers; empty where that is not known.
        past: whether the user asked for it, in the history or by searching: it is no news.
    """

    message: Message
    mine: bool
    quote: str = ""
    past: bool = False


class Answer(NamedTuple):
    """What the user asked for."""

    text: str


class Notice(NamedTuple):
    """Something worth knowing, said quietly."""

    text: str


class Trouble(NamedTuple):
    """Something was not done."""

    error: ChatError


Event = Said | Answer | Notice | Trouble


def render(event: Event, today: datetime.date) -> Fragments:
    """Return the event as styled pieces of text, ready for a terminal: nothing in it can move the cursor.

    Args:
        event: what happened.
        today: messages of other days carry their date.
    """
    match event:
        case Said():
            return _render_message(event, today)
        case Answer(text):
            return [("class:answer", printable(text))]
        case Notice(text):
            return [("class:notice", printable(text))]
        case Trouble(error):
            return [("class:trouble", printable(str(error)))]


def _render_message(said: Said, today: datetime.date) -> Fragments:
    message = said.message
    time = when(message.at, today)
    sender = ("class:you", "you") if said.mine else ("class:name", printable_line(message.sender))
    to = printable_line(message.to)
    if is_room(message.to):
        head = [("class:room", to), ("", "  "), sender]
    else:
        head = [sender, ("class:arrow", " → "), ("class:name", to) if said.mine else ("class:you", "you")]
    quote = f'"{printable_line(said.quote)}"' if said.quote else "an earlier message"
    text = printable(message.text).replace("\n", "\n" + " " * (len(time) + 1))
    return [
        ("class:time", f"{time} "),
        *head,
        *([] if message.re is None else [("class:quote", f"  ↳ {quote}")]),
        ("", f"  {text}"),
    ]


def when(at: int, today: datetime.date) -> str:
    """Return a time, in milliseconds since 1970-01-01 UTC, by the reader's clock; on other days it carries its date."""
    local = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).astimezone()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"


def day(at: int) -> datetime.date:
    """Return the reader's day at a time in milliseconds since 1970-01-01 UTC."""
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).astimezone().date()


def plain(fragments: Fragments) -> str:
    """Return the text of styled pieces."""
    return "".join(text for _, text in fragments)
