"""Unread conversations above the input line, and the place where the user stopped, in a real terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chatcli.server.state.read_positions import read_up_to
from tests.support import Caller, ThreadServer, eventually, known
from tests.terminal import Terminal


@pytest.fixture
def bob(server: ThreadServer) -> Iterator[Caller]:
    """Bob, in #ops with alice, who is not here."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        bob.enters("#ops")
        alice.says("bye")
        eventually(lambda: not known(server, "alice").joined, "the end of alice's connection")
        yield bob


def join(server: ThreadServer, *more: str, columns: int = 80, rows: int = 24) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    where = str(server.address)
    return Terminal("join", "--server", where, "--user", "alice", *more, columns=columns, rows=rows)


def receives_all(server: ThreadServer) -> None:
    """Wait until a client of alice's has acknowledged all messages."""
    eventually(lambda: server.run(lambda: known(server, "alice").received >= server.hub.log.head), "the receipt")


def cut_off(server: ThreadServer, name: str) -> None:
    """Break the connections of a user."""
    for connection in tuple(server.hub.connections):
        if connection.session is not None and connection.session.user is known(server, name):
            connection.abort()


def says(sender: Caller, to: str, text: str) -> int:
    """Have somebody send a message; return its place in the log."""
    identity = sender.sends(to, text)
    while (frame := sender.next()) is not None and (frame["t"] != "sent" or frame["id"] != identity):
        pass
    assert frame is not None
    return int(frame["seq"])


def has_read(server: ThreadServer, of: str, seq: int) -> bool:
    """Return whether alice has read a conversation up to a place in the log."""
    alice = known(server, "alice")
    other = server.hub.rooms.find(alice, of) if of.startswith("#") else known(server, of)
    return server.run(lambda: read_up_to(alice, other.id) >= seq)


def above(alice: Terminal) -> list[str]:
    """Return the lines of unread conversations."""
    rows = alice.rows
    start = next((number for number, row in enumerate(rows) if row.startswith("Unread:")), None)
    return [] if start is None else rows[start:-2]


def tail(alice: Terminal) -> list[str]:
    """Return the last lines above the input line."""
    return [line.rstrip("─ ") if line.startswith("──") else line[6:] for line in alice.rows[:-2] if line]


def test_another_device(server: ThreadServer, bob: Caller) -> None:
    """Nothing was read where alice was last: on the next device all of it is unread, and shown where she stopped."""
    with join(server) as first:
        first.shows_toolbar("connected ")
        bob.sends("#ops", "deploy?")
        bob.sends("alice", "hi")
        bob.sends("#ops", "alice: deploy!")
        first.shows("deploy!")
        receives_all(server)
    with join(server, "--takeover") as alice:
        eventually(lambda: above(alice) == ["Unread: 1:#ops 2 @1 · 2:bob 1"], "the unread conversations")
        assert not any("while you were away" in line for line in alice.lines)
        alice.types("\x1b2")
        alice.shows_input("bob ›")
        eventually(lambda: tail(alice)[-3:] == ["── new in bob", "bob → you  hi", ": 1:#ops 2 @1"], "the end of bob's")
        alice.types("\x1b1")
        alice.shows_input("#ops ›")
        eventually(
            lambda: tail(alice)[-3:] == ["── new in #ops", "#ops  bob  deploy?", "• #ops  bob  alice: deploy!"],
            "the end of the room",
        )
        assert above(alice) == []
        alice.types("\x1b2")
        alice.shows_input("bob ›")
        alice.types("\x1b1ok\r")
        alice.shows("#ops  you  ok")
        assert sum("deploy!" in line for line in alice.lines) == 1  # what is in view is not said twice
    with join(server, "--takeover") as alice:
        alice.shows_toolbar("connected ")
        alice.shows("Here: ")
        assert above(alice) == []


def test_what_came_last_is_not_repeated(server: ThreadServer, bob: Caller) -> None:
    """It stands above the input line already."""
    bob.sends("alice", "one")
    bob.sends("alice", "two")
    with join(server) as alice:
        alice.shows("2 messages while you were away")
        eventually(lambda: above(alice) == ["Unread: 1:bob 2"], "the unread conversation")
        alice.types("\x1b1")
        eventually(lambda: above(alice) == [], "that it was read")
        alice.types("x")
        alice.shows_input("bob › x")
        assert sum("bob → you" in line for line in alice.lines) == 2
        assert not any("new" in line for line in alice.lines)


def test_many_unread_conversations(server: ThreadServer, bob: Caller) -> None:
    """Three lines at most, fewer in a low window; /list has them all."""
    with server.joined("alice") as alice:
        for number in range(12):
            alice.enters(f"#room-{number}")
            bob.enters(f"#room-{number}")
    for number in range(12):
        bob.sends(f"#room-{number}", "hi")
    with join(server, columns=40, rows=24) as alice:
        lines = [
            "Unread: 1:#room-11 1 · 2:#room-10 1",
            "  3:#room-9 1 · 4:#room-8 1",
            "  5:#room-7 1 · +7 more: /list",
        ]
        eventually(lambda: above(alice) == lines, "three lines")
    with join(server, "--takeover", columns=40, rows=9) as alice:
        eventually(lambda: above(alice) == ["Unread: 1:#room-11 1 · +11 more: /list"], "one line")
        alice.types("/list\r")
        eventually(lambda: above(alice) == [], "no line, as the list has all")


def test_plain_lines(server: ThreadServer, bob: Caller) -> None:
    """The unread conversations are a line at the start, and a conversation that is opened shows its end."""
    with join(server) as first:
        first.shows_toolbar("connected ")
        bob.sends("#ops", "deploy?")
        bob.sends("alice", "hi")
        first.shows("bob → you  hi")
        receives_all(server)
    with join(server, "--takeover", "--plain") as alice:
        alice.shows("Unread: ")
        alice.types("/to #ops\n")
        alice.shows("#ops  bob  deploy?")
        assert "new in #ops" in alice.lines, alice.lines
        alice.types("/list\n")
        alice.shows("#ops")
        eventually(lambda: any(line.endswith("bob: deploy?") for line in alice.lines), "the list")


def test_closed_conversations_stay_closed(server: ThreadServer, bob: Caller) -> None:
    """Neither a new connection nor the server's list brings one back; a message does."""
    with join(server) as alice:
        alice.shows_toolbar("connected ")
        bob.sends("alice", "hi")
        alice.shows_toolbar("1:bob")
        alice.types("/close bob\r")
        alice.shows("bob is closed until something new comes there")
        server.run(lambda: cut_off(server, "alice"))
        alice.shows("Connected again.")
        alice.types("/list\r")
        alice.shows("These are not all: /list all")
        assert "bob" not in alice.toolbar
        bob.sends("alice", "are you there?")
        alice.shows_toolbar("│ 2:bob ")


def test_nothing_is_read_above_the_window(server: ThreadServer, bob: Caller) -> None:
    """A message that a hundred lines have pushed out of the window is unread until it is shown anew."""
    with server.joined("dave") as dave:
        call = says(dave, "alice", "call me")
        for number in range(1, 101):
            line = says(bob, "#ops", f"line {number}")
        with join(server) as alice:
            alice.shows_toolbar("connected ")
            alice.shows("line 100")
            eventually(lambda: above(alice) != [], "the unread conversations")
            assert alice.input_line == "dave ›"
            alice.types("\x1b2")
            alice.shows_input("#ops ›")
            alice.shows("50 earlier unread in #ops: /history")
            eventually(lambda: has_read(server, "#ops", line), "that the room was read")
            assert not has_read(server, "dave", call)
            alice.types("\x1b1")
            alice.shows_input("dave ›")
            eventually(lambda: has_read(server, "dave", call), "that dave was read")
            eventually(lambda: sum("dave → you  call me" in line for line in alice.lines) == 2)


def test_the_last_screenful_is_read(server: ThreadServer, bob: Caller) -> None:
    """A key reads what is in view; what was above the window is shown anew before the answer."""
    with join(server) as alice:
        alice.shows_toolbar("connected ")
        alice.types("/to bob\r")
        alice.shows("What you type goes to bob now")
        for number in range(5):
            one = says(bob, "alice", f"one {number}")
        alice.shows("one 4")
        receives_all(server)
        alice.types("y")
        eventually(lambda: has_read(server, "bob", one), "that these were read")
        two = says(bob, "alice", "two")
        for number in range(30):
            bob.sends("#ops", f"line {number}")
        alice.shows("line 29")
        receives_all(server)
        alice.types("es")
        alice.shows_input("bob › yes")
        assert not has_read(server, "bob", two)
        alice.types("\r")
        alice.shows("you → bob  yes")
        eventually(lambda: has_read(server, "bob", two), "that it was read")
        assert sum("bob → you  two" in line for line in alice.lines) == 2


def test_plain_lines_far_above(server: ThreadServer, bob: Caller) -> None:
    """Somebody who reads line by line has read the last ones only."""
    call = says(bob, "alice", "call me")
    for number in range(40):
        line = says(bob, "#ops", f"line {number}")
    with join(server, "--plain") as alice:
        alice.shows("Unread: ")
        alice.types("\n")
        alice.types("/to #ops\n")
        alice.shows("What you type goes to #ops now")
        eventually(lambda: has_read(server, "#ops", line), "that the room was read")
        assert not has_read(server, "bob", call)
