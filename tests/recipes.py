"""The recipes of ``docs/recipes.md``, and a world in which their blocks run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.here import run_here
from tests.reference import ROOT
from tests.support import DEADLINE, ThreadServer

PAGE: Final = (ROOT / "docs/recipes.md").read_text()


def blocks(section: str, language: str) -> list[str]:
    """Return a section's blocks in a language."""
    part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", part, flags=re.MULTILINE | re.DOTALL)


def needs(program: str) -> None:
    """Skip the test where a program is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")


class World:
    """A server, and a user robin on a machine with nothing but config.toml."""

    def __init__(self, folder: Path, server: ThreadServer) -> None:
        self.server = server
        self.data = server.data
        self.home = folder / "home"
        self.programs = folder / "bin"
        for directory in (self.home / ".config/chatcli", self.programs):
            directory.mkdir(parents=True)
            directory.chmod(0o700)
        (self.home / ".config/chatcli/config.toml").write_text(f'server = "{server.address}"\n')
        self.program("chatcli", f'#!/bin/sh\nexec {sys.executable} -m chatcli "$@"\n')

    def program(self, name: str, script: str) -> Path:
        """Put a script on the PATH."""
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of robin's login."""
        return {
            "HOME": str(self.home),
            "LOGNAME": "robin",
            "USER": "robin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }

    def run(self, *command: str, within: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program as robin, in a directory of the home."""
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE * 2, check=False,
            cwd=self.home / within, env={**self.environment, **env},
        )  # fmt: skip

    def cron(self, crontab: str) -> subprocess.CompletedProcess[str]:
        """Run the job of a crontab as cron does: in sh, with a minimal environment."""
        *variables, job = crontab.replace("/usr/local/bin", str(self.programs)).splitlines()
        command = re.split(r"(?<!\\)%", job.split(maxsplit=5)[5])
        assert len(command) == 1, "what stands behind a bare % is input"
        few = {name: self.environment[name] for name in ("HOME", "LOGNAME", "PYTHONPATH")}
        return subprocess.run(
            ["/bin/sh", "-c", command[0].replace("\\%", "%")], capture_output=True, text=True, timeout=DEADLINE * 2,
            check=False, cwd=self.home, env={**few, **dict(line.split("=", 1) for line in variables)},
        )  # fmt: skip

    def room(self, name: str) -> None:
        """Create a room."""
        with self.server.joined("alice", "send") as alice:
            alice.enters(name)

    def said(self, where: str) -> list[str]:
        """Return the senders and texts of a room's history."""
        done = run_here("history", where, "--json", "--user", "alice", "--server", str(self.server.address))
        assert done.returncode == 0, done.stderr
        messages = map(json.loads, done.stdout.splitlines())
        return [f"{message['from']}: {message['text']}" for message in messages]


def in_peace(done: subprocess.CompletedProcess[str], out: str = "") -> None:
    """Check that a command succeeded with this output, and nothing on standard error."""
    assert (done.returncode, done.stdout, done.stderr) == (0, out, "")


def variables(block: str, title: str) -> dict[str, str]:
    """Return the variables of a step, one on each line."""
    part = re.split(rf"^ *{title}:\n", block, flags=re.MULTILINE)[1]
    lines = re.findall(r"^ +([A-Z_]+): (.*)$", part, flags=re.MULTILINE)
    return dict(lines)
