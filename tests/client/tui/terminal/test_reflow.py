"""Drawings are erased completely, also where the next one is smaller."""

from __future__ import annotations

import functools
import io
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from prompt_toolkit.data_structures import Size

from chatcli.client.tui.terminal.output import WholeOutput
from tests.client.tui.input.test_input_line import in_tmux
from tests.support import ThreadServer, eventually
from tests.terminal import Terminal

_CURSOR = "#{cursor_y} #{pane_height} #{cursor_flag}"


def test_a_drawing_has_one_size() -> None:
    """The window may become narrower in the middle of it; that counts from the next drawing on."""
    sizes = [Size(rows=24, columns=100), *[Size(rows=24, columns=20)] * 3]
    output = WholeOutput(io.StringIO(), lambda: sizes.pop(0))
    with output.held():
        with output.held():
            assert output.get_size().columns == 100
        assert output.get_size().columns == 100
    assert output.get_size().columns == 20


def test_no_blank_rows_after_a_menu(server: ThreadServer) -> None:
    """The toolbar follows the input line at once, after a menu, a line of several rows, a search and a question."""
    with server.joined("Roberta"), server.joined("Robin") as robin, server.joined("Rob"):
        with Terminal("join", "--server", str(server.address), "--user", "alice") as alice:
            alice.shows("Here:")

            def is_tight(line: str) -> bool:
                return alice.rows[-2:-1] == [line] and alice.input_line == line

            alice.types("rob\t")
            eventually(lambda: "Roberta" in "".join(alice.rows[-4:]))
            alice.types("\x03")
            eventually(lambda: is_tight("›"), "no blank row after the menu")
            alice.types("a\x1b\rb\x1b\rc")
            eventually(lambda: alice.rows[-2].strip() == "c")
            alice.types("\x03")
            eventually(lambda: is_tight("›"), "no blank row after the draft")
            alice.types("\x12")
            eventually(lambda: "search" in "".join(alice.rows[-2:]))
            alice.types("\x07")
            eventually(lambda: is_tight("›"), "no blank row after the search")
            robin.sends("alice", "Deploy?", choices=["yes", "no"])
            alice.shows("[1] yes")
            alice.types("/answer yes\r")
            eventually(lambda: is_tight("›"), "no blank row after the question")


@pytest.mark.parametrize(
    "sizes",
    [[(50, 24)], [(20, 24)], [(35, 24), (100, 24), (50, 24)], [(60, 10), (120, 30), (30, 24), (90, 12)], [(20, 8)]],
    ids=str,
)
def test_in_tmux_a_draft_leaves_no_copy(server: ThreadServer, tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    """Whatever becomes of the window, on a screen that is not full as well."""
    assert shutil.which("tmux"), "tmux is one of the terminals that this is tried on"
    socket = f"chatcli-{os.getpid()}-{server.address.port}"
    tmux = functools.partial(in_tmux, socket, state=tmp_path)
    program = shlex.join([sys.executable, "-m", "chatcli", "join", "--server", str(server.address), "--user", "alice"])

    def rows() -> list[str]:
        return tmux("capture-pane", "-p", "-N", "-S", "-").splitlines()

    def is_drawn(columns: int) -> bool:
        """Return whether the toolbar fills the last row, as wide as the window is now, and the cursor is above it."""
        toolbar = rows()[-1]
        # Looked at last: the cursor goes back when the toolbar is drawn, and is shown once all is.
        row, height, is_shown = map(int, tmux("display-message", "-p", _CURSOR).split())
        return toolbar.startswith(" alice") and len(toolbar) == columns and row + 2 == height and bool(is_shown)

    tmux("new-session", "-d", "-x", "100", "-y", "24", program)
    try:
        # Nothing is left to be drawn: tmux breaks rows up to 250 ms before it reports the new size, and what is drawn
        # in between is erased as for the size before.
        eventually(lambda: "Here: alice" in "".join(rows()) and " ms " in rows()[-1], "the greeting")
        eventually(lambda: is_drawn(100), "the input line at the bottom")
        tmux(
            "set-buffer",
            "BEGIN of a draft that is quite long, longer than sixty columns\nMIDDLE\nlast line and its END",
        )
        tmux("paste-buffer", "-p")
        eventually(lambda: "END" in "".join(rows()) and is_drawn(100))
        for columns, height in sizes:
            tmux("resize-window", "-x", str(columns), "-y", str(height))
            eventually(functools.partial(is_drawn, columns), f"drawn at {columns}")
        drawn = "".join(rows())
        assert [drawn.count(word) for word in ("BEGIN", "MIDDLE", "END")] == [1, 1, 1]
    finally:
        tmux("kill-server")
