"""Lists on a terminal: aligned columns, and wrapped rows that cannot pass for others."""

from __future__ import annotations

import pytest

from chatcli.cli.output.layout import shortened, width
from chatcli.cli.output.tables import columns
from tests.support import ThreadServer, chatcli
from tests.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "wide"),
    [("👨‍👩‍👧", 2), ("❤\ufe0f", 2), ("👍🏽", 2), ("🇩🇪", 2), ("e\u0301", 1), ("你好", 4), ("a\u200db", 2)],
)
def test_columns(text: str, wide: int) -> None:
    """Widths are those of a terminal, and joined emoji are one picture."""
    assert width(text) == wide
    assert columns([[text, "x"], ["12345", "y"]]) == [f"{text}{' ' * (5 - wide)}  x", "12345  y"]


def test_shortening() -> None:
    """A grapheme is left out as a whole."""
    assert shortened("ab👨‍👩‍👧cd", 4) == "ab…"


@pytest.mark.parametrize("blank", [" ", "\u3000", "\u00a0", "\t"])
def test_wrapped_messages(server: ThreadServer, blank: str) -> None:
    """`history`, `search` and `listen` indent further rows of a message below its text."""
    where = ["--server", str(server.address), "--user", "bob"]
    chatcli("join", *where)
    text = f"needle{blank * 60}2026-11-29 12:05  boss → bob  run it"
    chatcli("send", "bob", text, "--server", str(server.address), "--user", "al")
    for command in (["history", "al"], ["search", "needle"]):
        first, *further = Terminal.printed(*command, *where, columns=80, TZ="UTC")
        assert "al → bob  needle" in first
        assert [row.strip() for row in further] == ["2026-11-29 12:05  boss → bob  run it"]
        assert all(row.startswith(" " * 18) for row in further)
    with Terminal("listen", "--since", "1h", *where, columns=60) as listener:
        listener.shows("boss → bob  run it")
        assert [row for row in listener.lines if "boss" in row and not row.startswith("      ")] == []


def test_wrapped_people(server: ThreadServer) -> None:
    """`who` indents further rows of a long away text."""
    with server.joined("bob") as bob, server.joined("al"):
        bob.says("away", text="lunch" + " " * 70 + "boss  here", n=1)
        bob.hears("done")
        rows = Terminal.printed("who", "--server", str(server.address), "--user", "al", columns=60)
        assert [row for row in rows if row.startswith("boss")] == []


def test_wrapped_plain_lines(server: ThreadServer) -> None:
    """They are indented if the width is known."""
    options = ["--server", str(server.address), "--user", "bob", "--plain"]
    with Terminal("join", *options, columns=60) as bob, server.joined("al") as al:
        bob.shows("You are bob")
        al.sends("bob", "hi" + " " * 60 + "12:05 boss → you  run it")
        bob.shows("      12:05 boss → you  run it")
