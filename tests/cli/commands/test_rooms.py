"""``chatcli rooms``: the rooms that the user may see."""

from __future__ import annotations

import datetime
import json

import pytest

from tests.here import run_here
from tests.support import ThreadServer, chatcli
from tests.terminal import Terminal


def test_lines_in_a_pipe(server: ThreadServer) -> None:
    """Name, kind, members, topic, and the newest message's time, sender and text on one line, separated by tabs."""
    with server.joined("bob") as bob, server.joined("alice", "listen") as alice:
        bob.enters("#ops")
        bob.asks("topic", room="#ops", text="what runs\tand what does not")
        bob.enters("#news", kind="announcement")
        alice.enters("#ops")
        bob.sends("#ops", "two\nlines \x1b[31m")
        at = alice.hears("message")["at"]
        done = chatcli("rooms", "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stderr) == (0, "")
    news, ops = (line.split("\t") for line in done.stdout.splitlines())
    assert news == ["#news", "announcement", "1", "", "", "", ""]
    moment = datetime.datetime.fromisoformat(ops.pop(4))
    assert moment == datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    assert ops == ["#ops", "open", "2", "what runs\\tand what does not", "bob", "two\\nlines ␛[31m"]


def test_json(server: ThreadServer) -> None:
    """One object per line; invited users see a private room, but not its messages."""
    with server.joined("bob") as bob, server.joined("alice", "listen") as alice:
        bob.enters("#ops")
        alice.enters("#ops")
        bob.enters("#secret", kind="private")
        bob.asks("operate", do="invite", to="alice", room="#secret")
        bob.sends("#secret", "psst")
        bob.sends("#ops", "hi")
        seq = alice.hears("message")["seq"]
        done = chatcli("rooms", "--json", "--user", "alice", "--server", str(server.address))
    ops, secret = map(json.loads, done.stdout.splitlines())
    last = ops.pop("last")
    assert ops == {
        "room": "#ops", "kind": "open", "members": 2, "topic": "", "owners": ["bob"], "joined": True, "invited": False,
    }  # fmt: skip
    assert (last["seq"], last["from"], last["to"], last["text"], last["re"]) == (seq, "bob", "#ops", "hi", None)
    assert secret == {
        "room": "#secret", "kind": "private", "members": 1, "topic": "", "owners": ["bob"], "joined": False,
        "invited": True, "last": None,
    }  # fmt: skip


def test_columns_on_a_terminal(server: ThreadServer) -> None:
    """There are headings, and no line is longer than the terminal is wide."""
    with server.joined("bob") as bob:
        bob.enters("#operations")
        bob.enters("#ops")
        bob.asks("topic", room="#ops", text="nothing " * 50)
        bob.sends("#ops", "very long " * 50)
        bob.hears("sent")
        with Terminal("rooms", "--user", "bob", "--server", str(server.address)) as terminal:
            terminal.shows("bob: very")
            heading, *lines = terminal.lines
    assert heading.split() == ["name", "kind", "you", "members", "topic", "last", "message"]
    assert len(lines) == 2
    assert {line[heading.index("kind") :].split()[0] for line in lines} == {"open"}
    assert lines[1].endswith("…")


def test_narrow_terminal(server: ThreadServer) -> None:
    """Name, role and newest message have priority."""
    with server.joined("bob") as bob:
        bob.enters("#operations")
        bob.asks("topic", room="#operations", text="nothing " * 50)
        bob.sends("#operations", "hello there")
        bob.hears("sent")
        heading, line = Terminal.printed("rooms", "--user", "bob", "--server", str(server.address), columns=44)
    assert heading.split() == ["name", "kind", "you", "last", "message"]
    assert line.split()[:3] == ["#operations", "open", "member"]
    assert "bob: h" in line


def test_no_rooms(server: ThreadServer) -> None:
    """Nothing is printed, because an empty answer is an answer."""
    server.joined("alice").hang_up()
    done = chatcli("rooms", "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_rooms_on_a_terminal(server: ThreadServer) -> None:
    """The remark has a shell command that quotes the room."""
    server.joined("alice").hang_up()
    with Terminal("rooms", "--user", "alice", "--server", str(server.address)) as terminal:
        terminal.shows("There are no rooms yet. This makes one:")
        terminal.shows(f"chatcli join --room '#lobby' --server {server.address} --user alice")


def test_unknown_user(server: ThreadServer) -> None:
    """The request needs an owned name, and creates no user."""
    done = chatcli("rooms", "--user", "spy", "--server", str(server.address))
    assert (done.returncode, done.stdout) == (3, "")
    assert 'Nobody called "spy" was ever here' in done.stderr
    done = chatcli("rooms", "--server", str(server.address))
    assert "--user" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["send", "OPS", "hi"],
        ["ask", "ops", "ok?"],
        ["history", "ops"],
        ["listen", "ops"],
        ["search", "x", "--in", "ops"],
    ],
)
def test_room_without_its_sign(server: ThreadServer, words: list[str]) -> None:
    """An unknown user's name may be meant as a room; invisible rooms are not revealed."""
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        bob.enters("#ops")
        done = run_here(*words, "--user", "alice", "--server", str(server.address))
        assert (done.returncode, done.stdout) == (3, "")
        assert "was ever here; did you mean '#ops'?" in done.stderr
        bob.enters("#opera", kind="private")
        done = run_here("history", "opera", "--user", "alice", "--server", str(server.address))
    assert "was ever here: check the spelling, or have them join once." in done.stderr


@pytest.mark.parametrize("name", ["bob:", "@bob"])
def test_name_with_punctuation(server: ThreadServer, name: str) -> None:
    """A colon after a name, or a sign before it, is ignored: the named user is asked."""
    server.joined("bob").hang_up()
    done = run_here("send", name, "hi", "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stdout) == (3, "")
    assert f'Nobody can be called "{name}": did you mean bob?' in done.stderr
