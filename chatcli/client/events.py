"""What happens in a conversation, as the user is to learn of it, and how each of these reads as a line."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from chatcli.errors import ChatError
from chatcli.protocol.frames import Message
from chatcli.protocol.text import printable, printable_line

#: Pieces of a line, each with the name of its style.
Fragments = list[tuple[str, str]]


class Said(NamedTuple):
    """A message; ``mine`` if the user said it, here or elsewhere."""

    message: Message
    mine: bool


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
        case Said(message, mine):
            return _render_message(message, today, mine=mine)
        case Answer(text):
            return [("class:answer", printable(text))]
        case Notice(text):
            return [("class:notice", printable(text))]
        case Trouble(error):
            return [("class:trouble", printable(str(error)))]


def _render_message(message: Message, today: datetime.date, *, mine: bool) -> Fragments:
    at = datetime.datetime.fromtimestamp(message.at / 1000, datetime.UTC).astimezone()
    time = f"{at:%H:%M}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"
    sender = "you" if mine else printable_line(message.sender)
    recipient = printable_line(message.to) if mine else "you"
    text = printable(message.text).replace("\n", "\n" + " " * (len(time) + 1))
    return [
        ("class:time", f"{time} "),
        ("class:you" if mine else "class:name", sender),
        ("class:arrow", " → "),
        ("class:name" if mine else "class:you", recipient),
        ("", f"  {text}"),
    ]


def plain(fragments: Fragments) -> str:
    """Return the text of styled pieces."""
    return "".join(text for _, text in fragments)
