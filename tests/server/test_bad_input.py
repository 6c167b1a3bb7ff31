"""Invalid input: the server stays up, other users do not notice, the sender gets an error."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from chatcli.server.limits import Limits
from tests.support import Caller, ThreadServer, eventually, session_of, waiting_frames


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"nonsense", "malformed"),
        (b'{"t":"who"', "malformed"),
        (b'{"t":"send","id":"\xff\xfe","to":"a","text":"b"}', "malformed"),
        (b'{"t":"send","id":"\\ud800","to":"a","text":"b"}', "malformed"),
        (b"[" * 60_000, "malformed"),
        (b'{"t":"who","x":' + b"[" * 60_000, "malformed"),
        (b'{"t":"dance"}', "unknown_tag"),
        (b"{}", "unknown_tag"),
        (b'{"t":7}', "unknown_tag"),
        (b'{"t":"ack"}', "invalid"),
        (b'{"t":"ack","seq":"7"}', "invalid"),
        (b'{"t":"ack","seq":-1}', "invalid"),
        (b'{"t":"ack","seq":99999999999999999999999}', "invalid"),
        (b'{"t":"send","id":null,"to":"a","text":"b"}', "invalid"),
        (b'{"t":"who","n":1}{"t":"who","n":2}', "malformed"),
        (b'{"t":"ping","x":"' + b"x" * 70_000 + b'"}', "frame_too_long"),
    ],
)
def test_bad_lines_get_a_code(server: ThreadServer, line: bytes, code: str) -> None:
    """The error names the fault of the line, and the lines around it are processed."""
    with server.joined("alice") as alice:
        alice.says_raw(b'{"t":"ping","n":1}\n' + line + b'\n{"t":"ping","n":2}\n')
        alice.hears("pong", n=1)
        assert alice.hears("error", code=code)["text"]
        alice.hears("pong", n=2)


def test_unknown_fields_are_ignored(server: ThreadServer) -> None:
    """A later version may add fields."""
    with server.joined("alice", future={"a": [1]}) as alice:
        alice.says("ping", n=1, colour="red")
        alice.hears("pong", n=1)


def test_blank_lines_and_carriage_returns(server: ThreadServer) -> None:
    """Input typed by hand, or on another system, is accepted."""
    with server.joined("alice") as alice:
        alice.says_raw(b'\n\r\n{"t":"ping","n":1}\r\n \n')
        alice.hears("pong", n=1)


def test_too_many_bad_lines(server: ThreadServer) -> None:
    """A client that sends no frames at all gets a reason and is disconnected."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.says_raw(b"x\n" * 1000)
        for _ in range(20):
            alice.hears("error", code="malformed")
        alice.hears("bye", code="malformed")
        alice.hears_end()
        assert bob.asks_who() == ["bob"]


@pytest.mark.parametrize("greeting", [b"\x80\x2e\x01\x00", b"EHLO example.org\r\n", b"hello?\n"])
def test_other_protocols(server: ThreadServer, greeting: bytes) -> None:
    """Another protocol is recognised by its first word, and gets one line."""
    with server.connect() as caller:
        caller.says_raw(greeting)
        caller.hears("bye", code="malformed")
        caller.hears_end()


def test_missing_hello(tmp_path: Path) -> None:
    """Silent and dribbling connections are closed after the time for the handshake, with the reason."""
    with ThreadServer(tmp_path, Limits(handshake=0.4)) as server:
        silent = [server.connect() for _ in range(50)]
        silent[0].says_raw(b'{"t":"hel')
        for caller in silent:
            caller.hears("bye", code="timeout")
            caller.hears_end()
            caller.hang_up()
        eventually(lambda: server.run(lambda: not server.hub.connections))


@pytest.mark.usefixtures("brisk")
def test_dead_peer(tmp_path: Path) -> None:
    """A client that is silent beyond the limit is removed, and its name is free; one that pings is not."""
    with ThreadServer(tmp_path, Limits(silence=0.6)) as server:
        with server.joined("alice") as alice, server.joined("bob") as bob:
            heard: list[str] = []
            while "bye" not in heard:
                alice.says("ping")
                alice.hears("pong")
                bob.socket.settimeout(0.05)
                heard += _tags_within_timeout(bob)
            assert alice.asks_who() == ["alice"]


def _tags_within_timeout(caller: Caller) -> list[str]:
    try:
        data = caller.socket.recv(65536)
    except TimeoutError:
        return []
    return [json.loads(line)["t"] for line in data.splitlines()]


@pytest.mark.usefixtures("brisk")
def test_stalled_reader_is_closed(tmp_path: Path) -> None:
    """A connection that reads nothing is closed after a while; its messages stay in the log."""
    with ThreadServer(tmp_path, Limits(stalled=0.4, closing=0.1)) as server, server.joined("alice") as alice:
        slow = server.connect(receive_buffer=4096)
        slow.greets("slow")
        slow.hears("welcome")
        for _ in range(100):
            alice.sends("slow", "x" * 30_000)
            alice.hears("sent")
        eventually(lambda: alice.asks_who() == ["alice"])
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
        slow.hang_up()
        with server.joined("slow") as again:
            assert len(again.texts(100)) == 100


def test_one_connection_too_many(tmp_path: Path) -> None:
    """A caller beyond the limit gets a refusal; when someone leaves there is room again."""
    with ThreadServer(tmp_path, Limits(connections=2)) as server:
        with server.joined("alice") as alice, server.joined("bob") as bob:
            with server.connect() as third:
                third.says("hello", version=1, purpose="query")
                assert "2 connections" in third.hears("bye", code="full")["text"]
                third.hears_end()
            bob.says("bye")
            bob.hears("bye")
            eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
            with server.joined("carol"):
                assert alice.asks_who() == ["alice", "carol"]


def test_thousand_silent_connections(server: ThreadServer) -> None:
    """Half-open callers cost the others nothing."""
    silent = [server.connect() for _ in range(1000)]
    with server.joined("alice") as alice, server.joined("bob") as bob:
        for number in range(100):
            alice.sends("bob", f"{number}")
            alice.hears("sent", outcome="delivered")
        assert len(bob.texts(100)) == 100
    for caller in silent:
        caller.hang_up()


def test_random_bytes(server: ThreadServer) -> None:
    """Under garbage and half-valid frames from many callers, a conversation goes on undisturbed."""
    chance = random.Random(20)
    pieces = [
        b'{"t":"hello","version":1,"user":"x%d"}\n',
        b'{"t":"send","id":"01890a5d-ac96-774b-bcce-%012d","to":"bob","text":"\\u0000"}\n',
        b'{"t":"hello","version":1,"user":"y%d","purpose":"query"}\n',
        b'{"t":"ack","seq":%d}\n',
        b'{"t":"who","n":%d}\n',
        b'{"t":"bye"}\n',
        b"\n",
        b'{"t":',
        b"\x00\xff\xfe",
    ]
    with server.joined("alice") as alice, server.joined("listener") as listener:
        for round_ in range(150):
            with server.connect() as caller:
                for _ in range(chance.randrange(6)):
                    piece = chance.choice(pieces)
                    data = piece % round_ if b"%" in piece else piece
                    noise = chance.randbytes(chance.randrange(40)) if chance.random() < 0.5 else b""
                    try:
                        caller.says_raw(data + noise)
                    except OSError:
                        break
            alice.sends("listener", f"{round_}")
            alice.hears("sent", outcome="delivered")
            listener.hears("message", text=f"{round_}")


def test_unread_answers(tmp_path: Path) -> None:
    """A client that asks without reading is answered no faster than it reads, and nobody else waits."""
    limits, answer, questions = Limits(unsent=32 * 1024), 8 * 1024, 80
    with ThreadServer(tmp_path, limits) as server, server.joined("alice") as alice:
        crowd = [server.joined(f"member-of-the-crowd-{number}") for number in range(100)]
        with server.connect(receive_buffer=4096) as greedy:
            greedy.greets("greedy", purpose="send")
            greedy.hears("welcome")
            greedy.says_raw(b'{"t":"who","n":1}\n' * questions)

            def waiting() -> tuple[int, int]:
                """Return the number of unanswered requests, and of unsent bytes of answers."""
                session = session_of(server, "greedy")
                return waiting_frames(session), session.output.size + session.output.unwritten

            eventually(lambda: server.run(waiting)[1] > limits.unsent)
            for number in range(1, 21):
                alice.says("ping", n=number)
                alice.hears("pong", n=number)
                lines, unsent = server.run(waiting)
                assert lines > questions / 2
                assert unsent <= 2 * (limits.unsent + answer)
            for _ in range(questions):
                assert len(greedy.hears("who", n=1)["people"]) == 101
        for member in crowd:
            member.hang_up()


def test_too_many_refused_greetings(server: ThreadServer) -> None:
    """One connection can try a limited number of names."""
    with server.connect() as caller:
        for number in range(20):
            caller.says("hello", version=1, user=f"not a name {number}")
            caller.hears("error", code="bad_name")
        caller.hears("bye", code="malformed")


def test_many_misspelt_recipients(server: ThreadServer) -> None:
    """Hundreds of misspelt recipients do not delay other users."""
    crowd = [server.joined(f"{'a' * 25}{number:04}") for number in range(200)]
    with server.joined("alice") as alice, server.joined("eve") as eve:
        for _ in range(300):
            eve.sends("a" * 24 + "b0001", "hi")
        alice.says("ping", n=1)
        alice.hears("pong", n=1)
        for _ in range(300):
            eve.hears("error", code="unknown_user")
    for member in crowd:
        member.hang_up()


def test_slow_reader_is_not_stalled(tmp_path: Path) -> None:
    """A client that reads anything at all stays connected, however slow it is."""
    with ThreadServer(tmp_path, Limits(stalled=1)) as server, server.joined("alice") as alice:
        slow = server.connect(receive_buffer=4096)
        slow.greets("slow")
        slow.hears("welcome")
        for _ in range(60):
            alice.sends("slow", "x" * 30_000)
            alice.hears("sent")
        taken = 0
        while taken < 60 * 30_000:
            taken += len(slow.socket.recv(2048)) + len(slow.socket.recv(30_000))
            alice.says("ping")
            alice.hears("pong")
        slow.hang_up()


@pytest.mark.parametrize("name", ["all", "two words", "", "x" * 40, "a:b"])
def test_impossible_recipient(server: ThreadServer, name: str) -> None:
    """The refusal says that the name is impossible, not that its user is unknown."""
    with server.joined("alice") as alice:
        alice.sends(name, "hi")
        assert "Nobody can be called" in alice.hears("error", code="unknown_user")["text"]
