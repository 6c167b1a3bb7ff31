"""``chatcli status``: server, identity and unread counts, and a number for a shell prompt."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcli.client.identity.environment import new_id
from chatcli.client.outbox.flush import store_messages
from chatcli.client.storage import roster, unread
from chatcli.client.storage.files import outbox_is_empty
from chatcli.protocol.frames import Send
from tests.here import run_here
from tests.support import OWN, Program, ThreadServer, chatcli, environment, eventually
from tests.terminal import Terminal

ALICE = {"CHATCLI_USER": "alice"}
OTHER_KEY = "SHA256:" + "A" * 43


@pytest.fixture
def where(server: ThreadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The environment of a user without local data."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return {"CHATCLI_SERVER": str(server.address), "XDG_STATE_HOME": str(tmp_path / "state"), **ALICE}


def missed(server: ThreadServer) -> None:
    """Let alice miss two messages from bob and one in a room."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        alice.enters("#ops")
        alice.hang_up()
        eventually(lambda: bob.asks_who() == ["bob"])
        for to in ("alice", "alice", "#ops"):
            bob.sends(to, "hi")
            bob.hears("sent")


def test_status(server: ThreadServer, where: dict[str, Any]) -> None:
    """Identity and unread counts: separated by tabs in a pipe, an object as JSON, columns on a terminal."""
    missed(server)
    done = chatcli("status", **where)
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert rows["server"] == str(server.address)
    assert (rows["reachable"], rows["key"], rows["trust"]) == ("yes", "-", "this machine")
    assert (rows["user"], rows["fingerprint"]) == ("alice", OWN.fingerprint)
    assert (rows["unread"], rows["unread bob"], rows["unread #ops"], rows["spooled"]) == ("3", "2", "1", "0")
    record = json.loads(chatcli("status", "--json", **where).stdout)
    assert record["head"] > record["cursor"] >= 0
    assert [(one["of"], one["count"], one["mentions"]) for one in record["conversations"]] == [
        ("#ops", 1, 0),
        ("bob", 2, 0),
    ]
    with server.joined("bob", "send") as bob:
        bob.sends("#ops", "alice: look")
        bob.hears("sent")
    record = json.loads(run_here("status", "--json", **where).stdout)
    assert (record["unread"], record["mentions"], record["conversations"][0]["mentions"]) == (4, 1, 1)
    with Terminal("status", columns=100, rows=30, **where) as terminal:
        terminal.shows("reachable    yes")
        terminal.shows("unread bob   2")
        assert terminal.end() == 0


def test_key_and_trust(server: ThreadServer, where: dict[str, Any]) -> None:
    """The fingerprint of a pinned server, and why it is trusted."""
    server.joined("alice").hang_up()
    key = server.run(lambda: server.hub.server_key)
    record = json.loads(run_here("status", "--json", "--pin", key, **where).stdout)
    assert (record["key"], record["trust"]) == (key, "pinned")


def test_no_server(where: dict[str, Any]) -> None:
    """The status is 5, with what is stored locally; unread counts are missing."""
    where["CHATCLI_SERVER"] = "127.0.0.1:1"
    assert run_here("send", "--spool", "bob", "hi", **where).stdout == "spooled\n"
    done = run_here("status", **where)
    assert done.returncode == 5
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert (rows["reachable"], rows["unread"], rows["spooled"]) == ("no", "-", "1")
    assert "No server answers" in done.stderr
    prompt = run_here("status", "--unread", "-q", **where)
    assert (prompt.returncode, prompt.stdout, prompt.stderr) == (5, "", "")


def test_prompt_asks_once_a_minute(server: ThreadServer, where: dict[str, Any]) -> None:
    """A cached count that is older, or from the future, is refreshed."""
    missed(server)
    assert run_here("status", "--unread", **where).stdout == "3\n"
    server.joined("alice", "listen").texts(3)
    assert run_here("status", "--unread", **where).stdout == "3\n"
    (path,) = (Path(where["XDG_STATE_HOME"]) / "chatcli" / "status").iterdir()
    for at in (int(time.time()) - unread.FRESH, int(time.time()) + 3600, "x"):
        path.write_text(f"3\t{at}\n")
        assert run_here("status", "--unread", **where).stdout == "0\n"
    for count in ("9" * 16, "-1", "٣", "\x1b[31m5"):
        path.write_text(f"{count}\t{int(time.time())}\n")
        assert run_here("status", "--unread", **where).stdout == "0\n"
    done = run_here("status", "--unread", "--json", **where)
    assert (done.returncode, done.stdout) == (2, "")


#: Runs the command, and reports all opened files and sockets on standard error.
_WATCHED = """
import sys
seen = []
def hook(event, arguments):
    if event.startswith("socket.") or (event == "open" and not str(arguments[0]).endswith((".py", ".pyc"))):
        seen.append(f"{event} {arguments[0]}")
from chatcli.cli.main import _run
sys.addaudithook(hook)
status = _run()
print(*seen, sep="\\n", file=sys.stderr)
print(*(name for name in sys.modules if name in ("msgspec", "socket", "asyncio", "cryptography")), file=sys.stderr)
sys.exit(status)
"""


def test_fresh_count(server: ThreadServer, where: dict[str, Any]) -> None:
    """It costs no network, and reads three files: settings, moved servers and the count."""
    unread.store(server.address, "alice", 7)
    command = [sys.executable, "-c", _WATCHED, "status", "--unread"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**where), check=False)
    assert (done.returncode, done.stdout) == (0, "7\n")
    *opened, modules = done.stderr.splitlines()
    assert modules == ""
    paths = [line.removeprefix("open ") for line in opened if "/chatcli/" in line]
    assert [Path(path).parent.name for path in paths] == ["chatcli", "servers", "status"], opened
    assert not [line for line in opened if line.startswith("socket")]


def test_prompt_and_a_silent_server(where: dict[str, Any], silent: socket.socket) -> None:
    """It waits a second once, and then not at all for a while."""
    where["CHATCLI_SERVER"] = f"127.0.0.1:{silent.getsockname()[1]}"
    assert run_here("status", "--unread", "-q", **where).returncode == 5
    assert taken(silent) > 0
    done = run_here("status", "--unread", **where)
    assert (done.returncode, done.stdout) == (5, "")
    assert "gave no number a moment ago" in done.stderr
    assert taken(silent) == 0


@pytest.mark.parametrize(("options", "status"), [({"CHATCLI_USER": "nobody"}, 3), ({"CHATCLI_PIN": OTHER_KEY}, 4)])
def test_prompt_and_a_refusal(
    server: ThreadServer, where: dict[str, Any], options: dict[str, str], status: int
) -> None:
    """An unknown name or a wrong key is asked about once a minute; -q silences it."""
    server.joined("alice").hang_up()
    done = run_here("status", "--unread", "-q", **{**where, **options})
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    done = run_here("status", "--unread", **{**where, **options})
    assert (done.returncode, done.stdout) == (5, "")
    assert "gave no number a moment ago" in done.stderr


def test_spooled_messages(server: ThreadServer, where: dict[str, Any]) -> None:
    """They are counted for any composition of the user's name."""
    server.stop()
    store_messages(server.address, "Jose\u0301", [Send(new_id(), "bob", "hi")])
    done = run_here("status", "--json", "--user", "JOS\u00c9", **where)
    assert (done.returncode, json.loads(done.stdout)["spooled"]) == (5, 1)


def test_prompt_leaves_the_outbox(server: ThreadServer, where: dict[str, Any]) -> None:
    """Only the full status sends waiting messages, as the prompt has little time."""
    server.joined("alice").hang_up()
    store_messages(server.address, "alice", [Send(new_id(), "alice", "hi")])
    for arguments, left in ((["--unread"], True), ([], False)):
        done = run_here("status", *arguments, **where)
        assert (done.returncode, done.stderr) == (0, "")
        assert outbox_is_empty() != left


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def taken(silent: socket.socket) -> int:
    """Return the number of new connections since the last call."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            silent.accept()[0].close()
            count += 1
    return count


# Roster and cached count


def people(server: ThreadServer) -> dict[str, str]:
    """Return the people in alice's roster and their presence."""
    return {one.name: one.state for one in roster.load(server.address, "alice").people()}


def rooms(server: ThreadServer) -> set[str]:
    """Return the rooms in alice's roster."""
    return {room.name for room in roster.load(server.address, "alice").rooms()}


def test_roster(server: ThreadServer, where: dict[str, Any]) -> None:
    """The first command requests all users beside its own request; later ones add those whom they see."""
    with server.joined("bob") as bob:
        bob.enters("#ops")
        assert run_here("send", "bob", "hi", **where).stdout == "delivered\n"
        assert (people(server)["bob"], rooms(server)) == ("here", {"#ops"})
        asked = roster.load(server.address, "alice").asked
        assert asked
        server.joined("carol").enters("#dev")
    run_here("send", "carol", "hi", **where)
    assert "carol" in people(server)
    assert rooms(server) == {"#ops"}
    assert roster.load(server.address, "alice").asked == asked
    run_here("rooms", **where)
    assert rooms(server) == {"#ops", "#dev"}
    run_here("send", "nobody", "hi", **where)
    assert "nobody" not in people(server)


def test_absent_users(server: ThreadServer, where: dict[str, Any]) -> None:
    """A user who is missing from the list of online users has left."""
    with server.joined("bob") as bob, server.joined("alice"):
        run_here("who", **where)
        assert people(server) == {"alice": "here", "bob": "here"}
        bob.hang_up()
    eventually(lambda: run_here("who", **where).stdout == "")
    assert people(server) == {"alice": "gone", "bob": "gone"}


def test_join_updates_count_and_roster(server: ThreadServer, where: dict[str, Any]) -> None:
    """While it runs, the count is its toolbar's; then the server's again."""
    with server.joined("bob") as bob, Terminal("join", **where) as alice:
        alice.shows("You are alice")
        for _ in range(2):
            bob.sends("alice", "hi")
        alice.shows_toolbar("bob")
        eventually(lambda: chatcli("status", "--unread", **where).stdout == "2\n")
        eventually(lambda: people(server).get("bob") == "here")
        alice.types("exit\r")
        assert alice.end() == 0
    with pytest.raises(unread.NotCached):
        unread.load(server.address, "alice")
    assert run_here("status", "--unread", **where).stdout == "0\n"


def test_listen_and_the_count(server: ThreadServer, where: dict[str, Any]) -> None:
    """Printed messages stay unread, unless --mark-read is given; users are added to the roster."""
    missed(server)
    assert run_here("status", "--unread", **where).stdout == "3\n"
    assert run_here("listen", "--count", "3", **where).returncode == 0
    assert json.loads(run_here("status", "--json", **where).stdout)["unread"] == 3
    assert run_here("listen", "--since", "0", "--count", "3", "--mark-read", **where).returncode == 0
    assert run_here("status", "--unread", **where).stdout == "0\n"
    assert ("bob" in people(server), "#ops" in rooms(server)) == (True, True)


def test_listen_in_a_pipe(server: ThreadServer, where: dict[str, Any]) -> None:
    """Messages that a program reads stay in the user's count; users are added to the roster."""
    with server.joined("bob"), Program("join", **where) as alice:
        alice.types("bob: hi\nexit\n")
        assert alice.end() == 0
    assert "bob" in people(server)
    with pytest.raises(unread.NotCached):
        unread.load(server.address, "alice")
