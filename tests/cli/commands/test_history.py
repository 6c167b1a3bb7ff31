"""``chatcli history``: earlier messages, the oldest first."""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path

import pytest

from tests.here import run_here
from tests.support import Caller, ThreadServer, chatcli
from tests.terminal import Terminal


def says_all(caller: Caller, to: str, texts: list[str]) -> list[int]:
    """Send messages, and return their places in the log."""
    for text in texts:
        caller.sends(to, text)
    return [caller.hears("sent")["seq"] for _ in texts]


def test_conversation_with_a_person(server: ThreadServer) -> None:
    """Both sides of it, oldest first, and nothing else; lines of a message are indented and printable."""
    where = str(server.address)
    with server.joined("bob") as bob, server.joined("alice", "send") as alice:
        server.joined("cid").hang_up()
        says_all(bob, "alice", ["two\nlines \x1b[31m"])
        says_all(alice, "bob", ["hello"])
        says_all(alice, "cid", ["not this"])
        first, second, third = Terminal.printed("history", "BOB", "--user", "alice", "--server", where)
    when = datetime.datetime.fromisoformat(first[:16]).replace(tzinfo=datetime.UTC)
    assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 120
    assert first[16:] == "  bob → alice  two"
    assert second == " " * 18 + "lines ␛[31m"
    assert third[16:] == "  alice → bob  hello"


def test_lines_in_a_pipe(server: ThreadServer) -> None:
    """Time, sender, recipient, and a text that ``printf %b`` restores."""
    text = "C:\\new\tone\nand\\\\another ü"
    with server.joined("bob") as bob, server.joined("alice", "listen") as alice:
        (first,) = says_all(bob, "alice", [text])
        at = alice.hears("message")["at"]
        bob.sends("alice", "\x1b[31m", re=first)
        second = bob.hears("sent")["seq"]
        done = chatcli("history", "bob", "--seq", "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stderr) == (0, "")
    one, two = (line.split("\t") for line in done.stdout.splitlines())
    assert (one[0], one[2:4], two[0], two[2:]) == (
        str(first), ["bob", "alice"], str(second), ["bob", "alice", "␛[31m"],
    )  # fmt: skip
    assert datetime.datetime.fromisoformat(one[1]).timestamp() * 1000 == pytest.approx(at)
    unescaped = subprocess.run(["bash", "-c", 'printf %b "$1"', "-", one[4]], check=True, capture_output=True)
    assert chatcli("history", "bob", "--user", "alice", "--server", str(server.address)).stdout.splitlines() == [
        line.partition("\t")[2] for line in done.stdout.splitlines()
    ]
    assert unescaped.stdout.decode() == text


def test_room(server: ThreadServer) -> None:
    """Everyone can read an open room; a private one of others does not exist."""
    where = str(server.address)
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        bob.enters("#ops")
        bob.enters("#secret", kind="private")
        says_all(bob, "#ops", ["hi all"])
    done = run_here("history", "#ops", "--user", "alice", "--server", where)
    assert done.stdout.endswith("\tbob\t#ops\thi all\n")
    done = run_here("history", "#secret", "--user", "alice", "--server", where)
    assert (done.returncode, done.stdout) == (3, "")


def test_json(server: ThreadServer) -> None:
    """Each line has a message's place in the log, id, UTC time to the millisecond, and what it answers."""
    with server.joined("bob") as bob, server.joined("alice", "listen"):
        bob.sends("alice", "first ü\u202e\n")
        first = bob.hears("sent")
        bob.says("send", id="0192f0c1-7b5e-7c3a-9d4e-1f2a3b4c5d6e", to="alice", text="second", re=first["seq"])
        second = bob.hears("sent")
        done = run_here("history", "bob", "--json", "--user", "alice", "--server", str(server.address))
    one, two = map(json.loads, done.stdout.splitlines())
    assert list(one) == ["seq", "id", "from", "to", "text", "at", "re", "choices", "until", "answer"]
    assert (one["seq"], one["id"], one["text"], one["re"]) == (first["seq"], first["id"], "first ü\u202e\n", None)
    assert (two["from"], two["to"], two["re"]) == ("bob", "alice", first["seq"])
    assert two["at"].endswith("Z")
    assert len(two["at"]) == len("2026-11-22T12:04:00.000Z")
    assert datetime.datetime.fromisoformat(two["at"]).timestamp() * 1000 == pytest.approx(second["at"])
    assert "\u202e" not in done.stdout  # bidirectional controls are escaped


def test_quotes_of_answers(server: ThreadServer) -> None:
    """A quote from the same page is shown, made printable; with --seq each line begins with its place."""
    where = ["--user", "alice", "--server", str(server.address)]
    with server.joined("bob") as bob, server.joined("alice", "listen"):
        (first,) = says_all(bob, "alice", ["who broke\nthe \x1b[31mbuild, " + "and why " * 20])
        says_all(bob, "alice", [f"{number}" for number in range(8)])
        bob.sends("alice", "me", re=first)
        last = bob.hears("sent")["seq"]
        bob.sends("alice", "two\nlines", re=last)
        bob.hears("sent")
    lines = Terminal.printed("history", "bob", *where)
    assert lines[-3][16:] == '  bob → alice  ↳ "who broke␤the ␛[31mbuild, and why and wh…"  me'
    assert [line[16:] for line in lines[-2:]] == ['  bob → alice  ↳ "me"  two', "  lines"]
    *lines, _ = Terminal.printed("history", "bob", "--limit", "3", "--seq", *where)
    assert [line[:4] for line in lines] == [f"{last - 1:>2}  ", f"{last}  ", f"{last + 1}  ", "    "]
    assert lines[1][20:] == "  bob → alice  ↳ an earlier message  me"
    assert lines[3] == " " * 22 + "lines"


def test_several_pages(server: ThreadServer) -> None:
    """--limit may exceed the server's page; messages are in the order of the log."""
    where = ["--user", "alice", "--server", str(server.address)]
    texts = [f"{number}" for number in range(1201)]
    with server.joined("bob") as bob:
        server.joined("alice").hang_up()
        places = says_all(bob, "alice", texts)
    read = run_here("history", "bob", "--limit", "100000", "--json", *where).stdout.splitlines()
    assert [json.loads(line)["text"] for line in read] == texts
    read = run_here("history", "bob", "--limit", "1100", "--json", *where).stdout.splitlines()
    assert [json.loads(line)["text"] for line in read] == texts[101:]
    read = run_here("history", "bob", *where).stdout.splitlines()
    assert [line.split()[-1] for line in read] == texts[-50:]
    read = run_here("history", "bob", "--limit", "2", "--before", str(places[10]), *where).stdout.splitlines()
    assert [line.split()[-1] for line in read] == ["8", "9"]


def test_since(server: ThreadServer) -> None:
    """A duration or a moment; a date without a zone is local."""
    where = ["--user", "alice", "--server", str(server.address)]
    with server.joined("bob") as bob:
        server.joined("alice").hang_up()
        says_all(bob, "alice", ["hi"])
    now = datetime.datetime.now(datetime.UTC)
    for since in ("2h", "1d12h", f"{now - datetime.timedelta(hours=1):%Y-%m-%dT%H:%MZ}", "2001-01-01"):
        assert len(run_here("history", "bob", "--since", since, *where).stdout.splitlines()) == 1, since
    for since in ("2100-01-01T10:00Z", f"{now + datetime.timedelta(minutes=9):%Y-%m-%d %H:%M:%S}"):
        done = run_here("history", "bob", "--since", since, *where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), since
    soon = f"{now + datetime.timedelta(minutes=9):%Y-%m-%d %H:%M}"
    assert run_here("history", "bob", "--since", soon, *where, TZ="America/New_York").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nobody"], 3),
        (["#nowhere"], 3),
        (["bob", "--since", "tomorrow"], 2),
        (["bob", "--since", "0000-99-99"], 2),
        (["bob", "--before", "0"], 2),
        (["bob", "--before", str(2**53)], 2),
        (["bob", "--limit", "0"], 2),
        ([], 2),
    ],
)
def test_errors(server: ThreadServer, arguments: list[str], status: int) -> None:
    """One sentence and a status, nothing on standard output, and no traceback."""
    server.joined("alice").hang_up()
    done = run_here("history", *arguments, "--user", "alice", "--server", str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("chatcli: ")
    assert "Traceback" not in done.stderr


def test_unquoted_room() -> None:
    """The error explains a room that the shell took for a comment, after any option or argument."""
    for arguments in (["history"], ["search", "disk", "--in"], ["search", "--in"], ["join", "--room"]):
        done = run_here(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "A room is written in quotes: '#ops'." in done.stderr
    for arguments in (["search"], ["history", "bob", "--limit"], ["join", "--user"]):
        assert "quotes" not in run_here(*arguments).stderr


def test_next_page_on_a_terminal(server: ThreadServer) -> None:
    """If there are older messages, a last line has the option for them; a pipe has none."""
    where = ["--user", "alice", "--server", str(server.address)]
    with server.joined("bob") as bob:
        server.joined("alice").hang_up()
        places = says_all(bob, "alice", ["1", "2", "3"])
    with Terminal("history", "bob", "--limit", "2", *where) as terminal:
        terminal.shows(f"Older ones: --before {places[1]}")
    with Terminal("history", "bob", *where) as terminal:
        terminal.shows("bob → alice  3")
        assert terminal.end() == 0
        assert "Older ones" not in "\n".join(terminal.lines)
    assert run_here("history", "bob", "--limit", "2", *where).stderr == ""


def test_closed_pipe(server: ThreadServer, tmp_path: Path) -> None:
    """``chatcli history … | head -1`` ends in silence."""
    with server.joined("bob") as bob:
        server.joined("alice").hang_up()
        says_all(bob, "alice", ["x" * 1000] * 300)
    complaints = tmp_path / "complaints"
    command = (
        f"{{python}} -m chatcli history bob --limit 300 --user alice --server {server.address} 2>{complaints} | head -1"
    )
    with Terminal.of_shell(command) as terminal:
        assert terminal.process.wait(20) == 0
    assert complaints.read_text() == ""


def test_oneself(server: ThreadServer) -> None:
    """The word "me" is the user who runs the command."""
    server.joined("alice").hang_up()
    where = ("--user", "alice", "--server", str(server.address))
    assert run_here("send", "me", "a note", *where).returncode == 0
    for words in (
        ["history", "me"],
        ["search", "note", "--in", "me", "--from", "me"],
        ["listen", "me", "--count", "1"],
    ):
        assert run_here(*words, *where).stdout.split("\t")[1:] == ["alice", "alice", "a note\n"]
