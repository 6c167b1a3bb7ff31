"""How many columns a text takes on a terminal, and cutting it to so many.

A column is half of what a Chinese character takes. Combining marks take none, and what is joined to one picture
(an emoji of several, a flag, a letter with its marks) is never cut in two.
"""

from __future__ import annotations

from wcwidth import iter_graphemes, wcswidth


def columns(text: str) -> int:
    """Return the columns that a text without control characters takes."""
    if text.isascii():
        return len(text)
    return max(0, wcswidth(text))


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
