"""A renderer that erases the input line completely after the window has become narrower or lower.

Many terminals then break each row that is too long into several, and the cursor moves down with them. prompt_toolkit
counts the rows as it drew them, goes up too few, and leaves copies above (its issues 29, 932 and 1933). Other terminals
cut rows off, and there its count is right: going up further would erase messages. A terminal cannot be asked, so its
name decides; an unknown one counts as the second kind. A drawing is made for one size throughout, see
:mod:`chatcli.client.tui.terminal.output`. Nothing helps if the window changes while a drawing for the former size is on
its way.

The renderer reads and sets attributes of prompt_toolkit that are not public (``_last_screen``, ``_last_size``,
``_cursor_pos``): only they tell what stands on the screen. Releases of prompt_toolkit 3 have kept them, so that
pyproject.toml allows no 4; the tests in a real terminal fail if they change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.renderer import Renderer
from prompt_toolkit.styles import BaseStyle

from chatcli.client.tui.terminal.output import WholeOutput

_MARKS: Final = (
    *("VTE_VERSION", "KITTY_WINDOW_ID", "WEZTERM_PANE", "KONSOLE_VERSION", "ALACRITTY_WINDOW_ID", "WT_SESSION"),
    *("GHOSTTY_RESOURCES_DIR", "ITERM_SESSION_ID"),
)
_TERMS: Final = ("tmux", "foot", "alacritty", "xterm-kitty", "xterm-ghostty", "wezterm", "contour")
_ANSWER: Final = 2.0  # seconds after which a report counts as lost
_PROGRAMS: Final = ("Apple_Terminal", "iTerm.app", "WezTerm", "ghostty", "tmux")


def breaks_rows(env: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to break rows that are too long."""
    if "TMUX" in env:
        return True
    if "STY" in env or "XTERM_VERSION" in env:  # GNU screen and xterm cut, whatever terminal is around them
        return False
    return (
        any(mark in env for mark in _MARKS)
        or env.get("TERM", "").startswith(_TERMS)
        or env.get("TERM_PROGRAM") in _PROGRAMS
    )


def is_tmux(env: Mapping[str, str]) -> bool:
    """Return whether the terminal is tmux."""
    return "TMUX" in env or env.get("TERM", "").startswith("tmux")


class ReflowRenderer(Renderer):
    """A renderer that knows where the cursor is after the window has become narrower.

    Args:
        style: the looks of the style classes.
        output: the output to draw on.
        breaks: whether the terminal breaks rows that are too long.

    Attributes:
        paused: whether another program has the terminal, so that nothing may be drawn.
        on_clear: called after the window was cleared.
    """

    def __init__(self, style: BaseStyle, output: WholeOutput, *, breaks: bool) -> None:
        self._breaks = breaks
        self._drawings = 0
        self._prelude = ""
        self._unanswered = 0  # requests for the cursor's position
        self._asked_at = 0  # number of drawings before the last request
        self._asked_when = 0.0
        self._bottom_of: Size | None = None  # the window in which the input line was moved to the bottom
        self._whole = output
        self.paused = False
        self.on_clear: Callable[[], None] = lambda: None
        super().__init__(style, output)

    @property
    def drawn_rows(self) -> int:
        """The number of rows of the drawing."""
        return 1 if self._last_screen is None else self._last_screen.height

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Erase the drawing."""
        if self.paused:
            return
        self._follow_cursor()
        super().erase(leave_alternate_screen)

    def render(self, app: Application[object], layout: Layout, is_done: bool = False) -> None:
        """Draw the changes, or everything in a window of another size."""
        if self.paused:
            return
        with self._whole.held():
            self.output.write_raw(self._prelude)
            self._prelude = ""
            self._follow_cursor()
            self._shrink(layout)
            super().render(app, layout, is_done)
            self._drawings += 1

    def clear(self) -> None:
        """Clear the window."""
        super().clear()
        self.on_clear()

    def precede(self, data: str) -> None:
        """Write something before the next drawing, when the terminal no longer echoes its reports."""
        self._prelude = data

    def keep_at_bottom(self) -> None:
        """Move the drawing down to the bottom of the window, if its size has changed; for tmux.

        In a narrower window tmux moves rows from the top of the screen into its history, even if there are blank rows
        at the bottom. The start of an input line further up would go there, out of reach, and stay as a copy.
        """
        # The size of the drawing, not of the window: that may have changed since.
        if self._last_size is not None and self._bottom_of != self._last_size:
            self._bottom_of = self._last_size
            self._ask()

    def _ask(self) -> None:
        now = time.monotonic()
        if now - self._asked_when > _ANSWER:
            self._unanswered = 0
        self._asked_at, self._asked_when = self._drawings, now
        self._unanswered += 1
        self.output.write_raw("\x1b[6n")
        self.output.flush()

    def cursor_reported(self, row: int) -> None:
        """Move the drawing down by the reported row of the cursor, unless more was drawn since the request."""
        if not self._unanswered:
            return
        self._unanswered -= 1
        if (
            self._last_screen is None or self._bottom_of is None or self._unanswered
        ):  # the report for a later request comes
            return
        if self._bottom_of != self.output.get_size():  # asked again after the drawing for the new size
            return
        if self._drawings != self._asked_at:
            self._ask()
            return
        below = self._bottom_of.rows - (row - self._cursor_pos.y + self._last_screen.height - 1)
        if 0 < below < self._bottom_of.rows:
            self.output.write_raw(f"\x1b7\x1b[H\x1b[{below}L\x1b8\x1b[{below}B")
            self.output.flush()

    def _shrink(self, layout: Layout) -> None:
        """Erase the drawing if the next one is lower.

        prompt_toolkit keeps the height, so that blank rows stay where a menu was (its issue 353).
        """
        size = self.output.get_size()
        if self._last_screen is None or self._last_size != size:
            return
        if self._last_screen.height > layout.container.preferred_height(size.columns, size.rows).preferred:
            self.output.cursor_backward(self._cursor_pos.x)
            self.output.cursor_up(self._cursor_pos.y)
            self.output.erase_down()
            self._cursor_pos = Point(0, 0)
            self._last_screen = None

    def _follow_cursor(self) -> None:
        columns = self.output.get_size().columns
        if (
            not self._breaks
            or self._last_screen is None
            or self._last_size is None
            or columns >= self._last_size.columns
        ):
            return
        x, y = self._cursor_pos
        rows = sum(rows_of(_length(self._last_screen, row), columns) for row in range(y))
        # At the end of a row that fills the window the cursor has not moved to the next row.
        waits = x > 0 and x % columns == 0 and self._last_screen.data_buffer[y][x].char == " "
        self._cursor_pos = Point(columns if waits else x % columns, rows + (x - waits) // columns)
        self._last_size = self._last_size._replace(columns=columns)
        self._last_screen = None  # the rows on the screen are no longer those that were drawn


def rows_of(length: int, columns: int) -> int:
    """Return the number of rows that a line of this length has."""
    return max(1, -(-length // columns))


def _length(screen: Screen, row: int) -> int:
    """Return the number of columns drawn in a row, as prompt_toolkit counts them."""
    cells = screen.data_buffer[row]
    return max((column + cell.width for column, cell in cells.items() if cell.char != " " or cell.style), default=0)
