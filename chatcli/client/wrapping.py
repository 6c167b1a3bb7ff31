"""Breaks lines that are longer than the terminal is wide, between words, so that the terminal does not.

A terminal that breaks a line begins the next row with whatever comes there, which may look like a line of ours: the
time, another person, what they said. Here each row that goes on is indented. Where a terminal breaks rows anew in a
window that has become narrower, no program can prevent it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from wcwidth import iter_graphemes

from chatcli.client.widths import columns, most_columns

_SIGNS: Final = "\u2800\u115f\u1160\u3164\uffa0"  # letters and signs that look like nothing
_RUNS: Final = re.compile(rf"[\s{_SIGNS}]+|[^\s{_SIGNS}]+")
_SHORTEST: Final = 8  # columns at a row's end that are worth beginning a long word
_LIKE_A_TIME: Final = re.compile(r"\d{1,4}[:.-]\d")


class Break(NamedTuple):
    """Where a row ends, and where the next one begins: the blanks in between are left out."""

    end: int
    start: int


class _Piece(NamedTuple):
    """What is not broken unless it is longer than a row, or blanks; with its columns."""

    start: int
    text: str
    size: int
    blank: bool


def indentation(most: int, width: int) -> int:
    """Return by how many columns to indent rows that go on: fewer than usual where there is no room."""
    return most if width >= most * 3 else max(1, min(most, width // 3))


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """Return the rows of a line, all but the first indented.

    Args:
        line: without tabs and other control characters.
        width: of the terminal, in columns; 0 where it is not known, which leaves the line whole.
        indent: columns, as :func:`indentation` has them.
    """
    rows, start = [], 0
    for one in breaks(line, width, indent):
        rows.append(line[start : one.end])
        start = one.start
    rows.append(line[start:])
    return [rows[0], *(" " * indent + row for row in rows[1:] if row)]


def breaks(line: str, width: int, indent: int) -> Iterator[Break]:
    """Yield where to break a line, in order; see :func:`wrapped`."""
    # A character has no more columns than bytes.
    if width <= indent or (len(line) <= width and (line.isascii() or len(line.encode()) <= width)):
        return
    used, filled, ended, gap = 0, False, False, _Piece(0, "", 0, blank=True)
    for piece in _pieces(line):
        if piece.blank:
            gap = piece
            continue
        gap = gap if gap.start + len(gap.text) == piece.start else _Piece(piece.start, "", 0, blank=True)
        left = width - used - gap.size
        fits_below = indent + piece.size <= width or left < min(_SHORTEST, width // 2)
        if ended or (piece.size > left and fits_below and (filled or gap.size)):
            yield Break(gap.start, piece.start)
            used, ended = indent, False
        else:
            used += gap.size
        if used + piece.size > width:
            ended = _is_link(piece.text, used, width)
            if not ended:
                used = yield from _within(piece, used, width, indent)
        else:
            used += piece.size
        filled = True
    if gap.start + len(gap.text) == len(line) and used + gap.size > width:
        yield Break(gap.start, len(line))


def _within(piece: _Piece, used: int, width: int, indent: int) -> Generator[Break, None, int]:
    """Yield where to break a piece that is longer than a row; return how many columns of the last row it takes."""
    at = piece.start
    for unit in _units(piece.text):
        size = most_columns(unit)
        if used + size > width and used > indent:
            yield Break(at, at)
            used = indent
        used += size
        at += len(unit)
    return used


def _pieces(line: str) -> Iterator[_Piece]:
    """Yield words and the blanks between them; each wide character is one, as in scripts that put none in between."""
    for run in _RUNS.finditer(line):
        text, start = run[0], run.start()
        if text[0] in _SIGNS or text[0].isspace():
            yield _Piece(start, text, columns(text), blank=True)
        elif text.isascii():
            yield _Piece(start, text, len(text), blank=False)
        else:
            yield from _pieces_of_word(text, start)


def _pieces_of_word(word: str, start: int) -> Iterator[_Piece]:
    begun, size, at = start, 0, start
    for unit in _units(word):
        taken = most_columns(unit)
        if taken > 1 and at > begun:
            yield _Piece(begun, word[begun - start : at - start], size, blank=False)
            begun, size = at, 0
        at += len(unit)
        size += taken
        if taken > 1:
            yield _Piece(begun, unit, size, blank=False)
            begun, size = at, 0
    if at > begun:
        yield _Piece(begun, word[begun - start :], size, blank=False)


def _units(text: str) -> Iterator[str]:
    return iter(text) if text.isascii() else iter_graphemes(text)


def _is_link(word: str, used: int, width: int) -> bool:
    """Return whether the terminal is to break a word by itself, so that it can still be opened and copied whole."""
    if not word.isascii() or "://" not in word:
        return False
    starts = range(width - used, len(word), width)
    return not any(_LIKE_A_TIME.match(word, start) for start in starts)
