"""QR codes on a terminal: their modules, as a camera would see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segno import make_qr

from chatcli.cli.output.qr_code import Space, qr_code

LINK = "https://192.0.2.17:8080/#name=alice&link=bazu-kito-mafi"
WIDE = Space(200, 100)
TERM = {"TERM": "xterm-256color"}

_UPPER, _LOWER = "▀█", "▄█"
Modules = list[list[bool]]


def half_blocks(rows: Iterable[str]) -> Modules:
    """Return the modules in rows of characters: whether each is drawn in the foreground."""
    return [[char in drawn for char in row] for row in rows for drawn in (_UPPER, _LOWER)]


def matrix(text: str, border: int) -> Modules:
    """Return the dark modules of a code, with light ones around it."""
    inner = [[bool(module) for module in row] for row in make_qr(text, error="l").matrix]
    size = len(inner) + 2 * border
    empty = [[False] * size for _ in range(border)]
    side = [False] * border
    return [*empty, *([*side, *row, *side] for row in inner), *empty]


def plain(drawn: str | None) -> list[str]:
    """Return the rows of a drawing without its colours."""
    assert drawn is not None
    return [re.sub(r"\x1b\[[\d;]*m", "", row) for row in drawn.split("\n")]


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=150))
def test_modules(text: str) -> None:
    """The dark modules are those of the code, with four light ones around; a last half row is light."""
    modules = half_blocks(plain(qr_code(text, WIDE, TERM)))
    expected = matrix(text, 4)
    assert modules == [*expected, [False] * len(expected)]


@pytest.mark.parametrize(
    ("environ", "dark", "light"),
    [
        ({"TERM": "xterm-256color"}, "000000", "ffffff"),
        ({"TERM": "vt220", "COLORTERM": "truecolor"}, "000000", "ffffff"),
        ({"TERM": "linux"}, "black", "white"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "000000", "ffffff"),
    ],
)
def test_colours(environ: dict[str, str], dark: str, light: str) -> None:
    """Every cell has both colours, none is left to the theme, and what follows has neither."""
    drawn = qr_code(LINK, WIDE, environ)
    rows = plain(drawn)
    screen = pyte.Screen(len(rows[0]) + 3, len(rows) + 1)
    pyte.Stream(screen).feed((drawn or "").replace("\n", "\r\n") + "x")
    for y in range(len(rows)):
        cells = [screen.buffer[y][x] for x in range(len(rows[0]))]
        assert {(cell.fg, cell.bg) for cell in cells} == {(dark, light)}
    beyond = [screen.buffer[y][x] for y in range(len(rows)) for x in range(len(rows[0]), screen.columns)]
    assert {(cell.fg, cell.bg) for cell in beyond} == {("default", "default")}


def test_without_colours() -> None:
    """The foreground, which is light on dark terminals, is what is light in the code, its border included."""
    drawn = qr_code(LINK, WIDE, {**TERM, "NO_COLOR": "1"})
    assert drawn is not None
    assert "\x1b" not in drawn
    *modules, below = half_blocks(drawn.split("\n"))
    assert [[not light for light in row] for row in modules] == matrix(LINK, 4)
    assert not any(below)


def test_window() -> None:
    """A narrower border comes before no code at all."""
    assert len(matrix(LINK, 0)) == 33
    assert len(plain(qr_code(LINK, Space(41, 21), TERM))[0]) == 41
    for space in (Space(40, 21), Space(41, 20), Space(37, 19)):
        rows = plain(qr_code(LINK, space, TERM))
        assert half_blocks(rows)[:-1] == matrix(LINK, 2)
    for space in (Space(36, 100), Space(100, 18), Space(0, -3)):
        assert qr_code(LINK, space, TERM) is None


def test_too_long() -> None:
    """A hostile server's code of any length has an end."""
    assert qr_code("x" * 1024, Space(400, 200), TERM) is not None
    assert qr_code("x" * 1025, Space(400, 200), TERM) is None
    assert qr_code("x" * 8000, Space(400, 200), TERM) is None


def test_usual_window() -> None:
    """The links of an address, of a name and of a codespace fit a window of 80 by 24, with the link and a prompt."""
    forwarded = "https://fluffy-space-x7q9pvw5v-8080.app.github.dev/#name=monalisa&link=bazu-kito-mafi"
    for link in (LINK, "https://chat.example:8080/#name=alice.liddell&link=bazu-kito-mafi", forwarded):
        assert qr_code(link, Space(80, 21), TERM) is not None
