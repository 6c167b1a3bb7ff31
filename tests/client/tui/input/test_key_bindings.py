"""Keys and pastes in whatever form a terminal sends them, to the real program."""

from __future__ import annotations

import pytest

from tests.preloaded import values
from tests.support import ThreadServer
from tests.terminal import Terminal

UNASKED = "\x1b[I\x1b]11;rgb:0000/0000/0000\x07\x1b[?64;1;2c\x1b[5;5R\x1b[<0;5;5M\x1bP>|tmux\x1b\\"


def join(server: ThreadServer, *options: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", "--server", str(server.address), *options, columns=80, rows=24, **env)


@pytest.mark.parametrize("keys", ["emacs", "vi"])
def test_reports_are_not_typed(server: ThreadServer, keys: str) -> None:
    """Unsolicited reports of a terminal change nothing, and keys work in all encodings."""
    with join(server, "--user", "alice", "--keys", keys) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types(f"bob: one{UNASKED}")
        alice.types("\x1b[33;2u")
        alice.shows_input("› bob: one!")
        alice.types("\x1b[13;2utwo\x1b[13u")
        bob.hears("message", text="one!\ntwo")
        alice.types(f"thre{UNASKED}\x1b[101u")
        alice.shows_input("bob › three")
        alice.types("\x1b[99;5u")
        alice.shows_input("bob ›")


@pytest.mark.parametrize("options", [(), ("--plain",)], ids=["drawn", "plain"])
def test_reports_while_asking_for_a_name(server: ThreadServer, options: tuple[str, ...]) -> None:
    """The first question is asked as the others are, also where the terminal edits lines itself."""
    with join(server, *options) as terminal:
        terminal.shows("Your name:")
        terminal.types(f"alice{UNASKED}\r")
        terminal.shows("You are alice")


def test_reports_in_plain_lines(server: ThreadServer) -> None:
    """Sequences that came into a line are not said."""
    with join(server, "--user", "alice", "--plain") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types(f"bob: one{UNASKED}, two\r")
        bob.hears("message", text="one, two")


def test_a_paste_without_an_end(server: ThreadServer) -> None:
    """At Ctrl-C, which drops it; and after a while."""
    hasty = values({"chatcli.client.tui.terminal.key_parser:_PATIENCE_WITH_PASTES": 0.5})
    with join(server, "--user", "alice", **hasty) as alice:
        alice.shows("You are alice")
        alice.types("dropped")
        alice.shows_input("› dropped")
        alice.types("\x1b[200~dropped")
        alice.types("\x03")
        alice.shows_input("›")
        alice.types("\x1b]11;rgb:00")
        alice.types("\x03kept")
        alice.shows_input("› kept")
        alice.types("\x1b[200~, too")
        alice.shows_input("› kept, too")


def test_pastes_longer_than_a_message(server: ThreadServer) -> None:
    """Input far longer than a message is not inserted, and the keys after it are."""
    with join(server, "--user", "alice") as alice:
        alice.shows("You are alice")
        for piece in ("\x1b[200~", *["x" * 1023 + "\n"] * 2000, "\x1b[201~after"):
            alice.types(piece)
        alice.shows("Not pasted: a message has 32 KB at most")
        alice.shows_input("› after")
