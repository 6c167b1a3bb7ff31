"""``chatcli admin``: the output and the exit status of each command."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatcli.cli.commands.admin import command
from chatcli.server.limits import Limits
from tests.admin import does, joined, noted
from tests.here import run_here
from tests.support import Caller, Program, ThreadServer, chatcli, eventually, key_of, serving
from tests.terminal import Terminal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the ``server`` fixture."""
    return tmp_path / "data"


def admin(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on that directory."""
    return run_here("admin", "--data", str(data), *arguments)


def says(data: Path, *arguments: str) -> str:
    """Run a command that must succeed without a complaint, and return its output."""
    done = admin(data, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_command_reports_its_effect(server: ThreadServer, data: Path) -> None:
    """One sentence on standard output says what was done."""
    key = key_of("eve").fingerprint
    with joined(server, "alice"):
        with joined(server, "eve") as eve, joined(server, "eve", "listen"):
            assert says(data, "kick", "EVE", "--reason", "lunch") == (
                "eve has been sent away: 2 connections were closed.\n"
            )
            assert "(lunch)" in eve.hears("bye", code="kicked")["text"]
        with joined(server, "eve") as eve:
            expected = "eve is banned for 2d: a connection was closed.\n"
            assert says(data, "ban", "eve", "--for", "2d", "--reason", "spam") == expected
            assert "(spam)" in eve.hears("bye", code="banned")["text"]
        assert says(data, "unban", "eve") == "eve is no longer banned.\n"
        assert says(data, "unban", "eve") == "eve is not banned.\n"
        assert says(data, "ban", key) == f"{key} is banned for ever: no connection was open.\n"
        assert says(data, "unban", key) == f"{key} is no longer banned.\n"
        assert says(data, "mute", "eve", "--for", "1h30m") == "eve is muted for 1h30m.\n"
        assert says(data, "unmute", "eve") == "eve is no longer muted.\n"
        assert says(data, "op", "Alice") == "alice is an operator.\n"
        assert says(data, "deop", "alice") == "alice is no longer an operator.\n"
        assert says(data, "release", "alice") == "alice is free: a connection was closed.\n"
    did = ["kick", "ban", "unban", "unban", "ban", "unban", "mute", "unmute", "op", "deop", "release"]
    assert [line["do"] for line in noted(data)] == did


def test_json(server: ThreadServer, data: Path) -> None:
    """Each command prints one object per line with the fields that a script needs."""
    joined(server, "bob").hang_up()
    eve = joined(server, "eve")
    calls = {
        "kick": ["eve"],
        "ban": ["eve"],
        "unban": ["eve"],
        "mute": ["eve"],
        "unmute": ["eve"],
        "op": ["eve"],
        "deop": ["eve"],
        "release": ["eve"],
        "link": ["admin"],
        "token": ["hook"],
        "tokens": ["hook"],
        "invite": [],
        "status": [],
        "users": [],
        "backup": [str(data / "copy.db")],
        "export": ["--output", str(data / "archive")],
        "check": [],
    }
    # Two need a stopped server, and one the id of a token.
    assert {*calls, "import", "restore", "revoke"} == set(command.commands)
    rows = {do: [json.loads(line) for line in says_json(data, do, *names)] for do, names in calls.items()}
    eve.hang_up()
    assert {do: len(lines) for do, lines in rows.items()} == dict.fromkeys(calls, 1) | {
        "users": 3,
        "check": len(rows["check"]),
    }
    assert rows["ban"] == [{"banned": "eve", "until": None, "closed": 0}]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows["invite"][0]["until"])
    assert rows["status"][0]["since"].endswith("Z")
    assert rows["unmute"] == [{"unmuted": "eve", "was_muted": True}]
    assert rows["status"][0]["addresses"] == [str(server.address)]
    assert rows["invite"][0]["command"].endswith(f" --invite {rows['invite'][0]['code']}")
    assert [row["user"] for row in rows["users"]][1] == "bob"
    size = (data / "copy.db").stat().st_size
    assert rows["backup"] == [{"file": str(data / "copy.db"), "messages": 0, "bytes": size}]
    assert rows["export"] == [{"file": str(data / "archive"), "messages": 0, "unread": 0}]
    assert rows["check"][0] == {"what": "every page can be read", "findings": []}


def says_json(data: Path, do: str, *names: str) -> list[str]:
    """Run a command with ``--json``, and return the objects of its answer."""
    done = admin(data, do, "--json", *names)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_status(server: ThreadServer, data: Path) -> None:
    """Each line has a key, a tab and a value; lists have commas, empty ones no line; a terminal gets columns."""
    does(data, "ban", to="mallory", anyway=True)
    lines = dict(line.split("\t") for line in says(data, "status").splitlines())
    assert lines["addresses"] == str(server.address)
    assert lines["key"] == server.hub.server_key
    assert (lines["access"], lines["here"], lines["banned"]) == ("open", "0", "mallory")
    assert (lines["log"], lines["log damaged"], "log since" in lines) == ("writable", "0", False)
    assert int(lines["log bytes"]) > 0
    does(data, "unban", to="mallory")
    assert "banned\tnone\n" in says(data, "status")
    assert "access open" in [
        " ".join(line.split()) for line in Terminal.printed("admin", "status", "--data", str(data))
    ]


def test_users_in_a_pipe(server: ThreadServer, data: Path) -> None:
    """One user per line, fields separated by tabs, without headings."""
    assert says(data, "users") == ""
    joined(server, "eve").hang_up()
    with joined(server, "alice"), joined(server, "alice", "send"):
        does(data, "op", to="alice")
        does(data, "mute", to="alice")
        eventually(lambda: "eve\tgone\t0" in says(data, "users"), "the end of eve's connection")
        assert says(data, "users").splitlines() == [
            f"alice\there\t2\toperator,muted\t{key_of('alice').fingerprint}",
            f"eve\tgone\t0\t-\t{key_of('eve').fingerprint}",
        ]


def test_users_on_a_terminal(server: ThreadServer, data: Path) -> None:
    """Columns with headings, also where a name has wide characters."""
    with joined(server, "alexandra"), joined(server, "日本語"):
        with Terminal("admin", "users", "--data", str(data), columns=120) as terminal:
            assert terminal.end() == 0
            terminal.shows(key_of("日本語").fingerprint)
            headings, first, second = (line for line in terminal.lines if line.strip())
    assert headings.split() == ["name", "state", "connections", "is", "keys"]
    assert first.index("SHA256:") == headings.index("keys")
    assert second.index("SHA256:") == headings.index("keys") - 3  # columns further to the right than characters


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["kick", "nobody"], 3, 'Nobody called "nobody" was ever here'),
        (["mute", "alcie"], 3, "did you mean alice?"),
        (["release", "\x1b[2J"], 3, "␛[2J"),
        (["ban", "a b"], 4, "no spaces"),
        (["mute", "alice", "--for", "2x"], 2, "is not a length of time"),
        (["ban", "alice", "--for", "0s"], 2, "is not a length of time"),
        (["invite", "--expires", "soon"], 2, "is not a length of time"),
        (["invite", "--uses", "0"], 2, "0 is not in the range"),
        (["invite", "--server", "here:port"], 2, '"port" is not a port'),
        (["kick", "alice", "--reason", "x" * 501], 2, "may have 500"),
        (["kick"], 2, "Missing argument 'NAME'"),
        (["explode"], 2, "explode"),
    ],
)
def test_refusals(server: ThreadServer, data: Path, arguments: list[str], status: int, sentence: str) -> None:
    """One sentence and the status of its kind; nothing goes to standard output."""
    with joined(server, "alice") as alice:
        done = admin(data, *arguments)
        assert (done.returncode, done.stdout) == (status, "")
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
        assert alice.asks_who() == ["alice"]


def test_no_server(tmp_path: Path) -> None:
    """The status is 5 with a remedy where none ever ran, one has stopped, or one was killed."""
    stale = tmp_path / "stale"
    with serving(stale) as (program, _):
        program.process.kill()
        program.end()
    stopped = tmp_path / "stopped"
    with ThreadServer(stopped):
        pass
    for directory in (tmp_path / "none", stopped, stale):
        done = admin(directory, "status")
        assert (done.returncode, done.stdout) == (5, "")
        assert f"    chatcli serve --data {directory}\n" in done.stderr
    done = admin(tmp_path / ("d" * 256), "status")
    assert done.returncode == 5
    assert "Cannot reach the server" in done.stderr


@pytest.mark.parametrize(("answer", "status"), [(b"220 mail.example\r\n", 1), (b'{"rows": [', 5), (b"", 5)])
def test_another_program_behind_the_socket(tmp_path: Path, answer: bytes, status: int) -> None:
    """An invalid or incomplete answer gives one sentence."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "admin.sock"))
        other.listen()
        other.settimeout(20)
        with Terminal("admin", "status", "--data", str(tmp_path), columns=300) as terminal:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
            assert terminal.end() == status
            line, *commands = terminal.lines
            assert line.startswith("chatcli: ")
            assert all(command.startswith("    chatcli admin users --data ") for command in commands)


def test_data_directory(tmp_path: Path) -> None:
    """All commands have serve's default and variable; the last option counts."""
    home = tmp_path / "chatcli"
    with ThreadServer(home), ThreadServer(tmp_path / "other") as other:
        done = chatcli("admin", "status", XDG_DATA_HOME=str(tmp_path))
        assert done.returncode == 0
        assert str(other.address) not in done.stdout
        where = str(tmp_path / "other")
        for arguments, variable in (
            (["status"], where),
            (["--data", where, "status"], str(home)),
            (["status", "--data", where], str(home)),
            (["--data", str(home), "status", "--data", where], ""),
        ):
            done = chatcli("admin", *arguments, CHATCLI_SERVE_DATA=variable)
            assert f"addresses\t{other.address}\n" in done.stdout
    assert stat.S_IMODE((home / "audit.log").stat().st_mode) == 0o600


def test_invitation(tmp_path: Path) -> None:
    """The printed command lets a newcomer in once; on this machine it needs no pin."""
    with ThreadServer(tmp_path, Limits(access="invite")) as server:
        done = admin(tmp_path, "invite", "--expires", "2h")
        assert done.returncode == 0
        code, pasted = done.stdout.splitlines()
        words = shlex.split(pasted)
        assert words[words.index("join") :] == ["join", "--server", str(server.address), "--invite", code]
        assert done.stderr.startswith("chatcli: Good for one newcomer, until ")
        assert "--access" not in done.stderr
        pasted_words = words[words.index("join") :]
        with Program(*pasted_words, "--user", "bob"):
            eventually(lambda: server.run(lambda: server.hub.presence.count))
        late = run_here(*pasted_words, "--user", "carol")
        assert late.returncode == 4
        assert "invitation" in late.stderr


def test_invitation_command(tmp_path: Path) -> None:
    """It has an address of this machine or the given one for a server that listens everywhere, and the pin."""
    with ThreadServer(tmp_path, host="0.0.0.0") as server:
        key = server.hub.server_key
        done = admin(tmp_path, "invite", "--uses", "3", "--server", "chat.example:9000")
        code, pasted = done.stdout.splitlines()
        assert pasted == f"chatcli join --server chat.example:9000 --pin {key} --invite {code}"
        assert done.stderr.startswith("chatcli: Good for 3 newcomers, until ")
        assert "serve --access" in done.stderr  # it is open to anyone
        _, pasted = admin(tmp_path, "invite").stdout.splitlines()
        words = shlex.split(pasted)
        host, _, port = words[words.index("--server") + 1].rpartition(":")
        assert host != "0.0.0.0"
        assert port == str(server.address.port)
        assert ("--pin" in words) is not host.startswith("127.")


@pytest.mark.parametrize("length", [95, 101, 108, 120, 450])
def test_deep_directory(shallow: Path, length: int) -> None:
    """The socket of a deep directory, whose path is too long, is reached all the same."""
    data = deep(shallow, length)
    with serving(data) as (program, address):
        with Caller(address) as eve:
            eve.greets("eve")
            eve.hears("welcome")
            done = admin(data, "kick", "eve")
            assert done.returncode == 0, done.stderr
            eve.hears("bye", code="kicked")
        assert stat.S_IMODE((data / "admin.sock").stat().st_mode) == 0o600
        assert program.end(signal.SIGTERM) == 0
        assert len(program.err) == 3
    assert not (data / "admin.sock").exists()
    done = admin(data, "users")
    assert done.returncode == 5
    assert "No server runs over the data directory" in done.stderr


def test_directory_too_deep_for_the_log(shallow: Path) -> None:
    """The error names it and the remedy, before anything is made there."""
    data = deep(shallow, 1000)
    done = run_here("serve", "--port", "0", "--data", str(data))
    assert (done.returncode, done.stdout) == (1, "")
    assert "The path of the data directory has 1000 bytes, and SQLite accepts 480: move it" in done.stderr
    assert admin(data, "users").returncode == 5


@pytest.fixture
def shallow() -> Iterator[Path]:
    """A directory whose path is short."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def deep(above: Path, length: int) -> Path:
    """Return a directory whose path has a number of bytes."""
    while (left := length - len(str(above))) > 100:
        above /= "d" * 49
    above /= "d" * (left - 1)
    above.mkdir(parents=True)
    return above


def test_unwritable_audit_log(server: ThreadServer, data: Path) -> None:
    """The server does nothing; the sentence names the file, and the status is that of a temporary failure."""
    (data / "audit.log").mkdir()
    done = admin(data, "users")
    assert (done.returncode, done.stdout) == (5, "")
    assert f"The audit log {data / 'audit.log'} cannot be written" in done.stderr


def test_json_has_no_control_characters(tmp_path: Path) -> None:
    """Whatever a server reports, no control character reaches the terminal."""
    said = {"user": "eve\u202e\x9b31m\u2066", "closed": 0}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(admin, tmp_path, "kick", "--json", "eve")
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b'{"rows":[' + json.dumps(said, ensure_ascii=False).encode() + b"]}\n")
            line = done.result().stdout
    assert line.isascii()
    assert json.loads(line) == said


def test_codes_for_a_class(server: ThreadServer, data: Path) -> None:
    """One code for each name; if a name is misspelt, there is none."""
    for name in ("ada", "ben"):
        joined(server, name).hang_up()
    done = admin(data, "link", "ada", "nobody", "ben")
    assert (done.returncode, done.stdout) == (3, "")
    assert 'Nobody called "nobody" was ever here, so no code was made' in done.stderr
    assert "link" not in [line["do"] for line in noted(data)]
    lines = admin(data, "link", "ada", "ben", "admin", "--server", "chat.example").stdout.splitlines()
    assert [shlex.split(line)[line.split().index("--user") + 1] for line in lines] == ["ada", "ben", "admin"]
