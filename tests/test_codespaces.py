"""GitHub Codespaces: the variables of one, the container for this repository, and a class through a forwarder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chatcli.codespaces import codespace, owner
from tests.forwarder import Forwarder
from tests.reference import ROOT
from tests.support import Program, chatcli, serving
from tests.terminal import Terminal

PAGE: Final = (ROOT / "docs/codespaces.md").read_text()
CONTAINER: Final[dict[str, Any]] = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())

(BUILDER,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]

NAME = "fluffy-space-x7"


def variables(**changes: str) -> dict[str, str]:
    """Return the variables of a codespace."""
    return {"CODESPACES": "true", "CODESPACE_NAME": NAME, "GITHUB_USER": "monalisa", **changes}


def test_forwarded_port() -> None:
    """The domain is GitHub's, if no other is given."""
    found = codespace(variables())
    assert found is not None
    assert found.host(8080) == "fluffy-space-x7-8080.app.github.dev"
    found = codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN="Preview.App.github.dev"))
    assert found is not None
    assert found.host(1) == "fluffy-space-x7-1.preview.app.github.dev"
    found = codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=""))
    assert found is not None
    assert found.domain == "app.github.dev"


@pytest.mark.parametrize("value", ["", "false", "1", "True", "true "])
def test_elsewhere(value: str) -> None:
    """Only "true" is a codespace."""
    assert codespace(variables(CODESPACES=value)) is None
    assert not owner(variables(CODESPACES=value))
    assert codespace({}) is None
    assert not owner({})


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "a b", "a.b", "a/b", "-a", "a-", "a_b", "a\nb", "a\n", "\x1b[31mred", "$(id)", "`id`", "'", "ü",
        "evil.example#", "a" * 58, "ａ",
    ],
)  # fmt: skip
def test_names_that_no_codespace_has(name: str) -> None:
    """They would be printed, and be part of a command."""
    assert codespace(variables(CODESPACE_NAME=name)) is None


@pytest.mark.parametrize(
    "domain",
    [
        " ", "localhost", "app.github.dev.", ".dev", "app..dev", "a b.dev", "app.github.dev/x", "app.github.dev:443",
        "x@app.github.dev", "\x1b]0;title\x07.dev", "app.github.dev\n", "-a.dev", f"{'a' * 64}.dev", f"{'a.' * 100}dev",
        "ü.dev",
    ],
)  # fmt: skip
def test_domains_that_are_none(domain: str) -> None:
    """They would be part of a URL that is printed."""
    assert codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=domain)) is None


def test_longest_names() -> None:
    """What fits into the name of a host is accepted."""
    domain = f"{'a' * 63}.{'b' * 63}.{'c' * 61}"
    found = codespace(variables(CODESPACE_NAME="n" * 57, GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=domain))
    assert found is not None
    assert len(found.host(65535)) == 253
    assert codespace(variables(GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN=f"{domain}c")) is None


def test_container() -> None:
    """Port 8080 is forwarded and labelled; nothing is opened, nothing is asked, and nothing else is announced."""
    assert CONTAINER["image"].startswith("mcr.microsoft.com/devcontainers/python:3.")
    assert CONTAINER["forwardPorts"] == [8080]
    assert CONTAINER["portsAttributes"]["8080"] == {"label": "chatcli", "protocol": "http", "onAutoForward": "silent"}
    assert CONTAINER["otherPortsAttributes"] == {"onAutoForward": "ignore"}
    assert {name for name in CONTAINER if name.endswith("Command")} == {"postCreateCommand"}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the programs of a machine with Python and what chatcli depends on, which need not be fetched."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "machine")], check=True)
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and not path.name.startswith(("chatcli", "pip")):
            (libraries / path.name).symlink_to(path)
    (site,) = (tmp_path / "machine/lib").glob("python3*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return tmp_path / "machine/bin"


def test_command_of_the_container(machine: Path, tmp_path: Path) -> None:
    """After it ``chatcli`` is on the PATH, and runs from the repository."""
    copy = tmp_path / "chatcli"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "chatcli", copy / "chatcli", ignore=shutil.ignore_patterns("__pycache__"))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ["PATH"] = f"{machine}:/usr/bin:/bin"

    def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
        shell = ["/bin/sh", "-euc", script]
        return subprocess.run(shell, capture_output=True, text=True, check=False, cwd=folder, env=environ)

    done = run(CONTAINER["postCreateCommand"], copy)
    if f"No matching distribution found for {BUILDER}" in done.stderr:
        pytest.skip("this machine reaches no package index, from which what builds it comes")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert run("chatcli --version", tmp_path).stdout.startswith("chatcli ")
    where = run("python3 -c 'import chatcli; print(chatcli.__file__)'", tmp_path).stdout
    assert where.strip() == str(copy / "chatcli/__init__.py")


@contextlib.contextmanager
def teacher(folder: Path, **changes: str) -> Iterator[tuple[list[str], Forwarder]]:
    """Serve in a codespace; yield the lines that are printed, and what forwards the port."""
    env = variables(CODESPACE_NAME="NAME", **changes)
    with serving(folder / "data", env=env) as (program, address):
        program.complains("gh codespace")
        with Forwarder(address, folder) as forwarder:
            yield list(program.err), forwarder


def test_printed_lines(tmp_path: Path) -> None:
    """The page shows what is printed, but for the port and the key."""
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    with teacher(tmp_path) as (lines, forwarder):
        port = str(forwarder.server.port)
        printed = [re.sub(r"SHA256:[\w+/]+", "SHA256:KEY", line).replace(port, "8080") for line in lines]
    printed[1] = "    " + printed[1][printed[1].index("join") :].replace("join", "chatcli join", 1)
    assert [line.replace("//name", "//NAME") for line in printed] == shown.splitlines()


def student(folder: Path, name: str, login: str = "") -> dict[str, Any]:
    """Return the variables of a student in a codespace of their own."""
    return variables(
        CODESPACE_NAME=f"space-of-{name}", GITHUB_USER=login, LOGNAME="codespace",
        XDG_CONFIG_HOME=str(folder / name), XDG_STATE_HOME=str(folder / name / "state"),
    )  # fmt: skip


def join_line(lines: list[str], forwarder: Forwarder) -> list[str]:
    """Return the words of the line for the class, with the address of what stands in for GitHub's forwarder."""
    (line,) = (line for line in lines if "https://" in line and "chatcli join" in line)
    words = line.split()
    assert words[2:4] == ["--server", f"https://name-{forwarder.server.port}.app.github.dev"]
    return ["join", "--server", str(forwarder.address), *words[4:]]


def test_a_class(tmp_path: Path) -> None:
    """Two students whose login is the same join by the printed line, get two names, and talk; a third has her own."""
    with teacher(tmp_path) as (lines, forwarder):
        line = join_line(lines, forwarder)
        with Terminal(*line, **student(tmp_path, "one")) as one, Terminal(*line, **student(tmp_path, "two")) as two:
            one.shows("Your name: codespace")
            one.types("\r")
            one.shows("You are codespace ")
            two.shows("Your name: codespace")
            two.types("\r")
            two.shows("Your name: codespace-2")
            two.types("\r")
            two.shows("You are codespace-2 ")
            two.types("codespace: which page?\r")
            one.shows("which page?")
            one.types("codespace-2: the twelfth\r")
            two.shows("codespace → you  the twelfth")
            one.types("/join #class\r")
            one.shows("#class ›")
            forwarder.drop_all()
            one.shows("Connected again")
            two.shows("Connected again")
            two.types("#class: are we back?\r")
            one.shows("are we back?")
        where = ("--server", str(forwarder.address), "--pin", line[-1])
        done = chatcli("send", "codespace-2", "the tests pass", *where, **student(tmp_path, "lisa", "mona-lisa"))
        assert (done.returncode, done.stderr) == (0, "")
        history = chatcli("history", "mona-lisa", "--user", "codespace-2", *where, **student(tmp_path, "two"))
        assert "mona-lisa" in history.stdout
        assert {request.get("Host") for request in forwarder.requests} == {f"127.0.0.1:{forwarder.port}"}


def test_a_thousand_messages_each_way(tmp_path: Path) -> None:
    """Two with the same login join by the printed line, and talk while the forwarder is killed five times."""
    names = ("codespace", "codespace-2")
    homes = [student(tmp_path, name, "codespace") for name in names]
    with teacher(tmp_path) as (lines, forwarder):
        line = join_line(lines, forwarder)
        for name, home in zip(names, homes, strict=True):
            with Terminal(*line, **home) as terminal:
                for offered in names[: names.index(name) + 1]:
                    terminal.shows(f"Your name: {offered}")
                    terminal.types("\r")
                terminal.shows(f"You are {name} ")
                terminal.types("/exit\r")
                assert terminal.end() == 0
        with (
            Program(*line, "--user", names[0], **homes[0]) as one,
            Program(*line, "--user", names[1], **homes[1]) as two,
        ):
            talk(one, two, forwarder)
        done = chatcli("history", names[1], "--json", "--limit", "3000", *line[1:], "--user", names[0], **homes[0])
        logged = [json.loads(record)["text"] for record in done.stdout.splitlines()]
        for writer in ("one", "two"):
            assert said(writer, logged) == NUMBERS


NUMBERS = [f"{number}" for number in range(1000)]


def said(writer: str, lines: list[str]) -> list[str]:
    """Return the numbers that somebody has said."""
    return [words for words in (line.partition(f"from {writer} ")[2] for line in lines) if words]


def talk(one: Program, two: Program, forwarder: Forwarder) -> None:
    """Have both say a thousand messages, and kill the forwarder five times meanwhile, for a moment each."""
    for start in range(0, 1000, 200):
        numbers = NUMBERS[start : start + 200]
        one.types("".join(f"codespace-2: from one {number}\n" for number in numbers))
        two.types("".join(f"codespace: from two {number}\n" for number in numbers))
        two.prints(f"from one {start}")
        forwarder.refuse()
        forwarder.drop_all()
        forwarder.refuse(refuses=False)
    two.prints("from one 999")
    one.prints("from two 999")
    for program in (one, two):
        program.types("exit\n")
        assert program.end() == 0, program.err
    assert said("one", two.out) == NUMBERS
    assert said("two", one.out) == NUMBERS


def test_a_pin_of_another_server(tmp_path: Path) -> None:
    """Whoever answers in the place of the teacher's server is refused, and gets nothing."""
    with teacher(tmp_path) as (lines, forwarder):
        line = join_line(lines, forwarder)
        pin = "SHA256:" + "A" * 43
        with Program(*line[:-1], pin, "--user", "eve", **student(tmp_path, "one")) as program:
            assert program.end() == 4
