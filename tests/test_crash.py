"""Crash tests: an acknowledged message is delivered exactly once, whichever process is killed at whatever time."""

from __future__ import annotations

import signal
from pathlib import Path

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.oneshot.client import Client
from chatcli.protocol.values.address import Address
from tests.support import Caller, Program, eventually, new_id, serving


def texts(program: Program) -> list[str]:
    """Return the messages of others that a piped ``join`` has printed."""
    return [line.split("  ", 1)[1] for line in program.out if " → you  " in line]


def here(address: Address) -> list[str]:
    """Return the users who are connected."""
    return [person.user for person in Client(Login(server=Server.at(address))).who()]


def test_killed_server(tmp_path: Path) -> None:
    """After SIGKILL during a stream of sends, each acknowledged message is in the log once."""
    with serving(tmp_path) as (program, address):
        with Caller(address) as bob:
            bob.greets("bob")
            bob.hears("welcome")
        with Caller(address) as alice:
            alice.greets("alice", purpose="send")
            alice.hears("welcome")
            eventually(lambda: knows_bob(alice))
            identities = [new_id() for _ in range(2000)]
            for identity in identities:
                alice.sends("bob", identity, identity)
            acknowledged = {alice.hears("sent")["id"] for _ in range(300)}
            assert program.end(signal.SIGKILL) == -signal.SIGKILL
            while frame := next_or_reset(alice):
                acknowledged.add(frame["id"])
    with serving(tmp_path) as (_, address), Caller(address) as alice, Caller(address) as bob:
        alice.greets("alice", purpose="send")
        alice.hears("welcome")
        for identity in identities:  # all of them, because the client cannot know which ones arrived
            alice.sends("bob", identity, identity)
        for _ in identities:
            alice.hears("sent")
        bob.greets("bob", since=0)
        bob.hears("welcome")
        received = [text for text in bob.texts(2000 + 1) if text != "are you there?"]
        assert len(acknowledged) >= 300
        assert acknowledged <= set(received)
        assert sorted(received) == sorted(identities)


def knows_bob(alice: Caller) -> bool:
    """Send one message, and return whether its recipient was known."""
    alice.sends("bob", "are you there?")
    frame = alice.next()
    assert frame is not None
    return bool(frame["t"] == "sent")


def next_or_reset(caller: Caller) -> dict[str, str] | None:
    """Return the next frame, or None if the connection has ended."""
    try:
        return caller.next()
    except (ConnectionResetError, ValueError):
        return None


def test_killed_server_and_two_clients(tmp_path: Path) -> None:
    """Two clients talk while their server is killed and restarted: all lines arrive, in order."""
    with serving(tmp_path) as (server, address):
        where = ["--server", str(address)]
        with Program("join", "--user", "bob", *where) as bob, Program("join", "--user", "alice", *where) as alice:
            eventually(lambda: here(address) == ["alice", "bob"])
            running = server
            typed = [f"line {number}" for number in range(1500)]
            for start, stop in ((0, 500), (500, 1000), (1000, 1500)):
                alice.types("".join(f"bob: {text}\n" for text in typed[start:stop]))
                wait_for_texts(bob, start + 100)
                running.end(signal.SIGKILL)
                running = restart(tmp_path, address, running)
            alice.types("exit\n")
            assert alice.end() == 0
            eventually(lambda: len(texts(bob)) >= len(typed), "all of it")
            bob.types("exit\n")
            assert bob.end() == 0
            assert texts(bob) == typed
        running.end(signal.SIGTERM)
        running.__exit__()


def wait_for_texts(program: Program, count: int) -> None:
    """Wait until a piped ``join`` has printed this many messages."""
    eventually(lambda: len(texts(program)) >= count, f"{count} messages")


def restart(data: Path, address: Address, before: Program) -> Program:
    """Restart the server on the same port."""
    before.__exit__()
    program = Program("serve", "--data", str(data), "--port", str(address.port))
    program.complains("Serving on")
    return program


def test_killed_sender(tmp_path: Path) -> None:
    """After SIGKILL on a sending client, its acknowledged messages arrive once and in order."""
    with serving(tmp_path) as (_, address):
        where = ["--server", str(address)]
        with Program("join", "--user", "bob", *where) as bob:
            eventually(lambda: here(address) == ["bob"])
            with Program("join", "--user", "alice", *where) as alice:
                alice.types("".join(f"bob: {number}\n" for number in range(3000)))
                eventually(lambda: len(texts(bob)) > 100)
                alice.end(signal.SIGKILL)
            eventually(lambda: here(address) == ["bob"])
            bob.types("exit\n")
            bob.end()
            received = texts(bob)
            assert received == [str(number) for number in range(len(received))]


def test_killed_reader(tmp_path: Path) -> None:
    """After SIGKILL on a reading client the next one goes on: only unacknowledged messages may come twice."""
    with serving(tmp_path) as (_, address):
        where = ["--server", str(address)]
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            with Program("join", "--user", "bob", *where) as bob:
                eventually(lambda: here(address) == ["alice", "bob"])
                for number in range(1500):
                    alice.sends("bob", str(number))
                eventually(lambda: len(texts(bob)) > 100)
                bob.end(signal.SIGKILL)
                first = texts(bob)
            eventually(lambda: here(address) == ["alice"])
            with Program("join", "--user", "bob", *where) as bob:
                eventually(lambda: texts(bob)[-1:] == ["1499"])
                bob.types("exit\n")
                bob.end()
                second = texts(bob)
        assert first == [str(number) for number in range(len(first))]
        assert second == [str(number) for number in range(int(second[0]), 1500)]
        assert int(second[0]) <= len(first)
