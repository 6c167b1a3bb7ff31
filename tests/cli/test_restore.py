"""``chatcli admin restore``, as an operator runs it, and the server over what it has restored."""

from __future__ import annotations

import json
import random
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.certificates import fingerprint_of
from tests.disks import little_room
from tests.support import Caller, Program, ThreadServer, chatcli, serving


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the data directory of the server."""
    return tmp_path / "data"


def restore(data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return chatcli("admin", "restore", *map(str, arguments), "--data", str(data), COLUMNS="500")


def talk(caller: Caller, *texts: str) -> None:
    """Send messages to oneself."""
    for text in texts:
        caller.sends("alice", text)
        caller.hears("sent")


@pytest.fixture
def backup(data: Path, tmp_path: Path) -> Path:
    """Make a backup of a log, which goes on with two messages; return its path."""
    with ThreadServer(data) as server, server.joined("alice") as alice:
        talk(alice, "one", "two")
        assert chatcli("admin", "backup", str(tmp_path / "backup.db"), "--data", str(data)).returncode == 0
        talk(alice, "three", "four")
    return tmp_path / "backup.db"


def test_dialogue(data: Path, backup: Path) -> None:
    """Without ``--force`` it says what would be missing; with it, what is, and how to start the server."""
    done = restore(data, backup)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"chatcli: Nothing was changed: the log {data / 'chatcli.db'} has 2 messages (")
    assert done.stderr.endswith(f") that {backup} does not have. To restore it nevertheless, and keep that log beside "
                                "it, add --force.\n")  # fmt: skip
    done = restore(data, backup, "--force")
    (kept,) = data.glob("chatcli.db.before-restore-*")
    first, second, third, fourth = done.stderr.splitlines()
    assert first.startswith(f"chatcli: 2 messages restored from {backup}, the newest from 20")
    assert second == f"chatcli: The log that was there has 2 messages more; it is kept as {kept}."
    assert third == f"chatcli: Clients know the server by the key {fingerprint_of(data / 'server.crt')}."
    assert "were not recorded" in fourth  # this server was not run by the command
    assert (done.returncode, shlex.split(done.stdout)[-3:]) == (0, ["serve", "--data", str(data)])


def test_running_server(data: Path, backup: Path) -> None:
    """It has to be stopped, with and without ``--force``; it does not notice anything."""
    with serving(data) as (program, address), Caller(address) as alice:
        alice.greets("alice", since=0)
        alice.hears("welcome")
        assert alice.texts(4) == ["one", "two", "three", "four"]
        for force in ((), ("--force",)):
            done = restore(data, backup, *force)
            assert (done.returncode, done.stdout) == (1, "")
            assert f"(process {program.process.pid}) uses the data directory {data}: stop it first" in done.stderr
        talk(alice, "five")


def test_command_that_starts_the_server(data: Path, backup: Path) -> None:
    """It has the options that the server had, and it works."""
    options = ["--host", "127.0.0.1", "--host", "::1", "--port", "0", "--max-text", "1000", "--keep", "90d"]
    with serving(data, *options):
        pass
    words = json.loads(restore(data, backup, "--force", "--json").stdout)["serve"]
    assert words[words.index("serve") :] == ["serve", "--data", str(data), *options]
    words = shlex.split(restore(data, backup).stdout)
    with Program(*words[words.index("serve") :]) as program:
        program.complains("messages older than 90d are deleted. To join:")
        assert program.end(signal.SIGTERM) == 0


def test_options_from_the_environment(
    data: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in use, too; paths are absolute."""
    with ThreadServer(data):
        certificate, key = data / "server.crt", data / "server.key"
        for file in (certificate, key):
            (tmp_path / file.name).write_bytes(file.read_bytes())
            (tmp_path / file.name).chmod(0o600)
    monkeypatch.chdir(tmp_path)
    files = {"CHATCLI_SERVE_TLS_CERT": "server.crt", "CHATCLI_SERVE_TLS_KEY": "server.key"}
    start = ["serve", "--data", str(data), "--port", "0"]
    with Program(*start, CHATCLI_SERVE_ACCESS="invite", **files) as program:
        program.complains("need an invitation")
        program.end(signal.SIGTERM)
    assert (data / "serve.json").stat().st_mode & 0o777 == 0o600
    (data / "server.key").unlink()
    done = restore(data, backup, "--force")
    words = shlex.split(done.stdout)
    assert words[-8:] == [
        "--port", "0", "--access", "invite", "--tls-cert", str(tmp_path / "server.crt"), "--tls-key",
        str(tmp_path / "server.key"),
    ]  # fmt: skip
    assert "server.key" not in done.stderr  # it is not the one in use


@pytest.mark.parametrize("content", ["", "{", '{"serve":1}', '{"serve":["\\ud800"]}', "[]", "\0"])
def test_record_that_cannot_be_read(data: Path, backup: Path, content: str) -> None:
    """The options are unknown then, which it says."""
    (data / "serve.json").write_text(content)
    done = restore(data, backup, "--force")
    assert done.returncode == 0
    assert "The options of the server were not recorded there" in done.stderr


def test_missing_key(data: Path, backup: Path, tmp_path: Path) -> None:
    """It says what that means; with the old one, clients recognize the server."""
    new = tmp_path / "new"
    done = restore(new, backup)
    assert done.returncode == 0
    assert f"There is no key in {new / 'server.key'}: the server makes a new one, and clients refuse it" in done.stderr
    done = restore(new, backup, "--key", data / "server.key", "--json")
    assert json.loads(done.stdout)["key"] == fingerprint_of(data / "server.crt")
    with ThreadServer(new):
        assert fingerprint_of(new / "server.crt") == fingerprint_of(data / "server.crt")
    assert (new / "server.key").stat().st_mode & 0o777 == 0o600


def test_key_that_a_new_server_has_made(data: Path, backup: Path, tmp_path: Path) -> None:
    """As on a new machine on which the service was started too early: it is kept beside the old one."""
    new = tmp_path / "new"
    with ThreadServer(new):
        pass
    made = (new / "server.key").read_bytes()
    assert restore(new, backup, "--key", data / "server.key").returncode == 0
    (kept,) = new.glob("server.key.before-restore-*")
    assert kept.read_bytes() == made
    assert (new / "server.key").read_bytes() == (data / "server.key").read_bytes()
    with ThreadServer(new):
        assert fingerprint_of(new / "server.crt") == fingerprint_of(data / "server.crt")


def test_wrong_key(data: Path, backup: Path, tmp_path: Path) -> None:
    """Nothing is changed then, nor if the restore itself is refused."""
    before = (data / "server.key").read_bytes()
    for file in (data / "server.crt", data / "chatcli.db", tmp_path / "none"):
        done = restore(data, backup, "--force", "--key", file)
        assert (done.returncode, done.stdout) == (2, "")
    assert not list(data.glob("*before-restore*"))
    with ThreadServer(tmp_path / "other"):
        pass
    assert restore(data, backup, "--key", tmp_path / "other/server.key").returncode == 2
    assert (data / "server.key").read_bytes() == before


def test_full_disk(tmp_path: Path) -> None:
    """The former log stays and goes on."""
    other, backup = tmp_path / "other", tmp_path / "backup.db"
    with ThreadServer(other) as server, server.joined("alice") as alice:
        talk(alice, *("x" * 30_000 for _ in range(50)))
        assert chatcli("admin", "backup", str(backup), "--data", str(other)).returncode == 0
    with little_room(tmp_path / "disk"):
        data = tmp_path / "disk" / "data"
        with serving(data) as (_, address), Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            talk(alice, "there")
        done = restore(data, backup, "--force")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(f"chatcli: Cannot restore {backup}: ")
        assert not list(data.glob(".*"))
        assert not list(data.glob("*before-restore*"))
        with serving(data) as (_, address), Caller(address) as alice:
            alice.greets("alice", since=0)
            alice.hears("welcome", head=1)
            assert alice.texts(1) == ["there"]


def test_killed(data: Path, backup: Path) -> None:
    """Whenever the command is killed, the log is the former or the restored one, and running it again completes it."""
    dice = random.Random(1)
    for _ in range(5):
        with Program("admin", "restore", str(backup), "--data", str(data), "--force") as program:
            time.sleep(dice.uniform(0, 0.6))
            program.process.kill()
        with ThreadServer(data) as server, server.joined("alice", "listen", since=0) as alice:
            assert alice.welcome["head"] in (2, 4)
            assert alice.texts(alice.welcome["head"]) == ["one", "two", "three", "four"][: alice.welcome["head"]]
        assert restore(data, backup, "--force").returncode == 0
        with ThreadServer(data) as server, server.joined("alice", since=0) as alice:
            assert alice.texts(2) == ["one", "two"]
            talk(alice, "three", "four")


def test_json(data: Path, backup: Path, tmp_path: Path) -> None:
    """The record says all that the sentences do."""
    printed = restore(data, backup, "--force", "--json")
    assert printed.stderr == ""
    done = json.loads(printed.stdout)
    (kept,) = data.glob("chatcli.db.before-restore-*")
    assert done.pop("serve")[-3:] == ["serve", "--data", str(data)]
    assert done == {
        "file": str(backup),
        "messages": 2,
        "kept": str(kept),
        "missing_messages": 2,
        "missing_names": 0,
        "missing_rooms": 0,
        "unreadable": False,
        "by_hand": False,
        "findings": [],
        "key": fingerprint_of(data / "server.crt"),
        "options_known": False,
    }
    (data / "chatcli.db").write_bytes(b"gone" * 1000)
    done = json.loads(restore(data, backup, "--force", "--json", "-q").stdout)
    assert (done["unreadable"], done["missing_messages"]) == (True, 0)
    assert json.loads(restore(tmp_path / "new", backup, "--json").stdout)["kept"] is None


def test_quiet(data: Path, backup: Path) -> None:
    """Nothing is printed but errors."""
    done = restore(data, backup, "--force", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_clients_afterwards(data: Path, backup: Path) -> None:
    """A client that was ahead of the backup gets the new message under a number that it knows another one by."""
    with ThreadServer(data) as server, server.joined("alice") as alice:
        epoch, head = alice.welcome["epoch"], alice.welcome["head"]
    assert restore(data, backup, "--force").returncode == 0
    with ThreadServer(data) as server:
        with server.joined("alice", "send") as alice:
            assert alice.welcome["epoch"] != epoch
            talk(alice, "another third", "another fourth")
        with server.joined("alice", since=head, epoch=epoch) as alice:
            assert (alice.welcome["shared"], alice.welcome["cursor"]) == (2, 2)
            assert alice.texts(2) == ["another third", "another fourth"]
