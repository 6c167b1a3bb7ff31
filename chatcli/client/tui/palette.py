"""The colours, by what they are to be read on: each is told from its background as text has to be (WCAG 2, 4.5:1).

On a terminal of sixteen colours these are the terminal's own, which its user has chosen or can choose. With 256 and
more, colours are ours, of the 6×6×6 cube, which every such terminal has alike:

- ``DARK`` holds 4.5:1 on black, on #1e1e1e and on the backgrounds of widespread dark themes, #2e3440 among them.
- ``LIGHT`` does on white and on the backgrounds of light themes down to #eee8d5.
- ``MIDDLE`` is for where nobody knows. No colour has 4.5:1 on both #1e1e1e and white: that takes a luminance of more
  than 0.233 and of less than 0.184. These have it on black and on white, and 3.5:1 on #1e1e1e.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Palette(NamedTuple):
    """Colours as prompt_toolkit names them.

    Attributes:
        people: as many as divide :data:`~chatcli.client.interactive.render.PEOPLE`;
            red is none of them, it means trouble.
        faint: what is read last.
        room: names of rooms.
        trouble: what was not done.
        prompt: the input line's sign.
        mark: the sign of what is for the user.
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

#: The terminal's own, those that are dark and those that are bright among them.
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
OWN: Final = Palette(
    people=("ansigreen", "ansiyellow", "ansiblue", "ansimagenta", "ansicyan"),
    faint="ansibrightblack",
    room="ansimagenta",
    trouble="ansired",
    prompt="ansigreen",
    mark="ansired",
)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, #rrggbb each, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
