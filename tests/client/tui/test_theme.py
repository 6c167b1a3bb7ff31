"""Which colours there are, and that they can be read."""

from __future__ import annotations

import pytest
from prompt_toolkit.output import ColorDepth

from chatcli.client.interactive.preferences import Background, Color
from chatcli.client.interactive.render import PEOPLE
from chatcli.client.tui import theme
from chatcli.client.tui.theme import background, color_depth, contrast, style

ENOUGH = 4.5  # WCAG 2.2, success criterion 1.4.3
NONE, OWN, MANY, ALL = (
    ColorDepth.DEPTH_1_BIT,
    ColorDepth.DEPTH_4_BIT,
    ColorDepth.DEPTH_8_BIT,
    ColorDepth.DEPTH_24_BIT,
)


def every(colors: theme.Palette) -> list[str]:
    """Return all colours of a palette."""
    return [*colors.people, colors.faint, colors.room, colors.trouble, colors.prompt, colors.mark]


def test_contrast_is_that_of_wcag() -> None:
    """Known pairs."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize(
    ("colors", "backgrounds"),
    [
        (theme.DARK, ["#000000", "#1e1e1e", "#282a36", "#002b36", "#2e3440", "#300a24"]),
        (theme.LIGHT, ["#ffffff", "#fafafa", "#fdf6e3", "#eee8d5"]),
        (theme.MIDDLE, ["#000000", "#ffffff"]),
    ],
)
def test_every_colour_is_readable(colors: theme.Palette, backgrounds: list[str]) -> None:
    """4.5:1 or more, on each background."""
    for color in every(colors):
        for behind in backgrounds:
            assert contrast(color, behind) >= ENOUGH, f"{color} on {behind}"


def test_middle_is_readable_on_dark_grey() -> None:
    """More is not possible together with white."""
    assert all(contrast(color, "#1e1e1e") >= 3.5 for color in theme.MIDDLE.people)


@pytest.mark.parametrize("colors", [theme.DARK, theme.LIGHT, theme.MIDDLE])
def test_colours_are_those_of_the_cube(colors: theme.Palette) -> None:
    """They are of the cube, or of its greys, so that nothing is rounded to one that is harder to read."""
    for color in every(colors):
        parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        grey = len(set(parts)) == 1 and parts[0] % 10 == 8
        assert grey or set(parts) <= {0, 95, 135, 175, 215, 255}, color


@pytest.mark.parametrize("name", ["DARK", "LIGHT", "MIDDLE", "OWN", "OWN_ON_DARK", "OWN_ON_LIGHT"])
def test_people_have_colours_evenly(name: str) -> None:
    """The size of each palette divides the number of styles."""
    people = getattr(theme, name).people
    assert PEOPLE % len(people) == 0
    assert len(set(people)) == len(people)


@pytest.mark.parametrize(
    ("setting", "environ", "depth"),
    [
        ("auto", {"TERM": "xterm-256color"}, MANY),
        ("auto", {"TERM": "alacritty"}, MANY),
        ("auto", {"TERM": "xterm-256color", "COLORTERM": "truecolor"}, ALL),
        ("auto", {"TERM": "linux"}, OWN),
        ("auto", {"TERM": "screen"}, OWN),
        ("auto", {"TERM": "vt100"}, NONE),
        ("auto", {}, NONE),
        ("auto", {"TERM": "xterm-256color", "NO_COLOR": "1"}, NONE),
        ("auto", {"TERM": "xterm-256color", "NO_COLOR": ""}, MANY),
        ("always", {"TERM": "xterm-256color", "NO_COLOR": "1"}, MANY),
        ("always", {"TERM": "vt100"}, OWN),
        ("never", {"TERM": "xterm-256color"}, NONE),
        ("auto", {"TERM": "xterm", "PROMPT_TOOLKIT_COLOR_DEPTH": "DEPTH_4_BIT"}, OWN),
    ],
)
def test_how_many_colours_there_are(setting: Color, environ: dict[str, str], depth: ColorDepth) -> None:
    """The user's word first, then NO_COLOR, then the terminal's name."""
    assert color_depth(setting, environ) == depth


@pytest.mark.parametrize(
    ("setting", "colors", "on"),
    [
        ("auto", "15;0", "dark"),
        ("auto", "0;15", "light"),
        ("auto", "0;default;15", "light"),
        ("auto", "0;7", "light"),
        ("auto", "15;8", "dark"),
        ("auto", "15;default", "auto"),
        ("auto", "", "auto"),
        ("auto", "1;²", "auto"),
        ("auto", "1;99", "auto"),
        ("dark", "0;15", "dark"),
        ("light", "15;0", "light"),
    ],
)
def test_what_the_background_is(setting: Background, colors: str, on: Background) -> None:
    """The user's word first, then COLORFGBG; nobody knows otherwise."""
    assert background(setting, {"COLORFGBG": colors}) == on


@pytest.mark.parametrize("depth", [NONE, OWN, MANY, ALL])
@pytest.mark.parametrize("on", ["dark", "light", "auto"])
def test_every_person_has_a_colour(depth: ColorDepth, on: Background) -> None:
    """On every terminal."""
    looks = style(depth, on)
    assert all(looks.get_attrs_for_style_str(f"class:name,person-{number}").color for number in range(PEOPLE))
