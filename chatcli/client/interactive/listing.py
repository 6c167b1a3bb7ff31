"""The list of conversations in columns, for any width: number, name, time, unread messages and the last line."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from chatcli.client.chat.conversations import DIGITS
from chatcli.client.chat.events import Clock, Row, day, when
from chatcli.client.interactive.widths import columns, cut
from chatcli.protocol.frames import MAX_COUNT, Message
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

#: Pieces of a line, each with the name of its style.
Line = list[tuple[str, str]]

_WIDE: Final = 60  # columns from which words are written out
_LONGEST_NAME: Final = 24  # columns
_SHORTEST_NAME: Final = 8
_LEAST_TEXT: Final = 4  # columns of the last line; with less, it is left out
_START: Final = 200  # characters of a message that are looked at
_GAP: Final = "  "


def listing(listed: Sequence[Row], width: int, today: datetime.date, clock: Clock = "24h") -> list[Line]:
    """Return a line for each conversation, none of them wider than ``width``.

    Args:
        listed: the conversations.
        width: the columns of the terminal; 0 if there is no end.
        today: the reader's day.
        clock: how times are written.
    """
    is_wide = not width or width >= _WIDE
    gap = _GAP if is_wide else " "
    rows = [_cells(one, today, clock, is_wide=is_wide) for one in listed]
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    if width:
        widths[1] = min(widths[1], _LONGEST_NAME, max(_SHORTEST_NAME, width // 3))
    return [_line(cells, one, widths, width, gap) for cells, one in zip(rows, listed, strict=True)]


def _cells(one: Row, today: datetime.date, clock: Clock, *, is_wide: bool) -> tuple[str, str, str, str]:
    number = str(one.number) if 1 <= one.number <= DIGITS else ""
    time = _time(one.last.at, today, clock) if one.last is not None else ""
    return number, printable_line(one.name), time, _state(one, is_wide=is_wide)


def _time(at: int, today: datetime.date, clock: Clock) -> str:
    """Return the time of a message of today, else its day."""
    date = day(at)
    if date == today:
        return when(at, today, clock)
    return f"{date:%m-%d}" if date.year == today.year else str(date.year)


def _state(one: Row, *, is_wide: bool) -> str:
    """Return the numbers of unread messages and mentions, and whether the conversation is quiet."""
    parts = []
    if one.unread:
        parts.append(f"{_unread(one)}{' unread' if is_wide else ''}")
    if one.mentions:
        parts.append(f"@{one.mentions:,}")
    if one.quiet:
        parts.append("quiet" if is_wide else "q")
    return (", " if is_wide else " ").join(parts)


def _unread(one: Row) -> str:
    return f"{one.unread:,}{'+' if one.unread >= MAX_COUNT else ''}"


def _line(cells: tuple[str, ...], one: Row, widths: list[int], width: int, gap: str) -> Line:
    number, name, time, state = (cut(cell, most) for cell, most in zip(cells, widths, strict=True))
    name_style = "class:room" if is_room(one.name) else "class:name"
    styled = [
        ("class:time", number.rjust(widths[0]), widths[0]),
        (name_style, name, widths[1]),
        ("class:time", time, widths[2]),
        ("class:notable" if one.unread and not one.quiet else "", state, widths[3]),
    ]
    line: Line = []
    used = 0
    for style, text, most in styled:
        if most:
            blanks = " " * (most - columns(text))
            line += [("", gap if line else ""), (style, text), ("", blanks)]
            used += most + (len(gap) if used else 0)
    text = _last(one)
    if width and (room := width - used - len(gap)) < columns(text):
        text = cut(text, room) if room >= _LEAST_TEXT else ""
    return _stripped([*line, ("", gap), ("", text)], width)


def _last(one: Row) -> str:
    """Return the start of the last line, after its author unless it is the other person."""
    if one.last is None:
        return ""
    text = printable_line(one.last.text[:_START].strip())
    if one.last.answer is not None and one.last.answer >= 0:
        text = f'answered "{text}"'
    return f"{_author(one.last, one)}{text}"


def _author(last: Message, one: Row) -> str:
    if one.mine:
        return "you: "
    return f"{printable_line(last.sender)}: " if is_room(one.name) else ""


def _stripped(line: Line, width: int) -> Line:
    """Return a line without blanks at its end, cut to a width."""
    while line and not line[-1][1].strip():
        line.pop()
    if not width or columns("".join(text for _, text in line)) <= width:
        return line
    kept: Line = []
    for style, text in line:
        kept.append((style, cut(text, width)))
        width -= columns(kept[-1][1])
        if columns(text) != columns(kept[-1][1]) or width <= 0:
            break
    return kept


def summary(unread: Sequence[Row], width: int, most: int) -> list[Line]:
    """Return the unread conversations in at most ``most`` lines of at most ``width`` columns.

    Args:
        unread: the conversations, the most important first.
        width: the columns of the terminal; 0 if there is no end.
        most: the number of lines.
    """
    pieces = [_piece(one) for one in unread]
    for shown in range(len(pieces), 0, -1):
        rest = len(pieces) - shown
        last = [[("", f"+{rest} more: /list")]] if rest else []
        lines = _packed([[("class:notice", "Unread:")], *pieces[:shown], *last], width)
        if len(lines) <= most:
            return lines
    return _packed([[("class:notice", "Unread: /list")]], width) if pieces and most > 0 else []


def _piece(one: Row) -> Line:
    number = f"{one.number}:" if 1 <= one.number <= DIGITS else ""
    mentions = f" @{one.mentions:,}" if one.mentions else ""
    style = "class:room" if is_room(one.name) else "class:name"
    name = cut(printable_line(one.name), _LONGEST_NAME)
    return [("class:time", number), (style, name), ("", f" {_unread(one)}"), ("class:mark", mentions)]


def _packed(pieces: Sequence[Line], width: int) -> list[Line]:
    """Return lines of whole pieces; a piece wider than a line is cut."""
    lines: list[Line] = []
    used = 0
    for before, piece in pairwise([[], *pieces]):
        between = " · " if before and len(before) > 1 else " " if before else ""
        size = columns("".join(text for _, text in piece))
        if lines and (not width or used + len(between) + size <= width):
            lines[-1] += [("", between), *piece]
            used += len(between) + size
        else:
            lines.append([("", "  " if lines else ""), *piece])
            used = size + (2 if len(lines) > 1 else 0)
    return [_stripped(line, width) for line in lines]
