"""What counts as read, in real terminals: lunch, another device, a second visit, and everything that ends them."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from chatcli.server.state.read_positions import public_up_to, read_up_to
from tests.preloaded import values
from tests.support import Caller, ThreadServer, chatcli, eventually, known
from tests.terminal import Terminal

FOCUS, BLUR = "\x1b[I", "\x1b[O"


def join(server: ThreadServer, user: str = "alice", *options: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", "--server", str(server.address), "--user", user, *options, columns=100, rows=24, **env)


def says(bob: Caller, text: str, to: str = "alice") -> int:
    """Have bob send a message; return its place in the log."""
    identity = bob.sends(to, text)
    while (frame := bob.next()) is not None and (frame["t"] != "sent" or frame["id"] != identity):
        pass
    assert frame is not None
    return int(frame["seq"])


def read(server: ThreadServer, of: str = "bob", user: str = "alice") -> int:
    """Return the place in the log up to which a user has read a conversation."""
    other = server.hub.rooms.find(known(server, user), of) if of.startswith("#") else known(server, of)
    return server.run(lambda: read_up_to(known(server, user), other.id))


def seen(server: ThreadServer) -> int:
    """Return the place in the log up to which bob knows that alice has seen what he said."""
    return server.run(lambda: public_up_to(known(server, "alice"), known(server, "bob").id))


def received(server: ThreadServer, seq: int) -> None:
    """Wait until a client of alice's has drawn everything up to a place in the log, and has said so."""
    eventually(lambda: server.run(lambda: known(server, "alice").received) >= seq)


def opens(alice: Terminal, name: str) -> None:
    """Open a conversation."""
    alice.types(f"/to {name}\r")
    alice.shows(f"What you type goes to {name} now")


def test_lunch(server: ThreadServer) -> None:
    """Messages in a window without the focus are not seen until the focus is back."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        alice.types(FOCUS)
        first = says(bob, "before lunch")
        eventually(lambda: seen(server) == first)
        alice.types(f"x{BLUR}")
        alice.shows_input("bob › x")  # and so the loss of the focus, which came with it, was processed
        for text in ("one", "two"):  # that the last one is drawn shows that nothing was said of those before
            last = says(bob, text)
            alice.shows(f"bob → you  {text}")
            received(server, last)
        assert (seen(server), read(server)) == (first, first)
        alice.types(FOCUS)
        eventually(lambda: seen(server) == last)
        assert alice.input_line == "bob › x"


def test_lunch_without_a_lock(server: ThreadServer) -> None:
    """A terminal that keeps the focus, and that nobody touches, reads nothing; a key does."""
    hasty = values({"chatcli.client.reading.attention:_THERE": 0})
    with server.joined("bob") as bob, join(server, **hasty) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        alice.types(FOCUS)
        for text in ("one", "two"):
            last = says(bob, text)
            alice.shows(f"bob → you  {text}")
            received(server, last)
        assert read(server) == 0
        eventually(lambda: b"\a" in alice.raw)
        alice.types("x")
        eventually(lambda: read(server) == last)


def test_a_terminal_that_reports_no_focus(server: ThreadServer) -> None:
    """Only a key after the message proves that somebody is there."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        for text in ("one", "two"):
            last = says(bob, text)
            alice.shows(f"bob → you  {text}")
            received(server, last)
        assert seen(server) == 0
        alice.types("h")
        eventually(lambda: seen(server) == last)


def test_away(server: ThreadServer) -> None:
    """Nothing is read until the user is back, whatever is pressed."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        alice.types(f"{FOCUS}/away lunch\r")
        alice.shows_toolbar("you are away")
        for text in ("one", "two"):
            last = says(bob, text)
            alice.shows(f"bob → you  {text}")
            received(server, last)
            alice.types("x")
        alice.shows_input("bob › xx")
        assert seen(server) == 0
        alice.types("\x03/back\r")
        eventually(lambda: seen(server) == last)


def test_away_on_another_device(server: ThreadServer) -> None:
    """The user is away on all of them, until they say or write something on one."""
    attach = partial(join, server, "alice", "--attach")
    with server.joined("bob") as bob, attach() as alice, attach() as other:
        for device in (alice, other):
            device.shows_toolbar("connected ")
            opens(device, "bob")
        alice.types(FOCUS)
        other.types("/away lunch\r")
        alice.shows_toolbar("you are away")
        last = says(bob, "one")
        alice.shows("bob → you  one")
        received(server, last)
        alice.types("x")
        alice.shows_input("bob › x")
        assert seen(server) == 0
        other.types("/back\r")
        eventually(lambda: "away" not in alice.toolbar)
        alice.types("y")
        eventually(lambda: seen(server) == last)


def test_away_without_a_connection(tmp_path: Path) -> None:
    """A position that was never sent to the server holds nothing back later."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with ThreadServer(data) as server, join(server) as alice:
        port = server.address.port
        alice.shows_toolbar("connected ")
        server.stop()
        alice.shows("Connection lost")
        alice.types("/away lunch\r")
        alice.shows("Not connected at the moment")
        with ThreadServer(data, port=port) as again, again.joined("bob") as bob:
            alice.shows_toolbar("connected ")
            opens(alice, "bob")
            last = says(bob, "one")
            alice.shows("bob → you  one")
            received(again, last)
            alice.types("x")
            eventually(lambda: seen(again) == last)


def test_other_conversations_stay_unread(server: ThreadServer) -> None:
    """They are printed, and unread until their conversation is opened."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "alice")
        alice.types(FOCUS)
        last = says(bob, "hi")
        alice.shows_toolbar("2:bob 1")
        alice.types("x\x03")
        received(server, last)
        assert seen(server) == 0
        alice.types("\x1b2")
        eventually(lambda: seen(server) == last)
        alice.shows_toolbar("2:bob here")


def test_exit_and_join_again(server: ThreadServer) -> None:
    """Messages printed in the first visit are unread in the second one, which shows them on opening."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
        with join(server, "alice", "--room", "#ops") as alice:
            alice.shows_toolbar("#ops 2 here")
            opens(alice, "alice")
            says(bob, "deploy", "#ops")
            last = says(bob, "hi")
            alice.shows("bob → you  hi")
            received(server, last)
            alice.types("\x04")
            assert alice.end() == 0
        status = chatcli("status", "--unread", "--user", "alice", "--server", str(server.address))
        assert status.stdout == "2\n"
        with join(server) as alice:
            alice.shows_toolbar("1:bob 1 · 2:#ops 1")
            assert not any("bob → you" in line for line in alice.lines)
            alice.types("\x1b1")
            alice.shows("── new in bob ──")
            alice.shows("bob → you  hi")
            alice.shows_toolbar("2:#ops 1")
            alice.types("x")
            eventually(lambda: seen(server) == last)
            assert read(server, "#ops") == 0


def test_two_devices(server: ThreadServer) -> None:
    """They show the same counts, and what is read on one of them is read on the other."""
    with server.joined("bob") as bob, join(server) as desk:
        desk.shows_toolbar("connected ")
        opens(desk, "alice")
        last = says(bob, "hi")
        desk.shows_toolbar("2:bob 1")
        with join(server, "alice", "--attach") as laptop:
            laptop.shows_toolbar("1:bob 1")
            last = says(bob, "there?")
            desk.shows_toolbar("2:bob 2")
            laptop.shows_toolbar("1:bob 2 unread · here")
            opens(laptop, "bob")
            laptop.shows("── new in bob ──")
            laptop.shows("bob → you  hi")
            laptop.types("x")
            eventually(lambda: "bob" not in desk.toolbar)
            assert seen(server) == last
            says(bob, "and now?")
            desk.shows_toolbar("2:bob 1")


def test_takeover(server: ThreadServer) -> None:
    """The client that takes over shows as unread what the one before has only printed."""
    with server.joined("bob") as bob, join(server) as desk:
        desk.shows_toolbar("connected ")
        opens(desk, "alice")
        received(server, says(bob, "hi"))
        desk.shows_toolbar("2:bob 1")
        with join(server, "alice", "--takeover") as laptop:
            laptop.shows_toolbar("1:bob 1")
            assert seen(server) == 0


def test_marked_as_unread(server: ThreadServer) -> None:
    """On all devices, until it is opened; others do not learn of it."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        first, second = says(bob, "one"), says(bob, "two")
        alice.shows("bob → you  two")
        alice.types(" ")
        eventually(lambda: seen(server) == second)
        question = bob.sends("alice", "ok?", choices=["yes", "no"])
        alice.shows("ok?")
        withdrawal = bob.sends("alice", "", re=bob.hears("sent", id=question)["seq"], answer=-1)
        newest = bob.hears("sent", id=withdrawal)["seq"]
        alice.shows("withdrawn")  # settled: neither of the two can be unread
        alice.types("\x03/unread\r")
        alice.shows('bob is unread from "two" on, until you open it')
        alice.shows_toolbar("1:bob 1")
        eventually(lambda: read(server) == second - 1)
        alice.types("x\x03")
        with join(server, "alice", "--attach") as laptop:
            laptop.shows_toolbar("1:bob 1")
            alice.types("/unread 2\r")
            alice.shows('"ok?" is a question or an answer: name an earlier message.')
            alice.types("/unread 4\r")
            alice.shows('bob is unread from "one" on')
            laptop.shows_toolbar("1:bob 2")
        eventually(lambda: read(server) == first - 1)
        assert seen(server) == second
        alice.types("\x1b1")
        eventually(lambda: read(server) == newest)


def test_closed_conversations(server: ThreadServer, tmp_path: Path) -> None:
    """They stay closed in later visits, until something new comes there."""
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with server.joined("bob") as bob:
        with join(server, **state) as alice:
            alice.shows_toolbar("connected ")
            opens(alice, "alice")
            received(server, says(bob, "hi"))
            alice.shows_toolbar("2:bob 1")
            alice.types("/close bob\r")
            alice.shows("bob is closed until something new comes there")
            alice.types("\x04")
            assert alice.end() == 0
        with join(server, **state) as alice, server.joined("cid") as cid:
            alice.shows_toolbar("connected ")
            opens(alice, "alice")
            says(cid, "hi")
            alice.shows_toolbar("2:cid 1")
            assert "bob" not in alice.toolbar
            says(bob, "again")
            alice.shows_toolbar("bob 2")


def test_plain_lines(server: ThreadServer) -> None:
    """A line that was typed after the message was printed shows that somebody is there."""
    with server.joined("bob") as bob, join(server, "alice", "--plain") as alice:
        alice.shows("You are alice")
        opens(alice, "bob")
        last = says(bob, "hi")
        alice.shows("bob → you  hi")
        received(server, last)
        assert seen(server) == 0
        assert b"1004" not in alice.raw
        alice.types("\r")
        eventually(lambda: seen(server) == last)


def test_pipe(server: ThreadServer) -> None:
    """Nothing is read, whatever a program writes."""
    with server.joined("bob") as bob:
        chatcli("join", "--user", "alice", "--server", str(server.address))
        last = says(bob, "hi")
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=b"/to bob\nbob: thanks\n")
        assert "bob → you  hi" in done.stdout
        received(server, last)
        assert seen(server) == 0


def test_nobody_is_there(server: ThreadServer) -> None:
    """A terminal that nobody touches says so, and at the first key again."""
    hasty = values({"chatcli.client.reading.attention:_IDLE": 0.3})

    def idle() -> int:
        return server.run(lambda: server.hub.presence.person(known(server, "alice"))).idle

    with join(server, **hasty) as alice:
        alice.shows_toolbar("connected ")
        eventually(idle)
        alice.types("x")
        eventually(lambda: not idle())


def test_bell(server: ThreadServer) -> None:
    """It does not ring for somebody who looks at the conversation; without the focus it does."""
    with server.joined("bob") as bob, join(server) as alice:
        alice.shows_toolbar("connected ")
        opens(alice, "bob")
        alice.types(FOCUS)
        eventually(lambda: alice.input_line == "bob ›")
        says(bob, "here?")
        alice.shows("bob → you  here?")
        assert b"\a" not in alice.raw
        alice.types(f"half a line{BLUR}")
        alice.shows_input("bob › half a line")
        received(server, says(bob, "and now?"))
        eventually(lambda: b"\a" in alice.raw)


def test_editor_gets_no_reports(server: ThreadServer, tmp_path: Path) -> None:
    """The reports of the focus are off while an editor has the terminal."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf EDITING\nread line\n")
    editor.chmod(0o700)
    with join(server, EDITOR=str(editor)) as alice:
        alice.shows_toolbar("connected ")
        eventually(lambda: b"\x1b[?1004h" in alice.raw)
        alice.types("\x18\x05")
        eventually(lambda: b"EDITING" in alice.raw)
        assert b"\x1b[?1004l" in alice.raw[: alice.raw.rfind(b"EDITING")]
        alice.types("\r")
        eventually(lambda: alice.raw.rfind(b"\x1b[?1004h") > alice.raw.rfind(b"EDITING"))


@pytest.mark.parametrize("end", ["exit", "server", "signal", "crash"])
def test_reports_end_with_the_client(server: ThreadServer, end: str) -> None:
    """However it ends, the shell gets no reports."""
    broken = values({"chatcli.client.tui.app:_BETWEEN_DRAWINGS": "no number"} if end == "crash" else {})
    with join(server, **broken) as alice, server.joined("bob") as bob:
        alice.shows_toolbar("connected ")
        eventually(lambda: b"\x1b[?1004h" in alice.raw)
        match end:
            case "exit":
                alice.types("\x04")
            case "server":
                with server.joined("alice", present="takeover"):
                    alice.end()
            case "signal":
                alice.process.send_signal(signal.SIGTERM)
            case "crash":
                bob.sends("alice", "hi")
        alice.end()
        assert alice.raw.rfind(b"\x1b[?1004l") > alice.raw.rfind(b"\x1b[?1004h")
