"""The colours: by the user's preferences, the terminal's abilities and its background.

On a terminal of sixteen colours these are the terminal's own, which its user has chosen or can choose. With 256 and
more they are ours, from the 6×6×6 cube that all such terminals share. Text has a contrast of 4.5:1 (WCAG 2):

- ``DARK`` on black, on #1e1e1e and on the backgrounds of widespread dark themes, #2e3440 among them.
- ``LIGHT`` on white and on the backgrounds of light themes down to #eee8d5.
- ``MIDDLE`` is for unknown backgrounds. No colour has 4.5:1 on both #1e1e1e and white: that needs a luminance of more
  than 0.233 and of less than 0.184. These have it on black and on white, and 3.5:1 on #1e1e1e.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatcli.client.interactive.preferences import Background, Color
from chatcli.client.interactive.render import PEOPLE

_NO_COLOR: Final = ColorDepth.DEPTH_1_BIT
_SIXTEEN: Final = ColorDepth.DEPTH_4_BIT
_DARK_COLORS: Final = frozenset("01234568")  # of the sixteen, as in vim


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours by their use, as prompt_toolkit names them.

    Attributes:
        people: names of people; their number divides :data:`~chatcli.client.interactive.render.PEOPLE`. None is red,
            which means trouble.
        faint: times and other text that is read last.
        room: names of rooms.
        trouble: errors.
        prompt: the sign of the input line.
        mark: the sign of messages for the user.
    """

    people: tuple[str, ...]
    faint: str
    room: str
    trouble: str
    prompt: str
    mark: str


DARK: Final = Palette(
    people=(
        *("#ff875f", "#ffaf5f", "#d7d75f", "#afd700", "#87d75f", "#5fd787"),
        *("#5fd7d7", "#5fafff", "#afafff", "#af87ff", "#d787ff", "#ff87d7"),
    ),
    faint="#9e9e9e",
    room="#d787d7",
    trouble="#ff8787",
    prompt="#87d787",
    mark="#ffaf00",
)

LIGHT: Final = Palette(
    people=(
        *("#875f00", "#5f5f00", "#005f00", "#005f5f", "#005faf"),
        *("#0000d7", "#8700ff", "#8700af", "#af00af", "#af005f"),
    ),
    faint="#5f5f5f",
    room="#870087",
    trouble="#af0000",
    prompt="#005f00",
    mark="#af0000",
)

MIDDLE: Final = Palette(
    people=("#00875f", "#5f5fff", "#875fd7", "#af5f5f", "#d700af"),
    faint="#767676",
    room="#875fd7",
    trouble="#af5f5f",
    prompt="#00875f",
    mark="#d700af",
)

#: The terminal's own colours.
OWN_ON_DARK: Final = Palette(
    people=("ansibrightgreen", "ansibrightyellow", "ansibrightblue", "ansibrightmagenta", "ansibrightcyan"),
    faint="ansigray",
    room="ansimagenta",
    trouble="ansibrightred",
    prompt="ansibrightgreen",
    mark="ansibrightyellow",
)
OWN_ON_LIGHT: Final = Palette(
    people=("ansigreen", "ansiyellow", "ansiblue", "ansimagenta", "ansicyan"),
    faint="ansibrightblack",
    room="ansimagenta",
    trouble="ansired",
    prompt="ansigreen",
    mark="ansired",
)
OWN: Final = OWN_ON_LIGHT  # its dark colours are legible on an unknown background, too


def color_depth(setting: Color = "auto", environ: Mapping[str, str] = os.environ) -> ColorDepth:
    """Return the number of colours to use.

    Args:
        setting: ``never`` uses none. ``always`` uses colours even if ``NO_COLOR`` is set (https://no-color.org) or the
            terminal claims to have none.
        environ: the environment.
    """
    if setting == "never" or (setting == "auto" and environ.get("NO_COLOR")):
        return _NO_COLOR
    depth = _terminal_depth(environ)
    return _SIXTEEN if setting == "always" and depth == _NO_COLOR else depth


def _terminal_depth(environ: Mapping[str, str]) -> ColorDepth:
    """Return the number of colours that the terminal has, by its name."""
    chosen = environ.get("PROMPT_TOOLKIT_COLOR_DEPTH", "")  # by users who set it for all programs alike
    if chosen in [depth.value for depth in ColorDepth]:
        return ColorDepth(chosen)
    term = environ.get("TERM", "")
    if environ.get("COLORTERM") in ("truecolor", "24bit") or term.endswith("-direct"):
        return ColorDepth.DEPTH_24_BIT
    if term in ("", "dumb") or term.startswith("vt"):
        return _NO_COLOR
    # These have no more. All other terminals of this century have 256.
    if term.startswith(("linux", "cons", "cygwin", "ansi", "eterm", "rxvt-color")) or term in ("screen", "rxvt"):
        return _SIXTEEN
    return ColorDepth.DEPTH_8_BIT


def background(setting: Background = "auto", environ: Mapping[str, str] = os.environ) -> Background:
    """Return the terminal's background, ``auto`` if it is not known.

    ``COLORFGBG`` tells it ("15;0", set by rxvt, Konsole and others). The terminal is not asked: its answer would come
    among the keys, and late on a slow line.
    """
    if setting != "auto":
        return setting
    color = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not color.isdecimal() or int(color) > 15:
        return "auto"
    return "dark" if color in _DARK_COLORS else "light"


def palette(depth: ColorDepth, on: Background) -> Palette:
    """Return the colours for a terminal."""
    if depth in (_NO_COLOR, _SIXTEEN):
        return {"dark": OWN_ON_DARK, "light": OWN_ON_LIGHT, "auto": OWN}[on]
    return {"dark": DARK, "light": LIGHT, "auto": MIDDLE}[on]


def style(depth: ColorDepth, on: Background) -> Style:
    """Return the looks of the style classes on a terminal."""
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
            "toolbar.own": "bold",
            "toolbar.unread": "bold",
            "toolbar.trouble": "bold",
            **people,
        }
    )


#: The style of text that is printed before the preferences are known.
STYLE: Final = style(_SIXTEEN, "auto")


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, #rrggbb each, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
