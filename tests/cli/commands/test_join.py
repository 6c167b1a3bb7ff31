"""``chatcli join`` without a terminal: pipes and scripts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.client.oneshot.impostor import Impostor
from tests.here import run_here
from tests.preloaded import values
from tests.support import DEADLINE, Program, ThreadServer, chatcli, environment, eventually, new_id
from tests.terminal import Terminal


def test_lines_in_lines_out(server: ThreadServer) -> None:
    """Piped lines are sent before the client leaves, and messages are printed plainly."""
    with server.joined("bob") as bob:
        bob.says("ping")
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=b"bob: hi\nwho\nexit\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Here: alice (you), bob\n"
        bob.hears("pong")
        bob.hears("message", text="hi")
        assert bob.asks_who() == ["bob"]


def test_scripts_name_recipients(server: ThreadServer) -> None:
    """A word before a colon is a recipient, known or not; a bare line goes to the last one."""
    server.joined("cid").hang_up()
    with server.joined("bob") as bob:
        lines = b"bob: one\ncid: two\nbob: three\nfour\nnote: five\n"
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=lines)
        assert done.returncode == 3
        assert 'Nobody called "note" was ever here' in done.stderr
        assert bob.texts(3) == ["one", "three", "four"]


def test_end_of_input(server: ThreadServer) -> None:
    """Without ``exit``, and without a last newline, nothing piped in is lost."""
    with server.joined("bob") as bob:
        lines = "\n".join(f"bob: {number}" for number in range(5000))
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=lines.encode())
        assert done.returncode == 0
        assert bob.texts(5000) == [f"{number}" for number in range(5000)]


def test_messages_are_printed_at_once(server: ThreadServer) -> None:
    """A program that reads the pipe gets each message at once; notices go to standard error."""
    with server.joined("bob") as bob, Program("join", "--user", "alice", "--server", str(server.address)) as alice:
        eventually(lambda: bob.asks_who() == ["alice", "bob"])
        bob.sends("alice", "one\ntwo\x1b[31m")
        alice.prints("bob → you  one")
        alice.prints("      two␛[31m")
        bob.says("bye")
        alice.complains("bob left")
        alice.types("exit\n")
        assert alice.end() == 0


def test_lines_wait_for_missed_messages(server: ThreadServer) -> None:
    """An answer and a reply to missed messages work, in the order of the lines."""
    at = ("--server", str(server.address))
    server.joined("bob").hang_up()
    with server.joined("alice") as alice:
        for number in range(500):
            alice.sends("bob", f"{number} " + "x" * 2000)
        question = alice.sends("bob", "deploy?", choices=["yes", "no"], seconds=60)
        last = alice.sends("bob", "the last")
        sent: dict[str, int] = {}
        while last not in sent:
            frame = alice.next()
            assert frame is not None
            sent |= {frame["id"]: frame["seq"]} if frame["t"] == "sent" else {}
        done = chatcli("join", "--user", "bob", *at, stdin=b"/answer yes\n/reply thanks\nand bye\n")
        assert done.returncode == 0, done.stderr
        answer, reply, text = (alice.hears("message") for _ in range(3))
        assert (answer["re"], answer["answer"]) == (sent[question], 0)
        assert (reply["re"], reply["text"]) == (sent[last], "thanks")
        assert text["text"] == "and bye"


def test_answer_waits_for_its_question(server: ThreadServer) -> None:
    """The line waits a while for a question, and is then refused."""
    at = ("--server", str(server.address))
    with server.joined("alice") as alice, Program("join", "--user", "bob", *at) as joining:
        joining.types("/answer yes\n")
        eventually(lambda: "bob" in alice.asks_who())
        alice.sends("bob", "now?", choices=["yes", "no"], seconds=60)
        while (frame := alice.next()) is not None and frame["t"] != "message":
            pass
        assert frame is not None
        assert frame["answer"] == 0
        joining.types("exit\n")
        assert joining.end() == 0
    hasty = values({"chatcli.client.interactive.line_reader:_FOR_A_QUESTION": 0.3})
    done = chatcli("join", "--user", "bob", *at, stdin=b"/answer yes\nexit\n", **hasty)
    assert done.returncode == 2
    assert "No question is open" in done.stderr


@pytest.mark.parametrize("typed", ["/answer yes\n", "exit\n", ""])
def test_missed_messages_that_never_come(typed: str) -> None:
    """If the server never completes them, there is a sentence and the status of a temporary failure."""

    def mute(connection: socket.socket) -> None:
        limits = {"text": 1000, "frame": 5000, "silence": 60}
        welcome = {"t": "welcome", "user": "a", "head": 0, "cursor": 0, "server": "x", "limits": limits}
        connection.sendall(json.dumps(welcome).encode() + b"\n")
        while connection.recv(65536):
            pass

    hasty = {"chatcli.client.interactive.plain:_PATIENCE": 0.3, "chatcli.client.interactive.session:GOODBYE": 0.1}
    with Impostor(mute) as address:
        done = chatcli("join", "--user", "a", "--server", str(address), stdin=typed.encode(), **values(hasty))
    assert (done.returncode, done.stdout) == (5, "")
    assert "Not all earlier messages have come from" in done.stderr


@pytest.mark.parametrize(
    ("stdin", "status", "sentence"),
    [
        (b"nobody: hi\nexit\n", 3, 'Not sent: Nobody called "nobody" was ever here'),
        (b"hello\nexit\n", 2, 'Write "name: text"'),
        (b"/whoo\n", 2, 'Did you mean "/who"?'),
        (b"alice: " + b"x" * 40_000 + b"\n", 4, "may have 32768 bytes"),
    ],
)
def test_status_of_the_first_failure(server: ThreadServer, stdin: bytes, status: int, sentence: str) -> None:
    """A script learns that something was not sent, and why."""
    done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=stdin)
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "--user"),
        (["--user", "two words"], 4, "no spaces"),
        (["--user", "bob"], 4, "bob is already in the chat"),
        (["--user", "x", "--port", "1"], 5, "chatcli serve"),
        (["--user", "x", "--host", "no.such.invalid"], 5, "no host called"),
    ],
)
def test_refused_names(server: ThreadServer, arguments: list[str], status: int, sentence: str) -> None:
    """There is a sentence and a status, as nobody can be asked."""
    with server.joined("bob"):
        done = run_here("join", *arguments, CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr


def test_host_and_port_options(server: ThreadServer) -> None:
    """``--host`` and ``--port`` do what ``--server`` does."""
    host, port = server.address[:2]
    done = chatcli("join", "--user", "alice", "--host", host, "--port", str(port), stdin=b"who\nexit\n")
    assert done.stdout == "Here: alice (you)\n"


def test_reader_that_goes_away(server: ThreadServer) -> None:
    """If nobody reads the output any more, the client leaves without a traceback and frees its name."""
    command = [sys.executable, "-m", "chatcli", "join", "--user", "alice", "--server", str(server.address)]
    reading, writing = os.pipe()
    with server.joined("bob") as bob:
        alice = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE, env=environment()
        )
        os.close(writing)
        eventually(lambda: bob.asks_who() == ["alice", "bob"])
        os.close(reading)
        bob.sends("alice", "anyone?")
        bob.hears("sent")
        alice.wait(DEADLINE)
        _, complaint = alice.communicate()
        assert complaint == b""
        eventually(lambda: bob.asks_who() == ["bob"])


def test_messages_come_once(server: ThreadServer) -> None:
    """Each visit prints all messages since the last one, once, however short it is."""
    server.joined("alice").hang_up()
    seen: list[str] = []
    with server.joined("bob", "send") as bob:
        for number in range(10):
            bob.sends("alice", f"message {number}")
            bob.hears("sent")
            done = run_here("join", "--user", "alice", "--server", str(server.address))
            assert (done.returncode, done.stderr) == (0, "")
            seen += done.stdout.splitlines()
    assert [line.split("  ")[1] for line in seen] == [f"message {number}" for number in range(10)]


def test_invalid_utf_8(server: ThreadServer) -> None:
    """A line that is not UTF-8 is refused; the lines around it are sent."""
    with server.joined("bob") as bob:
        lines = b"bob: caf\xe9\nbob: fine\n"
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=lines)
        assert done.returncode == 2
        assert "not text in UTF-8" in done.stderr
        assert bob.texts(1) == ["fine"]


@pytest.mark.parametrize("redirection", ["<&-", ">/dev/full", ">&-", "2>&-", "2>/dev/full"])
def test_closed_and_full_streams(server: ThreadServer, redirection: str) -> None:
    """Closed input counts as ended; unwritable output ends the client with a sentence."""
    server.joined("alice").hang_up()
    with server.joined("bob", "send") as bob:
        bob.sends("alice", "hello")
        bob.hears("sent")
    command = f'exec "$0" -m chatcli join --user alice --server {server.address} {redirection}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        input=b"help\n",
        capture_output=True,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == (1 if redirection.startswith(">") else 0)


def test_rooms(server: ThreadServer) -> None:
    """Rooms are entered at the start; messages go to standard output, events to standard error."""
    where = ["--server", str(server.address)]
    with Program("join", "--user", "bob", *where, "--room", "#ops") as bob:
        bob.complains("You are in #ops (open, nobody else is in it)")
        rooms = ["--room", "#ops", "--room", "#dev"]
        done = chatcli("join", "--user", "alice", *where, *rooms, stdin=b"#ops: hi\n/topic #ops Deploys\n")
        assert (done.returncode, done.stdout) == (0, "Topic of #ops: Deploys\n")
        assert done.stderr.splitlines() == [
            "You are in #ops (open, 2 people, owned by bob)",
            "You are in #dev (open, nobody else is in it)",
        ]
        bob.complains("alice joined #ops")
        bob.prints("#ops  alice  hi")
        bob.complains("alice set the topic of #ops: Deploys")
        with server.joined("alice", "listen") as alice:
            bob.types("/reply hello\n")
            alice.hears("message", text="hello")
        bob.types("/history\nexit\n")
        assert bob.end() == 0
        assert bob.out[1] == "History of #ops, 2 messages:"
        assert [line.split("#ops")[1] for line in bob.out[2:]] == ["  alice  hi", '  you  ↳ "hi"  hello']


def test_history_acknowledges_nothing(server: ThreadServer) -> None:
    """Only the feed acknowledges messages, not a history that shows them."""
    where = ["--server", str(server.address)]
    run_here("join", "--user", "alice", *where, "--room", "#ops")
    with server.joined("bob", "send") as bob, server.joined("alice", "query") as asking:
        bob.sends("#ops", "hi")
        bob.hears("sent")
        asking.says("history", of="#ops", n=1)
        asking.hears("history")
    done = run_here("join", "--user", "alice", *where)
    assert [line.split("  ")[2] for line in done.stdout.splitlines()] == ["hi"]
    assert run_here("join", "--user", "alice", *where).stdout == ""


def test_all_missed_messages(server: ThreadServer) -> None:
    """Nothing is left out, however many there are; older ones can be read page by page."""
    where = ["--server", str(server.address)]
    chatcli("join", "--user", "alice", *where, "--room", "#ops")
    lines = "".join(f"#ops: {number}\n" for number in range(150))
    chatcli("join", "--user", "bob", *where, stdin=lines.encode())
    with Program("join", "--user", "alice", *where) as alice:
        alice.prints("#ops  bob  149")
        alice.types("/history #ops 2\n/history\nexit\n")
        assert alice.end() == 0
        texts = [line.split("  ")[2] for line in alice.out if "#ops  bob" in line]
        assert texts == [str(number) for number in (*range(150), 148, 149, 146, 147)]


def test_no_receipts(server: ThreadServer) -> None:
    """With --no-receipts, senders get no receipts."""
    where = ["--server", str(server.address)]
    chatcli("join", "--user", "alice", *where)
    chatcli("join", "--user", "cid", *where)
    chatcli("join", "--user", "bob", *where, stdin=b"alice: hi\ncid: hi\n")
    for user, *options in (("alice", "--no-receipts"), ("cid",)):
        with Terminal("join", "--user", user, *where, *options) as reading:
            reading.shows("bob → you  hi")
            reading.types("/to bob\r")
            reading.shows("What you type goes to bob now")
            reading.types("\x04")
            assert reading.end() == 0
    done = chatcli("join", "--user", "bob", *where, stdin=b"/receipts alice\n/receipts cid\n")
    assert sorted(done.stdout.splitlines()) == [
        "alice has not seen what you said",
        "cid has seen everything you said",
    ]


def test_room_that_cannot_be_entered(server: ThreadServer) -> None:
    """The fate of lines for it is reported, too; an invalid name is refused at once."""
    where = ["--server", str(server.address)]
    chatcli("join", "--user", "alice", *where, stdin=b"/join --private #plans\n")
    done = chatcli("join", "--user", "bob", *where, "--room", "#plans", stdin=b"#plans: hi\n")
    assert (done.returncode, done.stdout) == (4, "")
    assert "#plans is private" in done.stderr
    done = chatcli("join", "--user", "bob", *where, stdin=b"#plans: hi\n")
    assert (done.returncode, done.stdout) == (3, "")
    done = chatcli("join", "--user", "bob", *where, "--room", "plans")
    assert (done.returncode, done.stdout) == (2, "")
    assert "begins with #" in done.stderr


def test_search(server: ThreadServer) -> None:
    """Words, a phrase and a place narrow the search; an invalid query has status 2."""
    where = ["--server", str(server.address)]
    chatcli("join", "--user", "bob", *where, "--room", "#ops", stdin=b"#ops: Deploy at five\n#ops: five deploys\n")
    lines = b'/search deploy*\n/search "at five" in:#ops from:bob\n/search nothing\n'
    done = chatcli("join", "--user", "alice", *where, stdin=lines)
    assert done.returncode == 0
    assert [line.split("#ops  bob  ")[-1] for line in done.stdout.splitlines()] == [
        '2 found for "deploy*":',
        "Deploy at five",
        "five deploys",
        '1 found for "at five" from bob in #ops:',
        "Deploy at five",
        'Nothing found for "nothing"',
    ]
    done = chatcli("join", "--user", "alice", *where, stdin=b"/search ((\n")
    assert (done.returncode, done.stdout) == (2, "")


def test_leave(server: ThreadServer) -> None:
    """After entering a room, /leave means that one, and says so."""
    where = ["--server", str(server.address)]
    done = chatcli("join", "--user", "alice", *where, "--room", "#ops", stdin=b"/topic #ops x\n/leave #ops\n")
    assert done.stdout.splitlines() == ["Topic of #ops: x", "You have left #ops"]
    with Program("join", "--user", "alice", *where, "--room", "#ops") as alice:
        alice.complains("You are in #ops")
        alice.types("/leave\nexit\n")
        assert alice.end() == 0
        assert alice.out == ["You have left #ops"]


def test_question(server: ThreadServer) -> None:
    """Its line has the choices, the instructions go to standard error; a bare digit is a text."""
    with server.joined("ci") as ci, Program("join", "--user", "alice", "--server", str(server.address)) as alice:
        eventually(lambda: ci.asks_who() == ["alice", "ci"])
        ci.says("send", id=new_id(), to="alice", text="Deploy?", choices=["yes", "no"], seconds=600)
        asked = ci.hears("sent")
        alice.prints("ci → you  Deploy?   [1] yes  [2] no")
        alice.complains("To answer, type /answer 1 or /answer 2; /answer decline declines")
        alice.types("1\n/answer maybe\n")
        alice.complains("To whom?")
        alice.complains('"maybe" is not an answer to "Deploy?": write /answer and one of "yes", "no", "decline"')
        alice.types("/answer no\n")
        ci.hears("message", re=asked["seq"], answer=1)
        alice.complains('You have answered "no"')
        alice.types("exit\n")
        assert alice.end() == 2
        assert len(alice.out) == 1
