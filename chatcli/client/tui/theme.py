"""Which colours there are: what the user has chosen, what the terminal can do, and what its background is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatcli.client.interactive.preferences import Background, Color
from chatcli.client.interactive.render import PEOPLE
from chatcli.client.tui.palette import DARK, LIGHT, MIDDLE, OWN, OWN_ON_DARK, OWN_ON_LIGHT, Palette

_NO_COLOR: Final = ColorDepth.DEPTH_1_BIT
_SIXTEEN: Final = ColorDepth.DEPTH_4_BIT
_DARK_COLORS: Final = frozenset("01234568")  # of the sixteen, as vim takes them


def color_depth(setting: Color = "auto", environ: Mapping[str, str] = os.environ) -> ColorDepth:
    """Return how many colours to use.

    Args:
        setting: ``never`` uses none. ``always`` does even where ``NO_COLOR`` is set (https://no-color.org) or the
            terminal claims to have none.
        environ: the environment.
    """
    if setting == "never" or (setting == "auto" and environ.get("NO_COLOR")):
        return _NO_COLOR
    depth = _terminals(environ)
    return _SIXTEEN if setting == "always" and depth == _NO_COLOR else depth


def _terminals(environ: Mapping[str, str]) -> ColorDepth:
    """Return how many colours the terminal has, as far as one can know without asking it."""
    chosen = environ.get("PROMPT_TOOLKIT_COLOR_DEPTH", "")  # of users who have set it for all programs alike
    if chosen in [depth.value for depth in ColorDepth]:
        return ColorDepth(chosen)
    term = environ.get("TERM", "")
    if environ.get("COLORTERM") in ("truecolor", "24bit") or term.endswith("-direct"):
        return ColorDepth.DEPTH_24_BIT
    if term in ("", "dumb") or term.startswith("vt"):
        return _NO_COLOR
    # Those that have no more. All others of this century have 256, whatever they are called.
    if term.startswith(("linux", "cons", "cygwin", "ansi", "eterm", "rxvt-color")) or term in ("screen", "rxvt"):
        return _SIXTEEN
    return ColorDepth.DEPTH_8_BIT


def background(setting: Background = "auto", environ: Mapping[str, str] = os.environ) -> Background:
    """Return what the terminal's background is, ``auto`` where that is not known.

    ``COLORFGBG`` is asked ("15;0", set by rxvt, Konsole and others). The terminal itself is not: its answer would come
    among the keys, and late on a slow line.
    """
    if setting != "auto":
        return setting
    behind = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not behind.isdecimal() or int(behind) > 15:
        return "auto"
    return "dark" if behind in _DARK_COLORS else "light"


def palette(depth: ColorDepth, on: Background) -> Palette:
    """Return the colours for a terminal."""
    if depth in (_NO_COLOR, _SIXTEEN):
        return {"dark": OWN_ON_DARK, "light": OWN_ON_LIGHT, "auto": OWN}[on]
    return {"dark": DARK, "light": LIGHT, "auto": MIDDLE}[on]


def style(depth: ColorDepth, on: Background) -> Style:
    """Return how each of our styles looks on a terminal."""
    colors = palette(depth, on)
    people = {f"person-{number}": colors.people[number % len(colors.people)] for number in range(PEOPLE)}
    return Style.from_dict(
        {
            "time": colors.faint,
            "notable": f"bold {colors.mark}",
            "mark": f"bold {colors.mark}",
            "name": "bold",
            "you": "bold",
            "room": colors.room,
            "quote": colors.faint,
            "arrow": colors.faint,
            "fence": colors.faint,
            "code": "",
            "separator": colors.faint,
            "notice": f"{colors.faint} italic",
            "trouble": colors.trouble,
            "answer": "",
            "prompt": f"{colors.prompt} bold",
            "pending": colors.faint,
            "choice": "bold",
            "question": f"bold {colors.mark}",
            "toolbar": "reverse",
            "toolbar.current": "bold",
            "toolbar.unread": "bold",
            "toolbar.trouble": "bold",
            **people,
        }
    )


#: For what is printed before it is known how the user wants it.
STYLE: Final = style(_SIXTEEN, "auto")
