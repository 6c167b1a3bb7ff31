"""``chatcli read``: read positions from the shell."""

from __future__ import annotations

import pytest

from tests.cli.commands.unread.test_conversations import missed
from tests.here import run_here
from tests.support import ThreadServer


def unread(where: list[str]) -> dict[str, int]:
    """Return the number of unread messages by conversation, which the number for the prompt must match."""
    rows = [line.split("\t") for line in run_here("conversations", "--unread", *where).stdout.splitlines()]
    counts = {row[0]: int(row[1]) for row in rows}
    assert run_here("status", "--unread", *where).stdout == f"{sum(counts.values())}\n"
    return counts


def test_positions(server: ThreadServer) -> None:
    """Some conversations, or all of them, and the last message of others unread again; devices and others learn it."""
    where = missed(server)
    assert unread(where) == {"bob": 2, "#ops": 2}
    with server.joined("alice", "listen", revision=1) as device, server.joined("bob", "query") as bob:
        done = run_here("read", "BOB", "--no-receipts", *where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        while (frame := device.next()) and frame["t"] != "read":
            pass
        assert frame
        assert frame["of"] == "bob"
        assert unread(where) == {"#ops": 2}
        assert bob.asks("receipts", to="alice")["people"][0]["seq"] == 0
        run_here("read", "#ops", "bob", *where)
        assert unread(where) == {}
        with server.joined("alice", "send") as alice:
            alice.sends("bob", "mine")
            alice.hears("sent")
        for of in ("bob", "#ops"):
            assert run_here("read", of, "--unread", *where).returncode == 0
        assert unread(where) == {"bob": 1, "#ops": 1}
        run_here("read", "--all", *where)
        assert unread(where) == {}
        assert bob.asks("receipts", to="alice")["people"][0]["seq"] > 0


def test_history_and_search_read_nothing(server: ThreadServer) -> None:
    """Messages printed from the log stay unread."""
    where = missed(server)
    for command in (["history", "bob"], ["history", "#ops"], ["search", "one"]):
        assert run_here(*command, *where).returncode == 0
    assert unread(where) == {"bob": 2, "#ops": 2}


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        ([], 2, "Name people or rooms, as in"),
        (["--unread"], 2, "Name people or rooms"),
        (["--all", "bob"], 2, "drop bob"),
        (["--all", "--unread"], 2, "drop --unread"),
        (["bbo"], 3, "did you mean bob?"),
        (["#nowhere", "bob"], 3, "no room"),
        (["cid", "--unread"], 2, "cid: there is no message from others"),
        (["bob", "--server", "127.0.0.1:1"], 5, "No server answers"),
    ],
)
def test_errors(server: ThreadServer, arguments: list[str], status: int, sentence: str) -> None:
    """One sentence, and the documented status."""
    missed(server)
    done = run_here("read", *arguments, CHATCLI_USER="alice", CHATCLI_SERVER=str(server.address))
    assert (done.returncode, done.stdout) == (status, "")
    assert sentence in done.stderr
    assert done.stderr.startswith("chatcli: ")
