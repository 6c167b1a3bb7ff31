"""QR codes for a terminal: two modules in each character, by the half blocks of Unicode."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Final, NamedTuple

#: By the upper and the lower module of a character, of which true ones are drawn in the foreground.
_HALVES: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
_BORDERS: Final = (4, 2)  # modules: the standard's, and one that scanners still read on a screen
_LONGEST: Final = 1024  # characters; no terminal shows the code of more

# Black on white, whatever the theme of the terminal: where there are 256 colours, by two that no theme changes.
_PLAIN: Final = "\x1b[30;47m"
_EXACT: Final = "\x1b[38;5;16;48;5;231m"
_END: Final = "\x1b[0m"


class Space(NamedTuple):
    """The space for a QR code.

    Attributes:
        columns: characters in a row.
        rows: rows.
    """

    columns: int
    rows: int


def qr_code(text: str, space: Space, environ: Mapping[str, str]) -> str | None:
    """Return the QR code of a text, in rows for a terminal; None if it does not fit.

    Without colours it is drawn for a dark background, on which the foreground is the light one; most scanners read it
    on a light one, too.
    """
    if len(text) > _LONGEST:
        return None
    from segno import make_qr

    code = make_qr(text, error="l")
    for border in _BORDERS:
        size = len(code.matrix) + 2 * border
        if size <= space.columns and (size + 1) // 2 <= space.rows:
            modules = [[bool(module) for module in row] for row in code.matrix_iter(border=border)]
            return _in_colours(modules, environ) if not environ.get("NO_COLOR") else _without(modules)
    return None


def _in_colours(modules: list[list[bool]], environ: Mapping[str, str]) -> str:
    exact = "256color" in environ.get("TERM", "") or bool(environ.get("COLORTERM"))
    begin = _EXACT if exact else _PLAIN
    return "\n".join(f"{begin}{row}{_END}" for row in _rows(modules))


def _without(modules: list[list[bool]]) -> str:
    return "\n".join(_rows([[not module for module in row] for row in modules]))


def _rows(modules: list[list[bool]]) -> list[str]:
    """Return rows of characters; below an odd number of modules the background goes on."""
    pairs = zip_longest(modules[::2], modules[1::2], fillvalue=[False] * len(modules))
    return ["".join(_HALVES[halves] for halves in zip(upper, lower, strict=True)) for upper, lower in pairs]
