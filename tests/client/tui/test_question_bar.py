"""Questions in a real terminal: how they are shown, and answered with one key."""

from __future__ import annotations

import time

from tests.support import Caller, Frame, ThreadServer, eventually, new_id
from tests.terminal import Terminal


def join(server: ThreadServer, *options: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    where = ("--server", str(server.address), "--user", "alice")
    return Terminal("join", *where, *options, columns=80, rows=24, **env)


def asks(caller: Caller, to: str = "alice", text: str = "Deploy?", **fields: object) -> Frame:
    """Ask something; return what the server says of it."""
    fields = {"choices": ["yes", "no"], "seconds": 600, **fields}
    caller.says("send", id=new_id(), to=to, text=text, **fields)
    return caller.hears("sent")


def press(terminal: Terminal, key: str) -> None:
    """Press a key until it counts: for a second after a question has come none does."""

    def counts() -> bool:
        terminal.types(key)
        eventually(lambda: terminal.input_line.endswith(f"› {key}"))
        if any("answering" in line or "declining" in line for line in terminal.lines):
            return True
        terminal.types("\x7f")
        eventually(lambda: terminal.input_line.endswith("›"))
        time.sleep(0.1)
        return False

    eventually(counts)


def test_one_key_answers(server: ThreadServer) -> None:
    """The key is shown as the answer that it will be; behind it, "1 moment" is what it says."""
    with join(server) as alice, server.joined("ci") as ci:
        alice.shows("You are alice")
        asked = asks(ci)
        alice.shows("ci → you  Deploy?   [1] yes  [2] no")
        alice.shows("  ?   ci: Deploy?")
        alice.shows("      [1] yes  [2] no  [0] decline  until ")
        press(alice, "1")
        alice.types(" moment\r")
        alice.shows("To whom?")
        alice.types("\x03")
        eventually(lambda: alice.input_line == "›")
        press(alice, "2")
        alice.shows('      answering "no" …')
        answer = ci.hears("message", re=asked["seq"], answer=1, text="no")
        assert answer["from"] == "alice"
        alice.shows('you → ci  ↳ "Deploy?"  answered "no"')
        eventually(lambda: not any("?   ci" in line for line in alice.lines))
        assert alice.input_line == "›"


def test_a_digit_with_more_text_is_text(server: ThreadServer) -> None:
    """Typed in one go, with a question above the line for long; Enter right behind a digit answers at once."""
    with join(server) as alice, server.joined("ci") as ci:
        alice.shows("You are alice")
        alice.types("ci: hello\r")
        assert ci.texts(1) == ["hello"]
        first, second = asks(ci), asks(ci, text="Sure?")
        alice.shows("· 1 more question waits")
        press(alice, "1")
        alice.types("\x7f1 moment\r")
        assert "answer" not in ci.hears("message", text="1 moment")
        press(alice, "0")
        alice.types("\r")
        assert ci.hears("message", re=first["seq"], answer=-1)["text"] == "declined"
        alice.shows("  ?   ci: Sure?")
        alice.types("/answer y\t\r")
        assert ci.hears("message", re=second["seq"], answer=0)["text"] == "yes"


def test_closed_questions_disappear(server: ThreadServer) -> None:
    """By somebody else in the room, or by whoever has asked; and what a late answer gets is told."""
    with join(server, "--room", "#ops") as alice, server.joined("ci") as ci, server.joined("bob") as bob:
        alice.shows("You are in #ops")
        for caller in (ci, bob):
            caller.enters("#ops")
        asked = asks(ci, "#ops", "Who is on call?", choices=["I", "not me"])
        alice.shows("  ?   ci in #ops: Who is on call?")
        assert b"\a" in alice.raw
        bob.says("send", id=new_id(), to="#ops", text="", re=asked["seq"], answer=0)
        alice.shows('#ops  bob  ↳ "Who is on call?"  answered "I"')
        eventually(lambda: not any("?   ci" in line for line in alice.lines))
        alice.types("/answer 1\r")
        alice.shows("No question is open")
        ci.hears("message", re=asked["seq"])
        asked = asks(ci)
        alice.shows("  ?   ci: Deploy?")
        ci.says("send", id=new_id(), to="alice", text="", re=asked["seq"], answer=-1)
        alice.shows('ci → you  ↳ "Deploy?"  withdrawn')
        eventually(lambda: not any("?   ci" in line for line in alice.lines))


def test_enter_must_follow_in_vi(server: ThreadServer) -> None:
    """A digit in the line says that Enter makes it the answer."""
    with join(server, "--keys", "vi") as alice, server.joined("ci") as ci:
        alice.shows("You are alice")
        asked = asks(ci)
        alice.shows("  ?   ci: Deploy?")
        press(alice, "1")
        alice.shows('Enter: answering "yes";')
        alice.types("\r")
        ci.hears("message", re=asked["seq"], answer=0)


def test_digits_in_plain_lines(server: ThreadServer) -> None:
    """The line with the question says how; what the terminal shows is told once."""
    with join(server, "--plain") as alice, server.joined("ci") as ci:
        alice.shows("You are alice")
        asked = asks(ci)
        alice.shows("Deploy?   [1] yes  [2] no")
        alice.shows("To answer, type 1 or 2; 0 declines")
        alice.types("/answer 2\r")
        ci.hears("message", re=asked["seq"], answer=1)
        alice.shows('You have answered "no"')
        asked = asks(ci)
        eventually(lambda: sum("To answer" in line for line in alice.lines) == 2)

        def told() -> list[str]:
            return [line for line in alice.lines if "You have answered" in line or "To whom?" in line]

        def answered() -> bool:  # for a second after the question has come a digit is text
            before = len(told())
            alice.types("1\r")
            eventually(lambda: len(told()) > before)
            return "answered" in told()[-1]

        eventually(answered)
        ci.hears("message", re=asked["seq"], answer=0)
