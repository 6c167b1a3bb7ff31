"""The columns that a text has on a terminal, and cutting a text to a number of columns.

A Chinese character has two columns, a combining mark none. Characters that form one picture (an emoji of several, a
flag, a letter with its marks) are never separated.
"""

from __future__ import annotations

from functools import lru_cache

from wcwidth import iter_graphemes, wcswidth, wcwidth

_JOINER = "\u200d"
_TAB_STOP = 8  # columns from one to the next


def columns(text: str) -> int:
    """Return the columns of a text without control characters."""
    if text.isascii():
        return len(text)
    if _JOINER in text:  # wcswidth counts nothing for the character after it, even if it joins nothing (its issue 230)
        return sum(map(_columns, iter_graphemes(text)))
    return max(0, wcswidth(text))


@lru_cache(maxsize=4096)
def _columns(grapheme: str) -> int:
    return max(0, wcswidth(grapheme))


@lru_cache(maxsize=4096)
def most_columns(grapheme: str) -> int:
    """Return the most columns that a grapheme may have, as some terminals show the parts of an emoji apart."""
    return max(_columns(grapheme), sum(max(0, wcwidth(char)) for char in grapheme))


def cut(text: str, most: int) -> str:
    """Return a text if it has at most ``most`` columns, else its beginning and ``…``."""
    if columns(text) <= most:
        return text
    if most < 1:
        return ""
    kept, left = [], most - 1
    for grapheme in iter_graphemes(text):
        left -= columns(grapheme)
        if left < 0:
            break
        kept.append(grapheme)
    return f"{''.join(kept).rstrip()}…"


def expanded(text: str) -> str:
    """Return a text with blanks for its tabs; the stops are counted from the beginning of each line."""
    if "\t" not in text:
        return text
    return "\n".join(map(_expanded, text.split("\n")))


def _expanded(line: str) -> str:
    first, *others = line.split("\t")
    pieces, at = [first], columns(first)
    for piece in others:
        gap = _TAB_STOP - at % _TAB_STOP
        pieces += [" " * gap, piece]
        at += gap + columns(piece)
    return "".join(pieces)
