"""``docs/http.md`` agrees with the code, and its commands run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from chatcli.gateway.web.statuses import STATUSES
from tests.reference import ROOT
from tests.server.web.callers import makes_token
from tests.support import DEADLINE, Caller, ThreadServer, environment

PAGE: Final = (ROOT / "docs/http.md").read_text()
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


def section(title: str) -> str:
    """Return a part of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_statuses() -> None:
    """Each code stands beside its status."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", section("Statuses"), flags=re.MULTILINE)
    documented = {code: int(status) for status, codes in rows for code in re.findall(r"`([a-z_]+)`", codes)}
    others = {"not_yet": 303, "declined": 410, "withdrawn": 410, "not_in_time": 504}
    assert documented == {**{code: status.value for code, status in STATUSES.items()}, **others}


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """Somebody whose program calls."""
    with server.joined("alice") as caller:
        yield caller


@pytest.fixture
def bob(server: ThreadServer, alice: Caller) -> Iterator[Caller]:
    """Somebody in #ops."""
    with server.joined("bob") as caller:
        alice.enters("#ops")
        caller.enters("#ops")
        yield caller


def starts(server: ThreadServer, alice: Caller, folder: Path, title: str, number: int = 0) -> subprocess.Popen[str]:
    """Start the commands of a part of the page, in a folder with the programs that they name."""
    block = re.findall(r"```sh\n(.+?)```", section(title), flags=re.DOTALL)[number]
    block = re.sub(r"http://localhost:8080|https://chat\.example", f"http://{server.address}", block)
    for name, line in (("report", "echo all is well"), ("deploy", "touch deployed")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    variables = environment(TOKEN=makes_token(alice), CI_JOB_ID="7", no_proxy="*")
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=variables, stdout=subprocess.PIPE, text=True
    )


def ends(commands: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of commands, and return what they have printed."""
    out, _ = commands.communicate(timeout=DEADLINE)
    assert commands.returncode == 0
    return out.splitlines()


@needs_curl
def test_saying_something(server: ThreadServer, alice: Caller, bob: Caller, tmp_path: Path) -> None:
    """Both are said, under the name of the token's maker."""
    out = ends(starts(server, alice, tmp_path, "Saying something"))
    assert [line.split()[0] for line in out] == ["delivered", "delivered"]
    assert [bob.hears("message")["text"] for _ in range(2)] == ["deploy done", "all is well"]


@needs_curl
def test_once(server: ThreadServer, alice: Caller, bob: Caller, tmp_path: Path) -> None:
    """It is said, and answered with the number of the message."""
    (line,) = ends(starts(server, alice, tmp_path, "Once"))
    assert bob.hears("message")["seq"] == int(line.split()[1])


@needs_curl
@pytest.mark.parametrize("number", [0, 1])
def test_asking(server: ThreadServer, alice: Caller, bob: Caller, tmp_path: Path, number: int) -> None:
    """The answer is what the person has chosen."""
    commands = starts(server, alice, tmp_path, "Asking", number)
    question = bob.hears("message")
    bob.sends("alice", "", re=question["seq"], answer=0)
    out = ends(commands)
    assert (tmp_path / "deployed").exists() if not number else out == ["yes"]
