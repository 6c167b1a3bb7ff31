"""The interactive client in a real terminal sends only lines that were meant, whatever else happens meanwhile."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.client.tui.input.test_input_line import PASTE
from tests.client.tui.test_question_bar import asks
from tests.preloaded import values
from tests.support import ThreadServer, eventually
from tests.terminal import Terminal

AGAIN = "Enter once more"


def join(server: ThreadServer, *options: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    where = ("--server", str(server.address), "--user", "alice")
    return Terminal("join", *where, *options, columns=140, rows=24, **env)


def talks_with_bob(alice: Terminal) -> None:
    """Open the conversation with bob."""
    alice.shows("You are alice")
    alice.types("/to bob\r")
    alice.shows_input("bob ›")


def test_unknown_names_need_a_second_enter(server: ThreadServer) -> None:
    """A line says what Enter does; two at once are one, for nobody can have read it in between."""
    with join(server) as alice, server.joined("bob") as bob:
        talks_with_bob(alice)
        alice.types("carol: hi\r\r")
        alice.shows(f"Nobody called carol is known: {AGAIN} sends the line to bob as it is")
        alice.shows_input("bob › carol: hi")
        alice.types("\r")
        assert bob.hears("message")["text"] == "carol: hi"
        alice.types("carol: ho\r")
        bob.hears("message", text="carol: ho")


def test_a_dropped_line_keeps_the_prompt(server: ThreadServer, tmp_path: Path) -> None:
    """Also once it was kept on disk."""
    hasty = values({"chatcli.client.tui.input.drafts:_BETWEEN_SAVES": 0.1})
    with join(server, XDG_STATE_HOME=str(tmp_path), **hasty) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        bob.sends("alice", "hello")
        alice.shows_input("bob ›")
        alice.types("half a line")
        eventually(lambda: any("half a line" in file.read_text() for file in tmp_path.rglob("drafts/*.json")))
        alice.types("\x03.")
        alice.shows_input("bob › .")


def test_the_prompt_shows_who_is_answered(server: ThreadServer) -> None:
    """The only one who has written is; another one who writes changes nothing for what was begun, and ends it else."""
    with join(server) as alice, server.joined("bob") as bob, server.joined("carol") as carol:
        alice.shows("You are alice")
        alice.shows_input("›")
        bob.sends("alice", "hello")
        alice.shows_input("bob ›")
        alice.types("Hi your")
        alice.shows_input("bob › Hi your")
        carol.sends("alice", "psst")
        alice.shows("carol → you  psst")
        alice.types("\x03")
        alice.shows_input("›")
        alice.types("Hi yourself\r")
        alice.shows("To whom?")
        alice.shows("These have written to you: bob, carol.")
        alice.shows_input("› Hi yourself")
        bob.sends("alice", "still there?")
        assert [bob.hears("sent")["seq"] for _ in range(2)] == [1, 3]


def test_started_text_keeps_its_recipient(server: ThreadServer) -> None:
    """Other people who write meanwhile."""
    with join(server) as alice, server.joined("bob") as bob, server.joined("carol") as carol:
        alice.shows("You are alice")
        bob.sends("alice", "hello")
        bob.hears("sent")
        alice.shows_input("bob ›")
        alice.types("Hi your")
        alice.shows_input("bob › Hi your")
        carol.sends("alice", "psst")
        alice.shows("carol → you  psst")
        alice.types("self\r")
        bob.hears("message", text="Hi yourself")
        carol.sends("alice", "psst!")
        alice.shows("carol → you  psst!")
        alice.types("and more\r")
        bob.hears("message", text="and more")


@pytest.mark.parametrize("keys", ["emacs", "vi"])
@pytest.mark.parametrize("begin", ["\t", "\t\t", "bo\t\x15\t", "\x12bob"])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
def test_commands_after_escape(server: ThreadServer, keys: str, begin: str, at_once: bool) -> None:
    """Whatever is open when Esc is pressed: the menu of Tab, or the search of Ctrl-R."""
    with join(server, "--keys", keys) as alice, server.joined("bob") as bob, server.joined("bobby"):
        alice.shows("Here: ")
        alice.types("bob: hi\r")
        bob.hears("message", text="hi")
        alice.shows_input("bob ›")
        alice.types("/join #ops\r")
        alice.shows_input("#ops ›")
        if at_once:
            alice.types(f"{begin}\x1b/topic foo\r")
        else:
            for key in (*begin, "\x1b", "/topic foo\r"):
                alice.types(key)
        if keys == "emacs":
            alice.shows("Topic of #ops: foo")
        alice.types("\x03\x1bi/say end\r" if keys == "vi" else "\x03/say end\r")
        alice.shows("you  end") if keys == "emacs" else None
        bob.sends("alice", "last")
        alice.shows("bob → you  last")
        assert not any("topic foo" in line and "you" in line for line in alice.lines), alice.lines
        bob.hears("sent")


def test_alt_and_a_letter_on_an_empty_line(server: ThreadServer) -> None:
    """Alt-w would copy, and "ho" be said."""
    with join(server) as alice, server.joined("bob"):
        talks_with_bob(alice)
        alice.types("\x1bwho\r")
        eventually(lambda: sum("Here: " in line for line in alice.lines) == 2)


@pytest.mark.parametrize(
    "text", ["/away\nfrom the keyboard", "/etc/fstab:\n/dev/sda1", "bob: hi\ncarol: ho", "exit\nx"]
)
@pytest.mark.parametrize("form", [PASTE, "{}\r"], ids=["marked", "unmarked"])
def test_a_paste_is_text(server: ThreadServer, text: str, form: str) -> None:
    """One that the terminal marks, and several lines that come at once; also when it comes back from the history."""
    if form != PASTE and text.startswith("bob"):
        text = text.replace("bob: hi", "bob hi")
    with join(server) as alice, server.joined("bob") as bob, server.joined("carol"):
        talks_with_bob(alice)
        alice.types(form.format(text.replace("\n", "\r")))
        alice.shows("2 lines pasted: Enter sends them as one message, Ctrl-C drops them.")
        alice.types("\r")
        assert bob.hears("message")["text"] == text
        alice.shows_input("bob ›")
        alice.types("\x1b[A")
        eventually(lambda: alice.input_line.endswith(text.splitlines()[1]))
        alice.types("\r")
        alice.shows(AGAIN)
        alice.types("\r")
        assert bob.hears("message")["text"] == text


def test_a_paste_to_nobody_comes_back(server: ThreadServer) -> None:
    """Without an open conversation it is not lost, and a name can be put in front of it."""
    with join(server) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types(PASTE.format("/etc/fstab:\r/dev/sda1"))
        alice.shows("2 lines pasted")
        alice.types("\r")
        alice.shows("To whom?")
        alice.shows_input("  /dev/sda1")
        alice.types("\x1b[A\x01bob: \r")
        assert bob.hears("message")["text"] == "/etc/fstab:\n/dev/sda1"


def test_a_digit_too_soon(server: ThreadServer) -> None:
    """The line below the question says what Enter does, before it and after it."""
    with join(server, "--room", "#ops") as alice, server.joined("ci") as ci, server.joined("bob") as bob:
        alice.shows("You are in #ops")
        for caller in (ci, bob):
            caller.enters("#ops")
        alice.types("1")
        alice.shows_input("#ops › 1")
        asked = asks(ci, "#ops")
        alice.shows('Enter asks once what "1" is meant for;')
        alice.types("\r")
        alice.shows(
            f'"1" may be meant for the question: {AGAIN} answers ci in #ops with "yes"; /say 1 sends it to #ops.'
        )
        alice.shows('Enter: answers ci in #ops with "yes";')
        alice.types("\r")
        bob.hears("message", text="Deploy?")
        bob.hears("message", re=asked["seq"], answer=0, text="yes")


# Drafts


@pytest.mark.parametrize("look", ["\x1b[A", "\x1b[A\x1b[A", "\x12old\r", "\x12old", "\x12old\x1b", "\x10"])
def test_a_draft_is_what_was_being_typed(server: ThreadServer, tmp_path: Path, look: str) -> None:
    """While earlier lines are looked through, another conversation is opened and the window is closed."""
    state = str(tmp_path / "state")
    with server.joined("bob") as bob, server.joined("carol") as carol:
        with join(server, XDG_STATE_HOME=state) as alice:
            alice.shows("You are alice")
            for caller, name in ((carol, "carol"), (bob, "bob")):
                alice.types(f"{name}: old {name}\r")
                caller.hears("message", text=f"old {name}")
                alice.shows_input(f"{name} ›")
            alice.types("half a line")
            alice.shows_input("bob › half a line")
            alice.types(look)
            eventually(lambda: "half a line" not in alice.input_line or look.endswith("\x1b"))
            if "old" not in look or look.endswith("\r"):
                alice.types("\x1b1")
                alice.shows_input("carol ›")
                alice.types("\x1b2")
                alice.shows_input("bob › half a line")
                alice.types(look)
                eventually(lambda: "half a line" not in alice.input_line)
            alice.process.send_signal(signal.SIGHUP)
            alice.end()
        (kept,) = Path(state, "chatcli", "drafts").iterdir()
        assert json.loads(kept.read_text())["drafts"] == {"bob": "half a line"}
