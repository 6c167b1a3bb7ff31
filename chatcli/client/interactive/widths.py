"""How many columns a text takes on a terminal, cutting it to so many, and where its tabs lead.

A column is half of what a Chinese character takes. Combining marks take none, and what is joined to one picture
(an emoji of several, a flag, a letter with its marks) is never cut in two.
"""

from __future__ import annotations

from functools import lru_cache

from wcwidth import iter_graphemes, wcswidth, wcwidth

_JOINER = "\u200d"
_TAB_STOP = 8  # columns from one to the next


def columns(text: str) -> int:
    """Return the columns that a text without control characters takes."""
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
    """Return the columns that a grapheme takes at most: there are terminals that show the parts of emoji apart."""
    return max(_columns(grapheme), sum(max(0, wcwidth(char)) for char in grapheme))


def cut(text: str, most: int) -> str:
    """Return a text of at most so many columns: as it is where it fits, else its beginning and ``…``."""
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
    """Return a text with blanks for its tabs, whose stops are counted from where each of its lines begins."""
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
