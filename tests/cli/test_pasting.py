"""Commands that the program prints work when pasted into a shell, whatever their words contain."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from chatcli.protocol.values.text import COMMAND, command_line
from tests.client.oneshot.impostor import Impostor, Line
from tests.here import run_here
from tests.reference import ROOT
from tests.support import DEADLINE, Program, ThreadServer, chatcli, environment, serving

AWKWARD: Final = 'it\'s a $(touch hacked) `dir`; "quoted"'


def commands(text: str) -> list[str]:
    """Return the commands in an output, one on each line."""
    return [line.strip() for line in text.splitlines() if line.startswith(COMMAND)]


def paste(command: str, folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a shell in which chatcli is the program."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    program = tools / "chatcli"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m chatcli "$@"\n')
    program.chmod(0o700)
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(PATH=f"{tools}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)),
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture
def awkward() -> Iterator[Path]:
    """A directory with a name that needs quotes, and short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / AWKWARD


def test_server_by_invitation(awkward: Path, tmp_path: Path) -> None:
    """One printed command makes an invitation, and the command that it prints joins."""
    data = awkward
    with serving(data, "--access", "invite") as (program, _):
        program.complains("admin invite")
        join, invite = commands("\n".join(program.err))
        invited = paste(invite, tmp_path)
        assert invited.returncode == 0, invited.stderr
        code, command = invited.stdout.splitlines()
        assert paste(f"{join} --user alice", tmp_path).returncode == 4  # required for newcomers
        assert paste(f"{command} --user alice", tmp_path, "exit\n").returncode == 0
        assert code in command
        assert program.end(signal.SIGTERM) == 0
    assert not (tmp_path / "hacked").exists()


def test_code_of_a_hostile_server(tmp_path: Path) -> None:
    """It is one word of the command, and no control character reaches the terminal."""

    def answer(connection: object) -> None:
        line = Line(connection)  # type: ignore[arg-type] # a socket
        line.hears("link")
        line.says("link", code="x; touch hacked; $(touch hacked)\x1b[2J\n' touch hacked", until=1, n=1)

    for options in ([], ["--json"]):
        with Impostor(answer) as address:
            done = chatcli("key", "link", "--user", "alice", "--server", str(address), *options)
        assert done.returncode == 0, done.stderr
        command = json.loads(done.stdout)["command"] if options else commands(done.stderr)[0]
        assert "\x1b" not in command
        assert shlex.split(command)[-2] == "--link"
        paste(command, tmp_path)
    assert not (tmp_path / "hacked").exists()
    with Impostor(answer) as address:
        done = chatcli("key", "link", "--user", "alice", "--server", str(address), "--web")
    assert re.fullmatch(r"http://[\w.:]+/#name=alice&link=x%3B[\w.%-]+\n", done.stdout), done.stdout


def test_unquoted_text(server: ThreadServer, tmp_path: Path) -> None:
    """The suggested line has the options in use, and does what was meant."""
    server.joined("bob").hang_up()
    for words in (["bob", "lunch", "at", "noon"], ["bob", "costs", "$(touch hacked)", "`touch hacked`!"]):
        done = run_here("send", *words, "--user", "ci", "--server", str(server.address))
        assert done.returncode == 3
        (command,) = commands(done.stderr)
        assert paste(command, tmp_path).stdout == "stored\n"
    with server.joined("bob") as bob:
        assert bob.texts(2) == ["lunch at noon", "costs $(touch hacked) `touch hacked`!"]
    assert not (tmp_path / "hacked").exists()


def test_other_printed_commands(server: ThreadServer, awkward: Path, tmp_path: Path) -> None:
    """Each has the options of the command that printed it."""
    at = ("--user", "bob", "--server", str(server.address))
    server.joined("alice").hang_up()
    run_here("send", "alice", "hi", *at)
    done = run_here("send", "alice", "hi", "--reply-to", "99", *at)
    assert done.returncode == 2
    assert paste(commands(done.stderr)[0], tmp_path).stdout.split("\t")[-1] == "hi\n"
    nowhere = awkward
    done = run_here("admin", "status", "--data", str(nowhere))
    (command,) = commands(done.stderr)
    with Program(*shlex.split(command)[1:], "--port", "0") as program:
        program.complains("To join:")
        assert run_here("admin", "status", "--data", str(nowhere)).returncode == 0
        assert program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_quoting(shell: str) -> None:
    """Each shell splits the line into the same words: fish reads backslashes in quotes, zsh ``=ls``."""
    words = [
        AWKWARD,
        "-x",
        "",
        "a b",
        "~",
        "*",
        "#ops",
        "ü",
        "!!",
        "=ls",
        "a\\\\b",
        "\\'",
        "c:\\",
        "%x",
        "{a,b}",
        "x=1",
    ]
    done = subprocess.run(
        [shell, "-c", command_line("printf", "<%s>", *words)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert done.stdout == "".join(f"<{word}>" for word in words)


def test_commands_are_quoted() -> None:
    """Commands with values are built by the one function that quotes."""
    by_hand = re.compile(
        r"chatcli (?:admin|serve|join|send|ask|history|who|rooms|key|listen|outbox|forget)\b[^\"'\n]*\{"
    )
    allowed = ("chatcli serve{", "chatcli admin (uid {")  # a number; a name in the audit log
    for path in (ROOT / "chatcli").rglob("*.py"):
        for found in by_hand.finditer(path.read_text()):
            assert found.group().startswith(allowed), f"{path}: {found.group()}"
