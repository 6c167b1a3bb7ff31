"""How events read as lines: pieces of text, each with the name of its style, in which nothing can move a cursor.

Each line of a message but the first is indented, in blocks between ``` (or more backticks) as well, and so is each row
of a line that goes on (:func:`fitted`): none of them can pass for another message ("12:05 boss → you …"). Tabs are
blanks up to the text's own tab stops, which the terminal's are not.

Right-to-left text stays in the order in which it was written: a terminal that can turns it around, and the characters
that could make a line lie about its order have been made visible (:mod:`chatcli.protocol.text`). No isolates (U+2068)
are put around it: few terminals know them, and they would be copied along. Between a right-to-left name and a text
stands a left-to-right mark instead, or the two would be shown as one run, the text in front of its author.
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

from chatcli.client.chat.events import Answer, Clock, Event, Notice, Said, Separator, Trouble, day, when
from chatcli.client.chat.questions import choices_text
from chatcli.client.interactive.widths import expanded
from chatcli.client.interactive.wrap import breaks, indentation
from chatcli.protocol.frames import Message
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable, printable_line

#: Pieces of a line, each with the name of its style.
Fragments = list[tuple[str, str]]

#: People get one of so many styles, ``person-0`` and so on: each size of palette that is used divides it evenly.
PEOPLE: Final = 60

#: What further rows of a message begin with: as wide as a time and the space behind it.
INDENT: Final = " " * 6
_FENCE: Final = "```"
_MARK: Final = "\u200e"  # left to right; takes no column


class Renderer:
    """Renders events one after the other: where a message is of another day than the last one, a separator says so.

    Args:
        today: the day on which the reader begins.
        clock: how times are written.
    """

    def __init__(self, today: datetime.date, clock: Clock = "24h") -> None:
        self._day = today
        self._clock = clock

    def lines(self, event: Event, today: datetime.date) -> Iterator[tuple[Event, Fragments]]:
        """Yield what to print: the event, and what belongs in front of it.

        What was looked back at is of many days, forth and back: there each line carries its date instead.
        """
        if not isinstance(event, Said) or event.past:
            yield event, render(event, today, self._clock)
            return
        said_on = day(event.message.at)
        if said_on != self._day:
            self._day = said_on
            separator = Separator(day_name(said_on, today))
            yield separator, render(separator, today)
        yield event, render(event, said_on, self._clock)


def render(event: Event, today: datetime.date, clock: Clock = "24h") -> Fragments:
    """Return the event as styled pieces of text, ready for a terminal: nothing in it can move the cursor.

    Args:
        event: what happened.
        today: messages of other days carry their date.
        clock: how times are written.
    """
    match event:
        case Said():
            return _render_message(event, today, clock)
        case Separator(text):
            return [("class:separator", f"── {printable_line(text)} ──")]
        case Answer(text):
            return [("class:answer", printable(text))]
        case Notice(text):
            return [("class:notice", _indented(printable(text)))]
        case Trouble(error):
            return [("class:trouble", _indented(printable(str(error))))]


def person_style(name: str) -> str:
    """Return the name of the style of a person: always the same, however the name is spelt, here and elsewhere."""
    return f"class:name,person-{zlib.crc32(unicodedata.normalize('NFC', name.casefold()).encode()) % PEOPLE}"


def day_name(which: datetime.date, today: datetime.date, environ: Mapping[str, str] = os.environ) -> str:
    """Return a day in words, as English is written where the user is; where something else is, as ISO 8601 has it."""
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
    """Return the pieces with a line end and an indentation wherever a line is wider than the terminal.

    Args:
        fragments: pieces of one line or of several.
        width: of the terminal, in columns; 0 where it is not known.
    """
    indent = indentation(len(INDENT), width)
    newline = f"\n{' ' * indent}"
    found: list[tuple[int, int, str]] = []
    start = 0
    for line in plain(fragments).split("\n"):
        # Nothing follows the blanks at the end of a line.
        found += [
            (start + one.end, start + one.start, newline if one.start < len(line) else "")
            for one in breaks(line, width, indent)
        ]
        start += len(line) + 1
    return list(_replaced(fragments, found)) if found else fragments


def _replaced(fragments: Fragments, places: list[tuple[int, int, str]]) -> Iterator[tuple[str, str]]:
    """Yield the pieces, with something else in place of what stands between two places of their text, each time."""
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


def _render_message(said: Said, today: datetime.date, clock: Clock) -> Fragments:
    message = said.message
    sender = _you() if said.mine else _person(message.sender)
    time = ("class:time,notable" if said.notable else "class:time", when(message.at, today, clock))
    if is_room(message.to):
        # That a message to the user alone is for them, it says itself; one in a room is marked, without colours too.
        head = [("class:mark", " • ") if said.notable else ("", " "), ("class:room", printable_line(message.to))]
        head += [("", "  "), sender]
    else:
        head = [("", " "), sender, ("class:arrow", " → "), _person(message.to) if said.mine else _you()]
    if message.re is not None:
        quote = f'"{printable_line(said.quote)}"' if said.quote else "an earlier message"
        head.append(("class:quote", f"  ↳ {quote}"))
    gap = "  " if _left_to_right(message.sender) and _left_to_right(message.to) else f" {_MARK} "
    return [time, *head, ("", gap), *_what(message, is_open=said.open)]


def _what(message: Message, *, is_open: bool) -> Fragments:
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
    """Yield the lines of a text with blocks: a block without an end is none.

    It ends at a line of as many backticks as it began with, or more: so what it holds may have shorter ones.
    """
    longest = list(accumulate(map(_closes, reversed(lines)), max))[::-1]  # what could end a block here or further down
    ending = 0  # how many backticks end the block that the line stands in; 0 outside of any
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
    """Return how many backticks a block begins with here, perhaps with the name of a language behind; 0 for none."""
    ticks = len(line) - len(line.lstrip("`"))
    return ticks if ticks >= len(_FENCE) and "`" not in line[ticks:] else 0


def _closes(line: str) -> int:
    """Return of how many backticks, and nothing else, a line consists; 0 where they are no fence."""
    bare = line.rstrip()
    return len(bare) if len(bare) >= len(_FENCE) and not bare.strip("`") else 0
