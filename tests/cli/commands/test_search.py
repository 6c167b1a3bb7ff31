"""``chatcli search``: finds messages by their words."""

from __future__ import annotations

import json

import pytest

from tests.here import run_here
from tests.support import ThreadServer, chatcli
from tests.terminal import Terminal


@pytest.fixture
def where(server: ThreadServer) -> list[str]:
    """The options for a server with messages."""
    with server.joined("bob") as bob, server.joined("alice", "send") as alice:
        bob.enters("#ops")
        for to, text in (
            ("#ops", "The disk of db2 is full"),
            ("alice", "Full moon over Köln"),
            ("#ops", "db2 is down"),
        ):
            bob.sends(to, text)
            bob.hears("sent")
        alice.sends("bob", "is it full?")
        alice.hears("sent")
    return ["--user", "alice", "--server", str(server.address)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["full"], ["is it full?", "Full moon over Köln", "The disk of db2 is full"]),
        (["FULL", "disk"], ["The disk of db2 is full"]),
        (["koln"], ["Full moon over Köln"]),
        (["moo*"], ["Full moon over Köln"]),
        (['"db2 is"'], ["db2 is down", "The disk of db2 is full"]),
        (['"is db2"'], []),
        (["full", "--in", "#ops"], ["The disk of db2 is full"]),
        (["full", "--in", "bob"], ["is it full?", "Full moon over Köln"]),
        (["full", "--from", "BOB"], ["Full moon over Köln", "The disk of db2 is full"]),
        (["full", "--limit", "1"], ["is it full?"]),
        (["full", "in:#ops"], ["The disk of db2 is full"]),
        (["full in:bob"], ["is it full?", "Full moon over Köln"]),
        (["from:BOB", "full", "--in", "#ops"], ["The disk of db2 is full"]),
        (['"db2 is"', "in:#ops", "from:bob"], ["db2 is down", "The disk of db2 is full"]),
    ],
)
def test_search(where: list[str], arguments: list[str], found: list[str]) -> None:
    """All words, beginnings and phrases are found, newest first; in a room, with a user, by a user."""
    done = chatcli("search", *arguments, "--json", *where)
    assert done.returncode == 0
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == found


def test_lines(where: list[str]) -> None:
    """The lines are those of history, on a terminal and in a pipe."""
    assert [line[16:] for line in Terminal.printed("search", "full", *where)] == [
        "  alice → bob  is it full?",
        "  bob → alice  Full moon over Köln",
        "  #ops  bob  The disk of db2 is full",
    ]
    assert [line.split("\t")[1:] for line in run_here("search", "full", *where).stdout.splitlines()] == [
        ["alice", "bob", "is it full?"],
        ["bob", "alice", "Full moon over Köln"],
        ["bob", "#ops", "The disk of db2 is full"],
    ]


def test_before(where: list[str]) -> None:
    """--before goes on where the last page ended."""
    first = json.loads(run_here("search", "full", "--limit", "1", "--json", *where).stdout)
    done = run_here("search", "full", "--limit", "1", "--before", str(first["seq"]), "--json", *where)
    assert json.loads(done.stdout)["text"] == "Full moon over Köln"


def test_nothing_found(where: list[str]) -> None:
    """Status 0, nothing on standard output, a remark on standard error."""
    done = run_here("search", "nonsense", *where)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "chatcli: Nothing found.\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (['"disk'], 2),
        (["*"], 2),
        (["  "], 2),
        ([], 2),
        (["full", "--in", "#nowhere"], 3),
        (["full", "--in", "nobody"], 3),
        (["full", "--from", "nobody"], 3),
        (["full", "from:nobody"], 3),
        (["in:#ops"], 2),
        (["full", "in:#ops", "--in", "#ops"], 2),
    ],
)
def test_errors(where: list[str], arguments: list[str], status: int) -> None:
    """The sentence is the server's, or says that the user is unknown."""
    done = run_here("search", *arguments, *where)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("chatcli: ")
    assert "Traceback" not in done.stderr
    assert "/search" not in done.stderr


def test_unreadable_messages(server: ThreadServer, where: list[str]) -> None:
    """Neither other users' conversations nor their private rooms are found."""
    server.joined("cid").hang_up()
    with server.joined("bob", "send") as bob:
        bob.enters("#secret", kind="private")
        for to in ("cid", "#secret"):
            bob.sends(to, "xyzzy")
            bob.hears("sent")
    assert run_here("search", "xyzzy", *where).stdout == ""
    assert len(run_here("search", "xyzzy", "--user", "bob", *where[2:]).stdout.splitlines()) == 2
