"""``send --spool`` and ``chatcli outbox``: messages that wait for a server."""

from __future__ import annotations

import concurrent.futures
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.client.identity.environment import new_id
from chatcli.client.outbox.flush import store_messages
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address
from tests.cli.delivery.test_lines import kept
from tests.here import run_here
from tests.support import OWN, ThreadServer, chatcli, serving
from tests.terminal import Terminal


@pytest.fixture
def state(tmp_path: Path) -> str:
    """A state directory of this test alone."""
    return str(tmp_path / "state")


@pytest.fixture
def away(tmp_path: Path) -> Iterator[tuple[Path, Address]]:
    """The address and the data of a stopped server that knows bob."""
    with serving(tmp_path / "data") as (program, address):
        run_here("send", "me", "hi", "--user", "bob", "--server", str(address))
        program.end(signal.SIGTERM)
        yield tmp_path / "data", address


def left(state: str) -> list[Path]:
    """Return the files of the outbox."""
    return list(Path(state, "chatcli/outbox").iterdir())


def test_every_command_sends_it(server: ThreadServer, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting messages go first, in order and once, before the command's own."""
    monkeypatch.setenv("XDG_STATE_HOME", state)
    where = ["--user", "ci", "--server", str(server.address)]
    with server.joined("bob") as bob:
        for command in ("who", "rooms", "history bob", "search hi", "key list", "send bob three", "outbox send"):
            store_messages(server.address, "ci", [Send(new_id(), "bob", text) for text in ("one", "two")])
            words = command.split()
            done = chatcli(*words, *(where if words[0] != "outbox" else []), XDG_STATE_HOME=state)
            assert done.returncode == 0, done.stderr
            expected = ["one", "two", *(["three"] if words[0] == "send" else [])]
            assert bob.texts(len(expected)) == expected
            assert left(state) == []


def test_others_leave_it_alone(away: tuple[Path, Address], state: str) -> None:
    """Another user sends nothing of it; without a server more messages queue up."""
    data, address = away
    run_here("send", "bob", "one", "--spool", "--user", "ci", "--server", str(address), XDG_STATE_HOME=state)
    assert (
        run_here("send", "bob", "two", "--user", "ci", "--server", str(address), XDG_STATE_HOME=state).returncode == 5
    )
    with serving(data, port=address.port):
        run_here("send", "bob", "mine", "--user", "eve", "--server", str(address), XDG_STATE_HOME=state)
        assert kept(address) == []
        assert len(left(state)) == 1


def test_refused_message(away: tuple[Path, Address], state: str) -> None:
    """It is reported once, holds up no other, is listed, and is tried again on demand only."""
    data, address = away
    where = ["--user", "ci", "--server", str(address)]
    for to in ("dora", "bob"):
        assert run_here("send", to, "hi", "--spool", *where, XDG_STATE_HOME=state).stdout == "spooled\n"
    with serving(data, port=address.port):
        done = run_here("who", *where, XDG_STATE_HOME=state)
        assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
        assert 'dora: Nobody called "dora" was ever here' in done.stderr
        assert kept(address) == ["hi"]
        assert run_here("who", *where, XDG_STATE_HOME=state).stderr == ""
        (record,) = map(json.loads, run_here("outbox", "--json", XDG_STATE_HOME=state).stdout.splitlines())
        assert (record["state"], record["error"]["code"]) == ("refused", "unknown_user")
        assert (record["user"], record["server"], record["to"]) == ("ci", str(address), "dora")
        run_here("send", "me", "hi", "--user", "dora", "--server", str(address))
        assert run_here("outbox", "retry", record["id"][:13], XDG_STATE_HOME=state).returncode == 0
        assert (
            run_here("outbox", "send", XDG_STATE_HOME=state).stderr
            == "chatcli: 1 message sent, 0 messages waiting, 0 refused.\n"
        )
    assert left(state) == []


def test_spooled_for_several_recipients(away: tuple[Path, Address], state: str) -> None:
    """A held-back message is kept with the reason, and sent alone on demand."""
    data, address = away
    where = ["--user", "ci", "--server", str(address)]
    done = run_here("send", "bob", "hello", "world", "--spool", "--json", *where, XDG_STATE_HOME=state)
    assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["spooled"] * 2
    with serving(data, port=address.port):
        done = run_here("who", *where, XDG_STATE_HOME=state)
        assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["bob", "hello"]
        assert kept(address) == []
        records = [json.loads(line) for line in run_here("outbox", "--json", XDG_STATE_HOME=state).stdout.splitlines()]
        assert [record["state"] for record in records] == ["refused"] * 2
        assert run_here("outbox", "retry", records[0]["id"], XDG_STATE_HOME=state).returncode == 0
        run_here("outbox", "send", XDG_STATE_HOME=state)
        assert kept(address) == ["world"]


def test_forged_content(server: ThreadServer, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the listing stays one line, whatever the file has."""
    monkeypatch.setenv("XDG_STATE_HOME", state)
    forged = "b\nchatcli: forged\x1b[2J"
    store_messages(server.address, "ci", [Send(new_id(), forged, "hi")])
    done = run_here("who", "--user", "ci", "--server", str(server.address), XDG_STATE_HOME=state)
    (line,) = done.stderr.splitlines()
    assert "b␤chatcli: forged␛[2J: " in line
    run_here("outbox", "drop", "--all", XDG_STATE_HOME=state)
    store_messages(Address(forged, 1), "ci", [Send(new_id(), "bob", "hi")])
    done = run_here("outbox", "send", XDG_STATE_HOME=state)
    assert [line.split(" ", 1)[0] for line in done.stderr.splitlines()] == ["chatcli:"] * 2
    assert "\nchatcli: forged" not in done.stderr


def test_list_and_drop(state: str) -> None:
    """One line per message, separated by tabs; an id may be shortened."""
    where = ["--user", "ci", "--server", "127.0.0.1:1"]
    run_here("send", "bob", "carol", "two\nlines", "--spool", *where, XDG_STATE_HOME=state)
    rows = [line.split("\t") for line in run_here("outbox", XDG_STATE_HOME=state).stdout.splitlines()]
    assert [row[2:] for row in rows] == [["ci", "127.0.0.1:1", to, "waiting", "two\\nlines"] for to in ("bob", "carol")]
    for wrong in (["0"], [], ["x"], [rows[0][0], "--all"]):
        assert run_here("outbox", "drop", *wrong, XDG_STATE_HOME=state).returncode == 2
    assert run_here("outbox", "drop", rows[0][0], XDG_STATE_HOME=state).stderr == "chatcli: 1 message dropped.\n"
    assert [line.split("\t")[0][:8] for line in run_here("outbox", XDG_STATE_HOME=state).stdout.splitlines()] == [
        rows[1][0][:8]
    ]
    done = run_here("outbox", "send", XDG_STATE_HOME=state)
    assert done.returncode == 5
    assert "No server answers" in done.stderr
    assert run_here("outbox", "drop", "--all", XDG_STATE_HOME=state).returncode == 0
    assert left(state) == []
    assert run_here("outbox", XDG_STATE_HOME=state).stdout == ""


def test_pins(server: ThreadServer, state: str, tmp_path: Path) -> None:
    """--pin counts for the named server, and the pins of config.toml for the others."""
    right = server.run(lambda: server.hub.server_key)
    wrong = f"SHA256:{'A' * 43}"
    home = tmp_path / "home" / "chatcli"
    home.mkdir(mode=0o700, parents=True)
    (home / "key").write_text(OWN.export_text())
    (home / "key").chmod(0o600)

    def sends(*options: str) -> int:
        return run_here("outbox", "send", *options, XDG_STATE_HOME=state, XDG_CONFIG_HOME=str(home.parent)).returncode

    named = ["--server", str(server.address)]
    run_here("send", "bob", "hi", "--user", "bob", *named)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", state)
        store_messages(server.address, "ci", [Send(new_id(), "bob", "kept")])
    (home / "config.toml").write_text(f'[servers.work]\nserver = "{server.address}"\npin = "{wrong}"\n')
    assert sends() == 4
    assert sends("--at", "work") == 4
    assert sends("--server", "127.0.0.1:1", "--pin", right) == 0
    assert len(left(state)) == 1
    assert sends(*named, "--pin", right) == 0
    assert left(state) == []


def test_concurrent_processes(away: tuple[Path, Address], state: str) -> None:
    """Messages are stored and sent once, without a server and then with one."""
    data, address = away
    where = ["--user", "ci", "--server", str(address)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: chatcli("send", "bob", f"kept {n}", "--spool", *where, XDG_STATE_HOME=state), range(6)))
        with serving(data, port=address.port):
            done = list(pool.map(lambda n: chatcli("send", "bob", f"sent {n}", *where, XDG_STATE_HOME=state), range(6)))
            texts = kept(address)
    assert {one.returncode for one in done} == {0}
    assert sorted(texts[:6]) == [f"kept {n}" for n in range(6)]
    assert sorted(texts[6:]) == [f"sent {n}" for n in range(6)]
    assert left(state) == []


def test_unwritable_outbox(tmp_path: Path) -> None:
    """The status is that of the server, and the sentence has both causes."""
    (tmp_path / "state").write_text("in the way")
    done = run_here("send", "bob", "hi", "--spool", "--server", "127.0.0.1:1", XDG_STATE_HOME=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (5, "")
    assert "No server answers" in done.stderr
    assert "It was not kept either." in done.stderr


def test_refused_at_once(server: ThreadServer, state: str) -> None:
    """Only an unreachable server is a reason to store a message."""
    done = run_here("send", "nobody", "hi", "--spool", "--server", str(server.address), XDG_STATE_HOME=state)
    assert (done.returncode, done.stdout) == (3, "")
    assert not Path(state, "chatcli", "outbox").exists()


def test_narrow_terminal(tmp_path: Path) -> None:
    """Recipient, state and text have priority."""
    state = str(tmp_path / "state")
    where = ("--user", "alice", "--server", "127.0.0.1:1")
    run_here("send", "bob", "when will this come?", "--spool", *where, XDG_STATE_HOME=state)
    heading, line = Terminal.printed("outbox", columns=44, XDG_STATE_HOME=state)
    assert heading.split() == ["id", "to", "state", "text"]
    assert line.split()[1:4] == ["bob", "waiting", "when"]
