"""Turns events into what a terminal is sent for them: text and escape sequences, made in one go.

prompt_toolkit's own way looks up and writes each piece of each line by itself, and takes twice as long. There are few
styles, so here each is looked up once.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from typing import Final

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style
from wcwidth import wrap

from chatcli.client.events import Event, Said, Separator
from chatcli.client.looks import Looks
from chatcli.client.rendering import Fragments, Renderer
from chatcli.client.ui.style import background, color_depth, style
from chatcli.client.widths import columns, cut

_PLAIN: Final = "\x1b[0m"
_SHORTEST: Final = 8  # columns of a separator's text, however narrow the window is


class Painter:
    """Paints events for one terminal, as the user wants them to look.

    Attributes:
        depth: how many colours there are.
        style: how each style looks.
    """

    def __init__(self, looks: Looks) -> None:
        self.depth: ColorDepth = color_depth(looks.color)
        self.style: Style = style(self.depth, background(looks.background))
        self._renderer = Renderer(_today(), looks.clock)
        self._escapes = _Escapes(self.style, self.depth)

    def lines(self, events: list[Event], width: int) -> Iterator[str]:
        """Yield what to send for each line, its end included.

        Args:
            events: what happened, the oldest first.
            width: of the terminal, in columns.
        """
        today = _today()
        for event in events:
            for shown, fragments in self._renderer.lines(event, today):
                yield self._painted(_fitted(shown, fragments, width))

    def _painted(self, fragments: Fragments) -> str:
        escapes, pieces = self._escapes, []
        for name, text in fragments:
            before = escapes[name]
            pieces.append(f"{before}{text}{_PLAIN}" if before else text)
        return f"{''.join(pieces)}\n".replace("\n", "\r\n")


class _Escapes(dict[str, str]):
    """The escape sequence that begins each style; empty for one that looks like no style."""

    def __init__(self, style: Style, depth: ColorDepth) -> None:
        super().__init__()
        self._style = style
        self._depth = depth

    def __missing__(self, name: str) -> str:
        written = io.StringIO()
        output = Vt100_Output(written, lambda: Size(rows=1, columns=1), enable_cpr=False)
        output.set_attributes(self._style.get_attrs_for_style_str(name), self._depth)
        output.flush()
        escape = written.getvalue()
        self[name] = "" if escape == _PLAIN else escape
        return self[name]


def _fitted(event: Event, fragments: Fragments, width: int) -> Fragments:
    """Return the pieces for a terminal so wide: what we say breaks between words, what people said is left as it is."""
    if isinstance(event, Said):
        return fragments
    if isinstance(event, Separator):
        return [(name, _across(text, width)) for name, text in fragments]
    return [(name, "\n".join(_wrapped(text, width))) for name, text in fragments]


def _across(text: str, width: int) -> str:
    text = cut(text, max(width, _SHORTEST))
    return text + "─" * (width - columns(text))


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield lines; links and other long words stay whole, and the terminal breaks them."""
    for line in text.split("\n"):
        if columns(line) <= width:
            yield line
        else:
            yield from wrap(line, width, break_on_hyphens=False, break_long_words=False)


def _today() -> datetime.date:
    return datetime.date.today()  # noqa: DTZ011 (the reader's day)
