"""``chatcli join`` without a terminal: pipes and scripts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import DEADLINE, Program, ThreadServer, chatcli, environment, eventually


def test_lines_in_lines_out(server: ThreadServer) -> None:
    """What is piped in is sent before it leaves, and what was said is printed plainly."""
    with server.joined("bob") as bob:
        bob.says("ping")
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=b"bob: hi\nwho\nexit\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Here: alice (you), bob\n"
        bob.hears("pong")
        bob.hears("message", text="hi")
        assert bob.asks_who() == ["bob"]


def test_the_end_of_input_leaves_after_everything_was_sent(server: ThreadServer) -> None:
    """Without ``exit``, and without a last newline, nothing piped in is lost."""
    with server.joined("bob") as bob:
        lines = "\n".join(f"bob: {number}" for number in range(5000))
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=lines.encode())
        assert done.returncode == 0
        assert bob.texts(5000) == [f"{number}" for number in range(5000)]


def test_messages_are_printed_as_they_come(server: ThreadServer) -> None:
    """A program that reads the pipe sees each message at once; notices go to standard error."""
    with server.joined("bob") as bob, Program("join", "--user", "alice", "--server", str(server.address)) as alice:
        eventually(lambda: bob.asks_who() == ["alice", "bob"])
        bob.sends("alice", "one\ntwo\x1b[31m")
        alice.prints("bob → you  one")
        alice.prints("      two␛[31m")
        bob.says("bye")
        alice.complains("bob left")
        alice.types("exit\n")
        assert alice.end() == 0


@pytest.mark.parametrize(
    ("stdin", "status", "sentence"),
    [
        (b"nobody: hi\nexit\n", 3, 'Not sent: Nobody called "nobody" was ever here'),
        (b"hello\nexit\n", 2, 'Write "name: text"'),
        (b"/whoo\n", 2, 'Did you mean "/who"?'),
        (b"alice: " + b"x" * 40_000 + b"\n", 2, "may have 32768 bytes"),
    ],
)
def test_the_status_tells_of_the_first_line_that_failed(
    server: ThreadServer, stdin: bytes, status: int, sentence: str
) -> None:
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
def test_without_a_terminal_a_name_that_cannot_be_had_ends_it(
    server: ThreadServer, arguments: list[str], status: int, sentence: str
) -> None:
    """Nobody can be asked, so there is a sentence and a status."""
    with server.joined("bob"):
        done = chatcli("join", *arguments, CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr


def test_host_and_port_may_be_given_apart(server: ThreadServer) -> None:
    """``--host`` and ``--port`` do what ``--server`` does."""
    host, port = server.address
    done = chatcli("join", "--user", "alice", "--host", host, "--port", str(port), stdin=b"who\nexit\n")
    assert done.stdout == "Here: alice (you)\n"


def test_a_reader_that_goes_away_ends_it_quietly(server: ThreadServer) -> None:
    """When nobody reads the output any more, the client leaves without a traceback, and its name is free."""
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


def test_what_was_shown_in_a_pipe_does_not_come_again(server: ThreadServer) -> None:
    """Each visit prints what came since the last one, whole and once, however short it is."""
    server.joined("alice").hang_up()
    seen: list[str] = []
    with server.joined("bob", "send") as bob:
        for number in range(10):
            bob.sends("alice", f"message {number}")
            bob.hears("sent")
            done = chatcli("join", "--user", "alice", "--server", str(server.address))
            assert (done.returncode, done.stderr) == (0, "")
            seen += done.stdout.splitlines()
    assert [line.split("  ")[1] for line in seen] == [f"message {number}" for number in range(10)]


def test_text_that_is_no_text_is_refused(server: ThreadServer) -> None:
    """A line with bytes that are not UTF-8 is not sent in another form; the lines around it are."""
    with server.joined("bob") as bob:
        lines = b"bob: caf\xe9\nbob: fine\n"
        done = chatcli("join", "--user", "alice", "--server", str(server.address), stdin=lines)
        assert done.returncode == 2
        assert "not text in UTF-8" in done.stderr
        assert bob.texts(1) == ["fine"]


@pytest.mark.parametrize("redirection", ["<&-", ">/dev/full", ">&-", "2>&-"])
def test_streams_that_are_closed_or_full_end_in_no_traceback(server: ThreadServer, redirection: str) -> None:
    """Where input is closed it has ended; where output cannot be written, the client ends with a sentence."""
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
    assert done.returncode == (1 if "full" in redirection else 0)
