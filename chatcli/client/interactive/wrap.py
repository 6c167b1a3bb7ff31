"""Wrapping of lines between words, with an indentation, so that the terminal wraps none.

A terminal that wraps a line begins the next row with the text at that place, which may look like a line of ours: a
time, another person, a message. Here each further row is indented. Where a terminal wraps rows again in a window that
has become narrower, no program can prevent it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from wcwidth import iter_graphemes

from chatcli.client.interactive.widths import columns, most_columns

_SIGNS: Final = "\u2800\u115f\u1160\u3164\uffa0"  # letters and signs that are invisible
# Characters of most languages that never join with one another: those of one column, and those of two.
_NARROW: Final = (
    "\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21ff\u2500-\u257f"
)
_WIDE: Final = "\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60"
_ONE_COLUMN_EACH: Final = re.compile(rf"[ -~{_NARROW}]*")
_SINGLE: Final = re.compile(rf"[ -~{_NARROW}{_WIDE}]*")
_RUNS: Final = re.compile(rf"[\s{_SIGNS}]+|[^\s{_SIGNS}]+")
_NO_BLANK: Final = re.compile("[^ ]")
_SHORTEST: Final = 8  # columns at the end of a row that the beginning of a long word may fill
_LIKE_A_TIME: Final = re.compile(r"\d{1,4}[:.-]\d")


class Break(NamedTuple):
    """The end of a row, and the start of the next one: the blanks between them are left out."""

    end: int
    start: int


class _Piece(NamedTuple):
    """A word, or the blanks between two words, with its columns; a word is broken only if it is longer than a row."""

    start: int
    text: str
    size: int
    blank: bool


def indentation(most: int, width: int) -> int:
    """Return the columns of indentation for further rows: ``most``, or fewer if the window is narrow."""
    return most if width >= most * 3 else max(1, min(most, width // 3))


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """Return the rows of a line, all but the first indented.

    Args:
        line: without tabs and other control characters.
        width: the columns of the terminal; 0 if they are unknown, which leaves the line whole.
        indent: the columns of :func:`indentation`.
    """
    rows, start = [], 0
    for one in breaks(line, width, indent):
        rows.append(line[start : one.end])
        start = one.start
    rows.append(line[start:])
    return [rows[0], *(" " * indent + row for row in rows[1:] if row)]


def breaks(line: str, width: int, indent: int) -> Iterator[Break]:
    """Yield the breaks of a line, in order; see :func:`wrapped`."""
    is_narrow = is_one_column_each(line)
    # A character has no more columns than bytes.
    if width <= indent or (len(line) <= width and (is_narrow or len(line.encode()) <= width)):
        return iter(())
    return narrow_breaks(line, width, indent) if is_narrow else any_breaks(line, width, indent)


def narrow_breaks(line: str, width: int, indent: int) -> Iterator[Break]:
    """Yield the same as :func:`any_breaks`, faster: only the ends of rows are examined.

    Args:
        line: a line for which :func:`is_one_column_each` is true.
        width: the columns of the terminal, more than ``indent``.
        indent: the columns of :func:`indentation`.
    """
    end = len(line.rstrip(" "))
    start, limit = 0, width  # of the row: its first word, and its last column
    while end > limit:
        blank = line.rfind(" ", start, limit + 1)
        word = start if blank < 0 else _word_after(line, blank)
        after = _end_of_word(line, word)
        if blank >= 0 and (after - word <= width - indent or limit - word < min(_SHORTEST, width // 2)):
            yield Break(start + len(line[start:blank].rstrip(" ")), word)
            start, limit = word, word + width - indent
        if after <= limit:
            continue
        if not _is_link(line[word:after], word - limit + width, width, exact=True):
            while after > limit:
                yield Break(limit, limit)
                start, limit = limit, limit + width - indent
        elif after < end:
            following = _word_after(line, after)
            yield Break(after, following)
            start, limit = following, following + width - indent
        else:
            limit += end - word  # the terminal wraps the link
    if len(line) > limit:
        yield Break(end, len(line))


def _word_after(line: str, blank: int) -> int:
    found = _NO_BLANK.search(line, blank)
    return found.start() if found else len(line)


def _end_of_word(line: str, word: int) -> int:
    blank = line.find(" ", word)
    return blank if blank >= 0 else len(line)


def is_one_column_each(text: str) -> bool:
    """Return whether each character certainly has one column, and no blank but a space occurs."""
    return text.isascii() or _ONE_COLUMN_EACH.fullmatch(text) is not None


def is_one_code_point_each(text: str) -> bool:
    """Return whether certainly no code points join to one character."""
    return text.isascii() or _SINGLE.fullmatch(text) is not None


def any_breaks(line: str, width: int, indent: int) -> Iterator[Break]:
    """Yield the breaks of a line of any characters; ``width`` is more than ``indent``."""
    exact = is_one_column_each(line)
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
            ended = _is_link(piece.text, used, width, exact=exact)
            if not ended:
                used = yield from _within(piece, used, width, indent)
        else:
            used += piece.size
        filled = True
    if gap.start + len(gap.text) == len(line) and used + gap.size > width:
        yield Break(gap.start, len(line))


def _within(piece: _Piece, used: int, width: int, indent: int) -> Generator[Break, None, int]:
    """Yield the breaks of a piece that is longer than a row; return its columns in the last row."""
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
    """Yield words and the blanks between them; each wide character is a word, as its script has no blanks."""
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
    return iter(text) if is_one_code_point_each(text) else iter_graphemes(text)


def _is_link(word: str, used: int, width: int, *, exact: bool) -> bool:
    """Return whether a word is a link that the terminal is to wrap, so that it can be opened and copied whole.

    Args:
        word: the word.
        used: the columns before it in its row.
        width: the columns of the terminal.
        exact: whether terminals agree on ``used``; otherwise a row may begin with any part of the word.
    """
    if not word.isascii() or "://" not in word:
        return False
    if not exact:
        return _LIKE_A_TIME.search(word) is None
    starts = range(width - used, len(word), width)
    return not any(_LIKE_A_TIME.match(word, start) for start in starts)
