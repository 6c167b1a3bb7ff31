"""``chatcli who``: online users, one per line."""

from __future__ import annotations

import datetime
import json
import re

from tests.here import run_here
from tests.support import ThreadServer, chatcli, eventually
from tests.terminal import Terminal


def test_names(server: ThreadServer) -> None:
    """Users who are online, sorted, one per line; nothing if there are none."""
    where = str(server.address)
    assert chatcli("who", "--server", where).stdout == ""
    with server.joined("bob"), server.joined("Alice"), server.joined("ci", "send"):
        done = chatcli("who", CHATCLI_SERVER=where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Alice\nbob\n", "")


def test_json(server: ThreadServer) -> None:
    """Each object has the name and the time since when, one per line."""
    with server.joined("bob"):
        (line,) = run_here("who", "--json", "--server", str(server.address)).stdout.splitlines()
    person = json.loads(line)
    assert person["user"] == "bob"
    since = datetime.datetime.fromisoformat(person["since"])
    assert abs((datetime.datetime.now(datetime.UTC) - since).total_seconds()) < 60


def test_asking_creates_no_user(server: ThreadServer) -> None:
    """The asker is not online, then or later."""
    run_here("who", "--server", str(server.address), CHATCLI_USER="spy")
    assert server.run(lambda: server.hub.users.find("spy")) is None


def test_no_server() -> None:
    """A sentence, status 5, and no output."""
    done = run_here("who", "--server", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("chatcli: No server answers at 127.0.0.1:1")


def test_members_of_a_room(server: ThreadServer) -> None:
    """All of them with presence, time and away text, separated by tabs."""
    where = ["--user", "bob", "--server", str(server.address)]
    with server.joined("bob") as bob, server.joined("cid") as cid:
        with server.joined("dan") as dan:
            for one in (bob, cid, dan):
                one.enters("#ops")
        eventually(lambda: bob.asks_who() == ["bob", "cid"])
        cid.asks("away", text="lunch\tand \x1b[31m")
        done = run_here("who", "#OPS", *where)
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        assert [(user, state, text, idle) for user, state, _, text, idle in rows] == [
            ("bob", "here", "", ""),
            ("cid", "away", "lunch\\tand ␛[31m", ""),
            ("dan", "gone", "", ""),
        ]
        people = [json.loads(line) for line in run_here("who", "#ops", "--json", *where).stdout.splitlines()]
        assert [person["since"] for person in people] == [row[2] for row in rows]
        assert people[1]["text"] == "lunch\tand \x1b[31m"
        assert [person["state"] for person in people] == ["here", "away", "gone"]
        for _, _, since, _, _ in rows:
            age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(since)
            assert abs(age.total_seconds()) < 60


def test_presence_on_a_terminal(server: ThreadServer) -> None:
    """Names in a column, with local times."""
    with server.joined("bob"), server.joined("Alexandra") as alexandra:
        alexandra.asks("away", text="lunch")
        with Terminal("who", "--server", str(server.address)) as terminal:
            terminal.shows("bob        here since ")
            assert re.fullmatch(r"Alexandra  away since (.* )?\d\d:\d\d \(lunch\)", terminal.lines[0])


def test_nobody_on_a_terminal(server: ThreadServer) -> None:
    """A sentence says so."""
    with Terminal("who", "--server", str(server.address)) as terminal:
        terminal.shows("Nobody is here.")


def test_unknown_room(server: ThreadServer) -> None:
    """The status is 3, for a private room of others, too."""
    with server.joined("bob") as bob:
        bob.enters("#secret", kind="private")
    server.joined("alice").hang_up()
    for room in ("#nowhere", "#secret"):
        done = run_here("who", room, "--user", "alice", "--server", str(server.address))
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(f'chatcli: There is no room "{room}" ')


def test_person(server: ThreadServer) -> None:
    """One line: the state, since when, the away message and the time since when they are idle; "me" is oneself."""
    where = ["--user", "alice", "--server", str(server.address)]
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        assert re.fullmatch(r"bob\there\t[^\t]+Z\t\t\n", run_here("who", "BOB", *where).stdout)
        bob.says("idle")
        bob.asks("away", text="lunch")
        user, state, since, text, idle = run_here("who", "bob", *where).stdout.rstrip("\n").split("\t")
        assert (user, state, text) == ("bob", "away", "lunch")
        assert idle <= since
        (person,) = map(json.loads, run_here("who", "bob", "--json", *where).stdout.splitlines())
        assert person == {"user": "bob", "state": "away", "since": since, "text": "lunch", "idle": idle}
        with Terminal("who", "bob", *where) as terminal:
            terminal.shows("bob  away since ")
            assert re.fullmatch(
                r"bob  away since (.* )?\d\d:\d\d \(lunch\), idle since (.* )?\d\d:\d\d", terminal.lines[0]
            )
    eventually(lambda: run_here("who", "bob", *where).stdout.startswith("bob\tgone\t"))
    assert run_here("who", "me", *where).stdout.startswith("alice\tgone\t")
    done = run_here("who", "bbo", *where)
    assert (done.returncode, done.stdout) == (3, "")
    assert "did you mean bob?" in done.stderr
