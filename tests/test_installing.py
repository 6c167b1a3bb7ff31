"""Runs ``docs/installing.md``, and compares the tables of files in ``docs/security.md`` with the files."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from tests.reference import ROOT
from tests.support import DEADLINE, serving
from tests.terminal import Terminal

PAGE: Final = (ROOT / "docs/installing.md").read_text()
OPERATION: Final = (ROOT / "docs/operation.md").read_text()
SECURITY: Final = (ROOT / "docs/security.md").read_text()


def blocks(section: str) -> list[str]:
    """Return the scripts of a section."""
    part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)


def patterns(text: str) -> list[str]:
    """Return the first columns of the tables in a text, as patterns of names."""
    found: list[str] = []
    for cell in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE):
        names = [name.replace("…", "*") for name in re.findall(r"`([^`]+)`", cell)]
        found += [names[0] + name if name.startswith("-") else name for name in names]
    return found


class Home:
    """A user's machine with an empty home, and ``chatcli`` on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        programs = folder / "bin"
        for directory in (self.path, programs):
            directory.mkdir()
        program = programs / "chatcli"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m chatcli "$@"\n')
        program.chmod(0o755)
        kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self.environment = {
            "HOME": str(self.path),
            "PATH": f"{programs}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            **kept,
        }

    def run(self, script: str, folder: Path) -> str:
        """Run a script in a folder, which must succeed, and return its output."""
        done = subprocess.run(
            ["/bin/sh", "-euc", script], capture_output=True, text=True, timeout=DEADLINE * 3, check=False, cwd=folder,
            env=self.environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, script: str, folder: Path) -> str:
        """Run a script in a folder, which must fail, and return its complaint."""
        return self.run(f"! {{ {script} }} 2>&1", folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a new machine."""
    return Home(tmp_path)


def say(home: Home, folder: Path, address: object, text: str) -> None:
    """Send a message from Alice to herself."""
    home.run(f"chatcli send --user alice --server {address} --accept-new -q alice '{text}'", folder)


def heard(home: Home, folder: Path, address: object) -> list[str]:
    """Return the texts of all of Alice's messages."""
    lines = home.run(f"chatcli history alice --user alice --server {address} --json", folder).splitlines()
    return [json.loads(line)["text"] for line in lines]


def names(directory: Path) -> set[str]:
    """Return the contents of a directory."""
    return {path.name for path in directory.iterdir()}


def modes(directory: Path) -> set[int]:
    """Return the modes of its files."""
    return {stat.S_IMODE(path.lstat().st_mode) for path in directory.iterdir()}


def test_backup_replaces_the_log(home: Home, tmp_path: Path) -> None:
    """The page's commands restore the messages up to the backup, under the same server key."""
    with serving(tmp_path / "data") as (_, address):
        say(home, tmp_path, address, "before")
        home.run("chatcli admin op alice --data data", tmp_path)
        home.run("chatcli admin backup --data data backup.db", tmp_path)
        say(home, tmp_path, address, "after")
    key = (tmp_path / "data/server.key").read_bytes()
    (script,) = blocks("Restore a backup")
    assert "has 1 message (" in home.fails(script, tmp_path)
    words = shlex.split(home.run(f"{script.rstrip()} --force", tmp_path))
    assert words[-4:] == ["--data", str(tmp_path / "data"), "--port", "0"]
    (kept,) = (tmp_path / "data").glob("chatcli.db.before-restore-*")
    others = {"server.key", "server.crt", "serve.json", "audit.log", "lock", "admin.sock"}
    assert names(tmp_path / "data") == {"chatcli.db", kept.name, *others}
    assert modes(tmp_path / "data") == {0o600}
    assert (tmp_path / "data/server.key").read_bytes() == key
    with serving(tmp_path / "data", port=address.port):
        assert heard(home, tmp_path, address) == ["before"]
    home.run(f"chatcli admin restore data/{kept.name} --data data", tmp_path)
    with serving(tmp_path / "data", port=address.port):
        assert heard(home, tmp_path, address) == ["before", "after"]


def test_nothing_is_lost(home: Home, tmp_path: Path) -> None:
    """The other page's commands bring the messages along that the backup does not have."""
    with serving(tmp_path / "data") as (_, address):
        say(home, tmp_path, address, "before")
        home.run("chatcli admin backup --data data backup.db", tmp_path)
        say(home, tmp_path, address, "after")
    part = OPERATION.split("\n### Restore\n")[1].split("\n### ")[0]
    (script,) = [
        block for block in re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL) if "export" in block
    ]
    home.run(script, tmp_path)
    with serving(tmp_path / "data", port=address.port):
        assert heard(home, tmp_path, address) == ["before", "after"]


def test_drill(home: Home, tmp_path: Path) -> None:
    """The commands of the other page restore a backup beside the running server, and leave nothing."""
    with serving(tmp_path / "data") as (program, address):
        say(home, tmp_path, address, "before")
        before = names(tmp_path)
        part = OPERATION.split("\n### A restore drill\n")[1].split("\n## ")[0]
        (script,) = re.findall(r"^```sh\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)
        output = home.run(script, tmp_path)
        assert re.search(r"^messages\t1$", output, flags=re.MULTILINE), output
        assert names(tmp_path) == before
        assert heard(home, tmp_path, address) == ["before"]
        assert program.process.poll() is None


def test_server_moves_with_its_directory(home: Home, tmp_path: Path) -> None:
    """The page's commands move a server without loss, and clients know it by its key."""
    with serving(tmp_path / "data") as (_, address):
        say(home, tmp_path, address, "here")
    (script,) = blocks("Move a server")
    home.run(script, tmp_path)
    assert stat.S_IMODE((tmp_path / "moved").stat().st_mode) == 0o700
    assert modes(tmp_path / "moved") == {0o600}
    assert not (tmp_path / "chatcli.tar").exists()
    with serving(tmp_path / "moved", port=address.port):
        assert heard(home, tmp_path, address) == ["here"]


def test_user_is_removed(home: Home, tmp_path: Path) -> None:
    """The page's commands leave a user's home empty."""
    with serving(tmp_path / "data") as (_, address):
        say(home, tmp_path, address, "here")
    home.run("chatcli completion bash --install -q", tmp_path)
    (script,) = [block for block in blocks("Remove") if "sudo" not in block]
    assert [path for path in home.path.rglob("*") if path.is_file()]
    home.run(script, tmp_path)
    assert [path for path in home.path.rglob("*") if not path.is_dir()] == []


def test_scripts_that_are_not_run(home: Home, tmp_path: Path) -> None:
    """A shell can parse the scripts that need another user or the network."""
    scripts = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert len(scripts) == 6
    for script in scripts:
        subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True, timeout=DEADLINE)


def test_files_of_a_server(home: Home, tmp_path: Path) -> None:
    """Both pages name each file that a running server makes, and only its owner can read it."""
    data = tmp_path / "deep" / "data"
    with serving(data, "--keep", "90d") as (_, address):
        say(home, tmp_path, address, "a word")
        home.run(f"chatcli search word --user alice --server {address}", tmp_path)
        home.run(f"chatcli admin op alice --data {data}", tmp_path)
        home.run(f"chatcli admin invite --data {data}", tmp_path)
        found = names(data)
        assert found >= {"chatcli.db-wal", "search.db-wal", "audit.log", "admin.sock", "lock", "server.key"}
        assert modes(data) == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (data, data.parent)} == {0o700}
    where = PAGE.split("\n## What lies where\n")[1].split("Of a user")[0]
    secrets = SECURITY.split("\n## Where keys and secrets are stored\n")[1].split("\n## ")[0]
    for page in (where, secrets):
        known = patterns(page)
        assert {name for name in found if not any(fnmatch(name, pattern) for pattern in known)} == set()


def test_files_of_a_user(home: Home, tmp_path: Path) -> None:
    """The page names each file that a user's commands make, and only the user can read it."""
    with serving(tmp_path / "data") as (_, address):
        at = f"--user alice --server {address}"
        say(home, tmp_path, address, "a word")
        home.run("chatcli send --user alice --server 127.0.0.1:1 --spool -q alice later", tmp_path)
        home.run(f"chatcli status --unread {at}", tmp_path)
        home.run(f"chatcli listen --as mine --count 1 --timeout 1s {at} || true", tmp_path)
        config, state = home.path / ".config", home.path / ".local/state"
        with Terminal("join", *at.split(), XDG_CONFIG_HOME=str(config), XDG_STATE_HOME=str(state)) as alice:
            alice.types("/help\r")
            alice.shows("/quiet")
            alice.types("half a line")
            alice.shows("half a line")
        home.run("chatcli key export > key && chatcli key import --force key", tmp_path)
    for section, directory in (("Of a user", ".config/chatcli"), ("In `chatcli` in the state", ".local/state/chatcli")):
        known = patterns(PAGE.split("\n## What lies where\n")[1].split(section)[1].split("\nIn `chatcli` in the")[0])
        place = home.path / directory
        found = {path.name + "/" * path.is_dir() for path in place.iterdir()}
        assert found - set(known) == set()
        for path in (place, *place.rglob("*")):
            assert stat.S_IMODE(path.lstat().st_mode) == (0o700 if path.is_dir() else 0o600), path
