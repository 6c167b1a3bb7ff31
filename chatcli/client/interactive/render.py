"""Rendering of events as lines: pieces of text with the names of their styles, in which nothing can move a cursor.

Each line of a message but the first is indented, also in blocks between ``` (or more backticks), and so is each row of
a wrapped line (:func:`fitted`): none of them can pass for another message ("12:05 boss → you …"). Tabs become blanks up
to the text's own tab stops, which differ from the terminal's.

Right-to-left text stays in the order in which it was written: a terminal that is able to reorders it, and characters
that could make a line lie about its order have been made visible (:mod:`chatcli.protocol.values.text`). It is not put
between isolates (U+2068): few terminals know them, and they would be copied along. A left-to-right mark separates a
right-to-left name from the text; without it the two would be shown as one run, the text before its author.
"""

from __future__ import annotations

import datetime
import os
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Final

from chatcli.client.chat.events import (
    Answer,
    Backlog,
    Clock,
    Event,
    Listing,
    Notice,
    Separator,
    Shown,
    Trouble,
    day,
    when,
)
from chatcli.client.chat.questions import choices_text
from chatcli.client.interactive.listing import listing, summary
from chatcli.client.interactive.widths import expanded
from chatcli.client.interactive.wrap import breaks, indentation
from chatcli.protocol.frames import Message
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable, printable_line

#: Pieces of a line, each with the name of its style.
Fragments = list[tuple[str, str]]

#: The number of styles of people, ``person-0`` and so on: a multiple of each palette's size.
PEOPLE: Final = 60

#: The beginning of further rows of a message: as wide as a time and a space.
INDENT: Final = " " * 6
_BACKLOG: Final = 3  # lines
_FENCE: Final = "```"
_MARK: Final = "\u200e"  # left to right; it has no column


class Renderer:
    """Renders events in order, with a separator before the first message of another day.

    Args:
        today: the reader's day at the beginning.
        clock: the format of times.
    """

    def __init__(self, today: datetime.date, clock: Clock = "24h") -> None:
        self._day = today
        self._clock = clock

    def lines(self, event: Event, today: datetime.date, width: int = 0) -> Iterator[tuple[Event, Fragments]]:
        """Yield the event and its line, after a separator if there is one; of a list, each line.

        Older messages that the user asked for are of many days, in no order: each line has its date instead.

        Args:
            event: the event.
            today: the reader's day.
            width: the columns of the terminal; 0 if they are unknown.
        """
        if isinstance(event, Listing | Backlog):
            for line in _rows(event, width, today, self._clock):
                yield event, line
            return
        if not isinstance(event, Shown) or event.past:
            yield event, render(event, today, self._clock)
            return
        said_on = day(event.message.at)
        if said_on != self._day:
            self._day = said_on
            separator = Separator(day_name(said_on, today))
            yield separator, render(separator, today)
        yield event, render(event, said_on, self._clock)


def render(event: Event, today: datetime.date, clock: Clock = "24h") -> Fragments:
    """Return an event as styled pieces of text, ready for a terminal: nothing in it can move the cursor.

    Args:
        event: the event.
        today: the reader's day; messages of other days have their date.
        clock: the format of times.
    """
    match event:
        case Shown():
            return _render_message(event, today, clock)
        case Listing() | Backlog():
            lines = _rows(event, 0, today, clock)
            return [piece for line in lines for piece in [*line, ("", "\n")]][:-1]
        case Separator(text):
            return [("class:separator", f"── {printable_line(text)} ──")]
        case Answer(text):
            return [("class:answer", printable(text))]
        case Notice(text):
            return [("class:notice", _indented(printable(text)))]
        case Trouble(error):
            return [("class:trouble", _indented(printable(str(error))))]


def _rows(event: Listing | Backlog, width: int, today: datetime.date, clock: Clock) -> list[Fragments]:
    if isinstance(event, Backlog):
        return summary(event.rows, width, _BACKLOG)
    return listing(event.rows, width, today, clock)


def person_style(name: str) -> str:
    """Return the name of a person's style: the same for each spelling of the name, in each client."""
    return f"class:name,person-{zlib.crc32(fold(name).encode()) % PEOPLE}"


def day_name(which: datetime.date, today: datetime.date, environ: Mapping[str, str] = os.environ) -> str:
    """Return a day in words, in the user's variety of English; in ISO 8601 for other languages."""
    language = environ.get("LC_ALL") or environ.get("LC_TIME") or environ.get("LANG") or "C"
    if language.startswith("en_US"):
        words = f"{which:%A}, {which:%B} {which.day}"
    elif language.startswith(("en", "C", "POSIX")):
        words = f"{which:%A}, {which.day} {which:%B}"
    else:
        return which.isoformat()
    return words if which.year == today.year else f"{words}{',' if 'en_US' in language else ''} {which.year}"


def plain(fragments: Fragments) -> str:
    """Return the text of styled pieces."""
    return "".join(text for _, text in fragments)


def fitted(fragments: Fragments, width: int) -> Fragments:
    """Return the pieces, with each line wrapped and indented that is wider than the terminal.

    Args:
        fragments: pieces of one or more lines.
        width: the columns of the terminal; 0 if they are unknown.
    """
    indent = indentation(len(INDENT), width)
    newline = f"\n{' ' * indent}"
    found: list[tuple[int, int, str]] = []
    start = 0
    for line in plain(fragments).split("\n"):
        # After the blanks at the end of a line there is nothing to put on a row.
        found += [
            (start + one.end, start + one.start, newline if one.start < len(line) else "")
            for one in breaks(line, width, indent)
        ]
        start += len(line) + 1
    return list(_replaced(fragments, found)) if found else fragments


def _replaced(fragments: Fragments, places: list[tuple[int, int, str]]) -> Iterator[tuple[str, str]]:
    """Yield the pieces, with parts of their text replaced; each place is a start, an end and the replacement."""
    ahead = iter(places)
    place, start = next(ahead, None), 0
    for name, text in fragments:
        kept, at = [], 0
        while place is not None and place[1] <= start + len(text):
            kept += [text[at : max(at, place[0] - start)], place[2]]
            at = place[1] - start
            place = next(ahead, None)
        if place is not None and place[0] < start + len(text):  # which reaches into the next piece
            kept.append(text[at : max(at, place[0] - start)])
        else:
            kept.append(text[at:])
        start += len(text)
        yield name, "".join(kept)


def _render_message(said: Shown, today: datetime.date, clock: Clock) -> Fragments:
    message = said.message
    sender = _you() if said.mine else _person(message.sender)
    time = ("class:time,notable" if said.notable else "class:time", when(message.at, today, clock))
    if is_room(message.to):
        # A message to the user alone is evidently for them; one in a room is marked, also without colours.
        head = [("class:mark", " • ") if said.notable else ("", " "), ("class:room", printable_line(message.to))]
        head += [("", "  "), sender]
    else:
        head = [("", " "), sender, ("class:arrow", " → "), _person(message.to) if said.mine else _you()]
    if message.re is not None:
        quote = f'"{printable_line(said.quote)}"' if said.quote else "an earlier message"
        head.append(("class:quote", f"  ↳ {quote}"))
    gap = "  " if _left_to_right(message.sender) and _left_to_right(message.to) else f" {_MARK} "
    return [time, *head, ("", gap), *_text_and_choices(message, is_open=said.open)]


def _text_and_choices(message: Message, *, is_open: bool) -> Fragments:
    if message.answer is not None and message.answer >= 0:
        return [("", f'answered "{printable_line(message.text)}"')]
    text = _text(expanded(printable(message.text)))
    if not message.choices:
        return text
    between = f"\n{INDENT}" if "\n" in message.text else "   "
    style = "class:choice" if is_open else "class:quote"
    return [*text, ("", between), (style, choices_text(message.choices))]


def _you() -> tuple[str, str]:
    return ("class:you", "you")


@lru_cache(maxsize=1024)  # the same few people, again and again
def _person(name: str) -> tuple[str, str]:
    return (person_style(name), printable_line(name))


def _left_to_right(name: str) -> bool:
    return name.isascii() or not any(unicodedata.bidirectional(char) in ("R", "AL") for char in name)


def _text(text: str) -> Fragments:
    if "\n" not in text:
        return [("", text)]
    if _FENCE not in text:
        return [("", _indented(text))]
    return list(_with_blocks(text.split("\n")))


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + INDENT)


def _with_blocks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text that has blocks.

    A block ends at a line of at least as many backticks as it began with, so that it may contain shorter fences.
    Without such a line it is not a block.
    """
    longest = list(accumulate(map(_closes, reversed(lines)), max))[::-1]  # the longest fence from each line on
    ending = 0  # the backticks that end the present block; 0 outside of blocks
    for number, line in enumerate(lines):
        newline = f"\n{INDENT}" if number else ""
        if ending:
            closed = _closes(line) >= ending
            yield "class:fence" if closed else "class:code", newline + line
            ending = 0 if closed else ending
        elif (ticks := _opens(line)) and number + 1 < len(lines) and longest[number + 1] >= ticks:
            ending = ticks
            yield "class:fence", newline + line
        else:
            yield "", newline + line


def _opens(line: str) -> int:
    """Return the number of backticks that begin a block here, perhaps before the name of a language; 0 if none does."""
    ticks = len(line) - len(line.lstrip("`"))
    return ticks if ticks >= len(_FENCE) and "`" not in line[ticks:] else 0


def _closes(line: str) -> int:
    """Return the number of backticks of a line that consists of a fence alone; 0 for any other line."""
    bare = line.rstrip()
    return len(bare) if len(bare) >= len(_FENCE) and not bare.strip("`") else 0
