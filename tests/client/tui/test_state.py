"""Knowing where one is: the toolbar, what waits to be sent, and connections that break, in a real terminal."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from chatcli.client.outbox.store import read_all
from chatcli.protocol.values.address import Address
from tests.client.restorable import Restorable
from tests.preloaded import values
from tests.support import Caller, Program, ThreadServer, eventually, serving
from tests.terminal import Terminal

AT_ONCE = 0.15  # seconds: who waits longer is shown what waits


def join(where: object, user: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", "--server", str(where), "--user", user, columns=80, rows=24, **env)


def stop(server: Program) -> None:
    """Stop the server's process where it is: its connections stay, and nothing answers."""
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)


def visit(address: Address) -> None:
    """Have bob in the chat for a moment."""
    with Caller(address) as bob:
        bob.greets("bob")
        bob.hears("welcome")


def texts(address: Address) -> list[str]:
    """Return the messages between alice and bob."""
    with Caller(address) as bob:
        bob.greets("bob", purpose="query")
        bob.hears("welcome")
        bob.says("history", of="alice", n=50)
        return [message["text"] for message in bob.hears("history")["messages"]]


def test_the_toolbar_tells_where_one_is(server: ThreadServer) -> None:
    """Who and where one is, how long an answer takes, and why the server is trusted."""
    with join(server.address, "alice") as alice:
        alice.shows_toolbar(f"alice@{server.address}")
        alice.shows_toolbar("connected ")
        alice.shows_toolbar(" ms │ local, not encrypted")
        alice.resize(40, 24)
        alice.shows_toolbar(" alice │ connected ")
        assert "encrypted" not in alice.toolbar


def test_the_toolbar_shows_receipts(server: ThreadServer) -> None:
    """Not when it was delivered: when it was shown there, and no longer once more is said."""
    with join(server.address, "alice") as alice, server.joined("bob") as bob:
        alice.shows_toolbar("connected ")
        alice.types("bob: hi\r")
        alice.shows_toolbar("│ 1:bob here │")
        assert bob.texts(1) == ["hi"]
        alice.shows_toolbar("│ 1:bob here, seen │")
        alice.types("and more\r")
        alice.shows_toolbar("│ 1:bob here │")


def test_presence_of_somebody_to_whom_nothing_was_said(server: ThreadServer) -> None:
    """The toolbar follows the person whose conversation is open: they come, go away from the keyboard, and leave."""
    server.joined("dave").hang_up()
    with join(server.address, "alice") as alice:
        alice.shows_toolbar("connected ")
        alice.types("/to dave\r")
        alice.shows_toolbar("│ 1:dave gone │")
        with server.joined("dave") as dave:
            alice.shows_toolbar("│ 1:dave here │")
            dave.asks("away")
            alice.shows_toolbar("│ 1:dave away │")
        alice.shows_toolbar("│ 1:dave gone │")


def test_presence_after_a_restore(tmp_path: Path) -> None:
    """The restored log does not know that the two have talked: the one who comes back first learns of the other."""
    with Restorable(tmp_path) as server:
        server.back_up()
        with join(server.address, "alice") as alice, join(server.address, "bob") as bob:
            alice.shows_toolbar("connected ")
            bob.shows_toolbar("connected ")
            bob.types("alice: hi\r")
            bob.shows_toolbar("│ 1:alice here")
            alice.shows("bob → you  hi")
            alice.process.send_signal(signal.SIGSTOP)
            server.restore()
            bob.shows(" restored")
            bob.shows_toolbar("│ 1:alice gone")
            alice.process.send_signal(signal.SIGCONT)
            bob.shows_toolbar("│ 1:alice here")


def test_whoever_speaks_first_is_here(server: ThreadServer) -> None:
    """At no moment does the toolbar say that somebody is gone who has joined later, and has just spoken."""
    with join(server.address, "alice") as alice:
        alice.shows_toolbar("connected ")
        with join(server.address, "bob") as bob:
            bob.shows_toolbar("connected ")
            bob.types("alice: hi\r")
            alice.shows_toolbar("│ 1:bob 1 unread · here")
            alice.types("hi, is the build green?\r")
            bob.shows_toolbar("│ 1:alice here")
            bob.types("all of it\r")
            alice.shows("bob → you  all of it")
            assert b"gone" not in alice.raw + bob.raw
            assert not any("not here" in line for line in [*alice.lines, *bob.lines])


def test_the_toolbar_reminds_of_switches(server: ThreadServer) -> None:
    """Of being away, also by the user's other device, and of what does not ring."""
    with join(server.address, "alice") as alice, server.joined("bob") as bob:
        alice.shows_toolbar("connected ")
        alice.types("/away lunch\r")
        alice.shows_toolbar("│ you are away │")
        alice.types("/dnd\r")
        alice.shows_toolbar("│ you are away · do not disturb │")
        alice.types("/to bob\r")
        alice.shows_toolbar("│ 1:bob here │")
        alice.types("/quiet\r")
        alice.shows_toolbar("│ 1:bob here, quiet │")
        with server.joined("alice", present="attach") as phone:
            phone.asks("away", back=True)
            alice.shows_toolbar("│ do not disturb │ 1:bob here, quiet │")
        alice.types("/quiet off\r")
        alice.shows("bob is no longer quiet")
        bob.sends("alice", "ping")
        alice.shows("bob → you  ping")
        assert b"\a" not in alice.raw
        alice.types("/dnd off\r")
        alice.shows("Messages ring again")
        bob.sends("alice", "pong")
        alice.shows("bob → you  pong")
        eventually(lambda: b"\a" in alice.raw)
        assert "disturb" not in alice.toolbar
        alice.types("/dnd now\r")
        alice.shows('Write "/dnd [off]".')


def test_the_toolbar_knows_who_came_later(server: ThreadServer) -> None:
    """The server tells nothing of the coming of people with whom the user has nothing to do yet."""
    with join(server.address, "alice") as alice:
        alice.shows_toolbar("connected ")
        with server.joined("bob"), server.joined("carol") as carol:
            alice.types("/to bob\r")
            alice.shows_toolbar("│ 1:bob here │")
            carol.sends("alice", "hello")
            alice.shows("carol → you  hello")
            alice.types("carol: hi\r")
            alice.shows_toolbar("│ 2:carol here")
            carol.says("bye")
            alice.shows_toolbar("│ 2:carol gone")


def test_the_toolbar_knows_the_conversations(server: ThreadServer) -> None:
    """The open one with who is in it, the others with what is unread, each with the digit that opens it and stays."""
    with join(server.address, "alice") as alice, server.joined("bob") as bob:
        alice.shows_toolbar("connected ")
        alice.types("/join #ops\r")
        alice.shows_toolbar("│ 1:#ops 1 here │")
        bob.enters("#ops")
        alice.shows_toolbar("│ 1:#ops 2 here │")
        bob.sends("alice", "one")
        bob.sends("alice", "two")
        alice.shows_toolbar("│ 1:#ops 2 here │ 2:bob 2 │")
        alice.types("bob: hi\r")
        alice.shows_toolbar("│ 2:bob here │")
        bob.sends("#ops", "three")
        alice.shows_toolbar("│ 2:bob here │ 1:#ops 1 │")
        alice.resize(40, 24)
        alice.shows_toolbar("bob here │ ")
        alice.shows_toolbar("#ops 1")
        bob.says("bye")
        alice.shows_toolbar("bob gone")


def test_the_toolbar_is_erased_at_the_end(server: ThreadServer) -> None:
    """Only messages stay in the scrollback."""
    with join(server.address, "alice") as alice:
        alice.shows_toolbar("connected ")
        alice.types("\x04")
        assert alice.end() == 0
        eventually(lambda: not any("connected" in line for line in [*alice.lines, alice.toolbar]))


def test_no_toolbar_in_the_scrollback(server: ThreadServer) -> None:
    """However much is drawn above it, the toolbar stands once."""
    with join(server.address, "alice") as alice, server.joined("bob") as bob:
        alice.shows_toolbar("connected ")
        for number in range(300):
            bob.sends("alice", f"number {number}")
        alice.shows("number 299")
        assert not any("connected " in line for line in alice.lines)
        alice.shows_toolbar("1:bob 300 unread · here │")


def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    """A sent message waits above the input line and in the toolbar until the answer comes."""
    with serving(tmp_path) as (server, address):
        visit(address)
        with join(address, "alice", **values({"chatcli.client.tui.toolbar:_SLOW": 0.5})) as alice:
            alice.shows_toolbar("connected ")
            stop(server)
            alice.types("bob: hi\r")
            alice.shows("…   you → bob  hi")
            alice.shows_toolbar("1 waiting")
            for number in range(9):
                alice.types(f"bob: number {number}\r")
            alice.shows("and 6 more")
            alice.shows("…   you → bob  number 8")
            alice.shows_toolbar("10 waiting")
            alice.shows_toolbar("no answer for ")
            server.process.send_signal(signal.SIGCONT)
            alice.shows_toolbar("connected ")
            eventually(lambda: not any("…   you" in line or "more" in line for line in alice.lines))
            eventually(lambda: "waiting" not in alice.toolbar)
        assert texts(address) == ["hi", *(f"number {number}" for number in range(9))]


def test_fast_answers_show_nothing_waiting(server: ThreadServer) -> None:
    """With a server that is there nothing flickers between the input line and what was said."""
    with join(server.address, "alice") as alice, server.joined("bob"):
        alice.shows_toolbar("connected ")
        for number in range(20):
            before, begun = len(alice.raw), time.monotonic()
            alice.types(f"bob: number {number}\r")
            alice.shows(f"you → bob  number {number}")
            took = time.monotonic() - begun
            assert "…   you".encode() not in alice.raw[before:] or took > AT_ONCE


def test_enter_tries_to_connect_now(tmp_path: Path) -> None:
    """The toolbar counts down; Enter on an empty line does not wait for it; the loss is told once."""
    patient = values({"chatcli.client.transport.reconnect:backoff.__defaults__": [100.0, 100.0]})
    with serving(tmp_path) as (server, address), join(address, "alice", **patient) as alice:
        alice.shows_toolbar("connected ")
        server.end(signal.SIGKILL)
        alice.shows("Connection lost")
        alice.shows_toolbar("reconnecting in ")
        alice.shows_toolbar("Enter to try now")
        before = alice.toolbar
        eventually(lambda: alice.toolbar != before and "reconnecting in " in alice.toolbar, "a second less")
        with Program("serve", "--data", str(tmp_path), "--port", str(address.port)) as again:
            again.complains("Serving on")
            alice.types("\r")
            alice.shows("Connected again.")
            alice.shows_toolbar("connected ")
            assert sum("Connection lost" in line for line in alice.lines) == 1


def test_what_waits_survives_the_client(tmp_path: Path) -> None:
    """Killed without a connection, the client sends next time what it had not, first and once, and then forgets it."""
    state = tmp_path / "state"
    with serving(tmp_path / "data") as (server, address):
        visit(address)
        with join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
            alice.shows_toolbar("connected ")
            server.end(signal.SIGKILL)
            alice.shows("Connection lost")
            alice.types("bob: one\rbob: two\r")
            alice.shows_toolbar("2 waiting")
            files = list((state / "chatcli" / "outbox").iterdir())
            assert [file.stat().st_mode & 0o777 for file in files] == [0o600]
            alice.process.kill()
    with serving(tmp_path / "data", port=address.port) as (_, address):
        with join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
            alice.shows("2 messages from before are being sent.")
            alice.types("bob: three\r")
            eventually(lambda: texts(address) == ["one", "two", "three"])
            eventually(lambda: not list((state / "chatcli" / "outbox").iterdir()))
        with join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
            alice.shows_toolbar("connected ")
            assert not any("from before" in line for line in alice.lines)
        assert texts(address) == ["one", "two", "three"]


def test_leaving_with_something_unsent(tmp_path: Path) -> None:
    """Leaving without a connection says what was not sent and when it will be; the next visit sends it."""
    state = tmp_path / "state"
    with serving(tmp_path / "data") as (server, address):
        visit(address)
        hasty = values({"chatcli.client.tui.app:_PATIENCE": 0.5})
        with join(address, "alice", XDG_STATE_HOME=str(state), **hasty) as alice:
            alice.shows_toolbar("connected ")
            server.end(signal.SIGKILL)
            alice.shows("Connection lost")
            alice.types("bob: one\r")
            alice.types("\x04")
            assert alice.end() == 5
            alice.shows("1 message was not sent")
            alice.shows('again as "alice"')
    with serving(tmp_path / "data", port=address.port), join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
        alice.shows("1 message from before is being sent.")
        eventually(lambda: texts(address) == ["one"])


def test_unsent_while_the_server_is_stopped(tmp_path: Path) -> None:
    """A connection that stands but does not answer is no reason to lose anything, and what it took is sent once."""
    state = tmp_path / "state"
    outbox = state / "chatcli" / "outbox"
    with serving(tmp_path / "data") as (server, address):
        visit(address)
        hasty = values({"chatcli.client.interactive.outbox_keeper:_LONG": 0.1})
        with join(address, "alice", XDG_STATE_HOME=str(state), **hasty) as alice:
            alice.shows_toolbar("connected ")
            stop(server)
            alice.types("bob: one\r")
            eventually(lambda: outbox.exists() and read_all(str(outbox)))
            alice.process.kill()
            alice.end()
        server.process.send_signal(signal.SIGCONT)
        with join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
            alice.shows("1 message from before is being sent.")
            eventually(lambda: not list(outbox.iterdir()))
            assert texts(address) == ["one"]


def test_unwritable_state_directory(tmp_path: Path) -> None:
    """Nothing else is lost for it."""
    state = tmp_path / "state"
    state.write_text("no directory")
    with serving(tmp_path / "data") as (server, address):
        visit(address)
        with join(address, "alice", XDG_STATE_HOME=str(state)) as alice:
            alice.shows("cannot be kept in")
            alice.shows_toolbar("connected ")
            server.end(signal.SIGKILL)
            alice.shows("Connection lost")
            alice.types("bob: one\r")
            alice.shows_toolbar("1 waiting")
            with serving(tmp_path / "data", port=address.port):
                alice.types("\r")
                eventually(lambda: texts(address) == ["one"])


def test_the_list_of_conversations(server: ThreadServer) -> None:
    """People and rooms, the newest first, also in a low and narrow window; the numbers open them."""
    with server.joined("alice"):
        pass
    with server.joined("bob") as bob:
        bob.enters("#ops")
        bob.sends("alice", "hi")
        with Terminal("join", "--server", str(server.address), "--user", "alice", "--room", "#ops") as alice:
            alice.shows_input("#ops ›")
            alice.shows("You are in #ops")
            bob.sends("#ops", "deploy is done")
            alice.shows("deploy is done")
            alice.types("/list\r")
            eventually(lambda: any(line.endswith("1 unread  hi") for line in alice.lines))
            assert any(line.endswith("bob: deploy is done") for line in alice.lines), alice.lines
            alice.resize(30, 12)
            alice.types("/list\r")
            eventually(lambda: any(line.endswith(" 1 hi") for line in alice.lines))
            number = next(line.strip()[0] for line in alice.lines if line.endswith(" 1 hi"))
            alice.types(f"\x1b{number}")
            alice.shows_input("bob ›")
