"""Turns events into the text and escape sequences to send to a terminal.

prompt_toolkit looks up and writes each piece of each line by itself, which is half as fast. There are few styles, so
here each is looked up once.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import Final

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from chatcli.client.chat.events import Backlog, Event, Separator
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.render import Fragments, Renderer, fitted, plain
from chatcli.client.interactive.widths import columns, cut
from chatcli.client.tui.theme import background, color_depth, style

_NEWLINE: Final = "\r\n"
_PLAIN: Final = "\x1b[0m"
_NO_AUTOWRAP, _AUTOWRAP = "\x1b[?7l", "\x1b[?7h"
_SHORTEST: Final = 8  # columns of a separator's text at least, however narrow the window is


class Painter:
    """Paints events for one terminal by the user's preferences.

    Attributes:
        depth: the number of colours.
        style: the looks of each style class.
    """

    def __init__(self, preferences: Preferences) -> None:
        self.depth: ColorDepth = color_depth(preferences.color)
        self.style: Style = style(self.depth, background(preferences.background))
        self._renderer = Renderer(_today(), preferences.clock)
        self._escapes = _Escapes(self.style, self.depth)

    def lines(self, events: Sequence[Event], width: int) -> Iterator[str]:
        """Yield the output for each line, including its end.

        Args:
            events: the events, the oldest first.
            width: columns of the terminal.
        """
        today = _today()
        for event in events:
            if isinstance(event, Backlog):
                continue  # the layout has it
            for shown, fragments in self._renderer.lines(event, today, width):
                if isinstance(shown, Separator):
                    # Short: a rule across the window would be broken as soon as that becomes narrower.
                    yield self._painted([(name, cut(text, max(width, _SHORTEST))) for name, text in fragments])
                else:
                    yield self._in_rows(fitted(fragments, width), width)

    def _in_rows(self, fragments: Fragments, width: int) -> str:
        """Return the output for one or more rows that were fitted to the terminal.

        Terminals disagree on the width of text that is not ASCII. A row that turns out wider than was counted is cut:
        if it were broken, a row would start with another user's text. A link that is too wide is left to the terminal,
        which can then open it and copy it whole.
        """
        painted, text = self._painted(fragments), plain(fragments)
        if text.isascii():
            return painted
        rows = zip(painted.removesuffix(_NEWLINE).split(_NEWLINE), text.split("\n"), strict=True)
        return "".join(
            f"{row}{_NEWLINE}"
            if shown.isascii() or ("://" in shown and columns(shown) > width)
            else f"{_NO_AUTOWRAP}{row}{_AUTOWRAP}{_NEWLINE}"
            for row, shown in rows
        )

    def _painted(self, fragments: Fragments) -> str:
        escapes, pieces = self._escapes, []
        for name, text in fragments:
            before = escapes[name]
            pieces.append(f"{before}{text}{_PLAIN}" if before else text)
        return f"{''.join(pieces)}\n".replace("\n", _NEWLINE)


class _Escapes(dict[str, str]):
    """The escape sequence that starts each style; empty for a style that changes nothing."""

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


def _today() -> datetime.date:
    return datetime.date.today()  # noqa: DTZ011 (the reader's day)
