"""Characters of several code points in the line that is typed: each is one, as wide as the terminal shows it."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from chatcli.client.tui.terminal.clusters import SAMPLES, Clusters
from tests.client.tui.input.test_input_line import in_tmux
from tests.support import ThreadServer, eventually
from tests.terminal import Terminal

FAMILY = "👨‍👩‍👧"


def test_parts_are_counted_until_measured() -> None:
    """An answer that cannot be one changes nothing."""
    clusters = Clusters()
    assert [clusters.width(text) for text in SAMPLES.values()] == [6, 4, 4, 1, 2, 1]
    clusters.questions()
    for column in (3, 5, 3, 2, 3, 3, 70):  # as tmux 3.3 shows them, and an answer to somebody else
        clusters.record(column)
    assert [clusters.width(text) for text in SAMPLES.values()] == [2, 4, 2, 1, 2, 2]
    assert clusters.width("\u0915\u094d\u0937\u093f") == 3
    clusters.questions()
    clusters.record(1)
    assert clusters.width(FAMILY) == 2


def test_the_samples_are_taken_away(server: ThreadServer) -> None:
    """Nothing of them stays where the terminal does not answer; what is typed is drawn by its parts there."""
    with Terminal("join", "--server", str(server.address), "--user", "alice") as alice:
        alice.shows("You are alice")
        assert not any(sample[0] in "".join(alice.lines) for sample in SAMPLES.values())
        alice.types("\x1b[200~a❤\ufe0fe\u0301b\tc\x1b[201~\x01Y")
        eventually(lambda: alice.input_line.startswith("› Ya❤"))
        assert alice.input_line.endswith("b   c")
        assert alice.cursor_column == 3


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        (FAMILY, 2),
        ("👍🏽", 4),
        ("🇩🇪", 2),
        ("❤\ufe0f", 1),
        ("e\u0301", 1),
        ("\u1112\u1161\u11ab", 2),
        ("नि", 2),
        ("你", 2),
    ],
)
def test_cells_follow_the_terminal(server: ThreadServer, tmp_path: Path, text: str, wide: int) -> None:
    """In tmux: the cursor stands where it seems to, one key goes over the whole character, and one takes it away."""
    assert shutil.which("tmux"), "tmux is one of the terminals that this is tried on"
    socket = f"chatcli-{os.getpid()}-{server.address.port}"
    tmux = functools.partial(in_tmux, socket, state=tmp_path)
    program = shlex.join([sys.executable, "-m", "chatcli", "join", "--server", str(server.address), "--user", "alice"])

    def shows(line: str, column: int) -> None:
        def is_so() -> bool:
            rows = [row for row in tmux("capture-pane", "-p").splitlines() if row.startswith("›")]
            return rows[-1:] == [line] and tmux("display-message", "-p", "#{cursor_x}").strip() == str(column)

        eventually(is_so, f"{line!r} with the cursor at {column}")

    tmux("new-session", "-d", "-x", "80", "-y", "24", program)
    try:
        eventually(lambda: "You are alice" in tmux("capture-pane", "-p"))
        tmux("send-keys", "-l", f"a{text}b")
        shows(f"› a{text}b", 4 + wide)
        tmux("send-keys", "Home")
        tmux("send-keys", "-l", "Y")
        shows(f"› Ya{text}b", 3)
        tmux("send-keys", "Right", "Right")
        shows(f"› Ya{text}b", 4 + wide)
        tmux("send-keys", "BSpace")
        shows("› Yab", 4)
    finally:
        tmux("kill-server")
