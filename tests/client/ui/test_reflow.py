"""What was drawn is taken away whole, and nothing stays where less is drawn."""

from __future__ import annotations

from tests.support import ThreadServer, eventually
from tests.terminal import Terminal


def test_where_a_menu_was_no_blank_rows_stay(server: ThreadServer) -> None:
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
