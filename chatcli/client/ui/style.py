"""The colours: few, from the terminal's own sixteen, readable on dark and on light."""

from __future__ import annotations

import os

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

STYLE = Style.from_dict(
    {
        "time": "ansibrightblack",
        "name": "ansicyan bold",
        "you": "bold",
        "room": "ansimagenta",
        "quote": "ansibrightblack",
        "arrow": "ansibrightblack",
        "notice": "ansibrightblack italic",
        "trouble": "ansired",
        "answer": "",
        "prompt": "ansigreen bold",
    }
)


def color_depth() -> ColorDepth | None:
    """Return no colour where ``NO_COLOR`` asks for that (https://no-color.org), else leave it to the terminal."""
    return ColorDepth.DEPTH_1_BIT if os.environ.get("NO_COLOR") else None
