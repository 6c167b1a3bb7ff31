"""``chatcli who``: names, one a line."""

from __future__ import annotations

import datetime
import json

from tests.support import ThreadServer, chatcli


def test_names_come_one_a_line(server: ThreadServer) -> None:
    """The people in the chat, sorted; nothing where nobody is."""
    where = str(server.address)
    assert chatcli("who", "--server", where).stdout == ""
    with server.joined("bob"), server.joined("Alice"), server.joined("ci", "send"):
        done = chatcli("who", CHATCLI_SERVER=where)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Alice\nbob\n", "")


def test_json_is_one_object_a_line(server: ThreadServer) -> None:
    """Each object has the name and since when."""
    with server.joined("bob"):
        (line,) = chatcli("who", "--json", "--server", str(server.address)).stdout.splitlines()
    person = json.loads(line)
    assert person["user"] == "bob"
    since = datetime.datetime.fromisoformat(person["since"])
    assert abs((datetime.datetime.now(datetime.UTC) - since).total_seconds()) < 60


def test_asking_makes_nobody_known(server: ThreadServer) -> None:
    """Whoever only looks is not in the chat, then or later."""
    chatcli("who", "--server", str(server.address), CHATCLI_USER="spy")
    assert server.run(lambda: server.hub.directory.find("spy")) is None


def test_no_server_is_status_5() -> None:
    """Where nobody answers there is a sentence and no output."""
    done = chatcli("who", "--server", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("chatcli: No server answers at 127.0.0.1:1")
