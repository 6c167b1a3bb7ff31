"""Takes the input line away whole also where the window has become narrower, and what stands around it lower.

Many terminals then break each row that has become too long into several, and the cursor goes down with them.
prompt_toolkit counts the rows as it drew them, goes up too few, and leaves copies above (its issues 29, 932 and 1933).
Others cut rows off, and there its count is right: going up further would take away messages. Which of both a terminal
does cannot be asked, so it is told by its name; one that is not known counts as the second kind.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
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
_ANSWER: Final = 2.0  # seconds after which an answer is taken for lost
_PROGRAMS: Final = ("Apple_Terminal", "iTerm.app", "WezTerm", "ghostty", "tmux")


def breaks_rows(env: Mapping[str, str]) -> bool:
    """Return whether the terminal is known to break rows that have become too long."""
    if "TMUX" in env:
        return True
    if "STY" in env or "XTERM_VERSION" in env:  # GNU screen and xterm cut; marks of what is around them do not count
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
    """A renderer that knows where the cursor has gone when the window has become narrower.

    Args:
        style: how it looks.
        output: where it is drawn.
        breaks: whether the terminal breaks rows that have become too long.

    Attributes:
        paused: whether another program has the terminal, and nothing is drawn.
    """

    def __init__(self, style: BaseStyle, output: WholeOutput, *, breaks: bool) -> None:
        self._breaks = breaks
        self._drawings = 0
        self._prelude = ""
        self._unanswered = 0  # questions where the cursor is
        self._asked_at = 0  # number of drawings before the last of them
        self._asked_when = 0.0
        self._kept: Size | None = None  # the window in which the input line is at the bottom
        self._whole = output
        self.paused = False
        super().__init__(style, output)

    def erase(self, leave_alternate_screen: bool = True) -> None:
        """Take away what was drawn."""
        if self.paused:
            return
        self._follow_cursor()
        super().erase(leave_alternate_screen)

    def render(self, app: Application[object], layout: Layout, is_done: bool = False) -> None:
        """Draw what has changed, or all of it in a window of another size."""
        if self.paused:
            return
        with self._whole.held():
            self.output.write_raw(self._prelude)
            self._prelude = ""
            self._follow_cursor()
            self._shrink(layout)
            super().render(app, layout, is_done)
            self._drawings += 1

    def precede(self, data: str) -> None:
        """Write something in front of the next drawing: the terminal does not echo its answers then."""
        self._prelude = data

    def keep_at_bottom(self) -> None:
        """Have what stands on the screen moved down to its end in a window of another size; for tmux.

        In a narrower window tmux moves rows from the top of the screen into its history, also where there are blank
        ones at the bottom. Of an input line further up the beginning went there, out of reach, and stayed as a copy.
        """
        if self._kept != self.output.get_size():
            self._kept = self.output.get_size()
            self._ask()

    def _ask(self) -> None:
        now = time.monotonic()
        if now - self._asked_when > _ANSWER:
            self._unanswered = 0
        self._asked_at, self._asked_when = self._drawings, now
        self._unanswered += 1
        self.output.write_raw("\x1b[6n")
        self.output.flush()

    def located(self, row: int) -> None:
        """Move the input line down by the cursor's row, unless something was drawn since the terminal was asked."""
        if not self._unanswered:
            return
        self._unanswered -= 1
        if self._last_screen is None or self._kept is None or self._unanswered:  # the answer to a later question comes
            return
        if self._kept != self.output.get_size():  # it is asked anew once that is drawn
            return
        if self._drawings != self._asked_at:
            self._ask()
            return
        below = self._kept.rows - (row - self._cursor_pos.y + self._last_screen.height - 1)
        if 0 < below < self._kept.rows:
            self.output.write_raw(f"\x1b7\x1b[H\x1b[{below}L\x1b8\x1b[{below}B")
            self.output.flush()

    def _shrink(self, layout: Layout) -> None:
        """Take away what was drawn where less is to be drawn now.

        prompt_toolkit keeps the height that it once had, so that blank rows stay where a menu was (its issue 353).
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
        # At the end of a row that fills the window the cursor has not gone on to the next one.
        waits = x > 0 and x % columns == 0 and self._last_screen.data_buffer[y][x].char == " "
        self._cursor_pos = Point(columns if waits else x % columns, rows + (x - waits) // columns)
        self._last_size = self._last_size._replace(columns=columns)
        self._last_screen = None  # it is not there any more as it was drawn


def rows_of(length: int, columns: int) -> int:
    """Return how many rows of a window a line takes that is so long."""
    return max(1, -(-length // columns))


def _length(screen: Screen, row: int) -> int:
    """Return up to which column something was drawn in a row, as prompt_toolkit decides it."""
    cells = screen.data_buffer[row]
    return max((column + cell.width for column, cell in cells.items() if cell.char != " " or cell.style), default=0)
