"""``chatcli forget``: removes the data of one server, after a confirmation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcli.client.identity import addresses
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.outbox.store import read_all
from chatcli.client.storage import files
from chatcli.protocol.values.address import Address
from tests.client.identity.test_addresses import ALL, KEY, NEW, OLD, keep_all, kept
from tests.here import run_here
from tests.support import chatcli
from tests.terminal import Terminal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A user with data of every kind for two servers."""
    where = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    for name, value in where.items():
        monkeypatch.setenv(name, value)
    for server in (OLD, NEW):
        KnownServers(files.config_directory()).add(server, KEY)
        keep_all(server)
    return where


def known(server: Address) -> bool:
    """Return whether the server is a known one."""
    return bool(KnownServers(files.config_directory()).find(server))


def test_one_server(home: dict[str, Any]) -> None:
    """Everything of it goes, in any spelling; another server's data stays."""
    done = chatcli("forget", "OLD.example.", "--yes", **home)
    assert (done.returncode, done.stdout) == (0, "")
    assert "old.example:8080 is forgotten" in done.stderr
    assert chatcli("forget", "old.example", "--yes", **home).returncode == 3
    assert kept(OLD) == set()
    assert kept(NEW) == ALL
    assert (known(OLD), known(NEW)) == (False, True)


def test_unknown_server(home: dict[str, Any]) -> None:
    """The status is 3, and close ones are named."""
    done = run_here("forget", "old.example:9999", "--yes", **home)
    assert done.returncode == 3
    assert "Nothing is known of a server at old.example:9999. Known are: old.example:8080" in done.stderr
    assert kept(OLD) == ALL


def test_without_a_terminal(home: dict[str, Any]) -> None:
    """The sentence says what would be lost, and how to confirm."""
    done = run_here("forget", "old.example", **home)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "1 message that was not sent is lost, to bob" in done.stderr
    assert kept(OLD) == ALL


@pytest.mark.parametrize(("answer", "status", "left"), [("no", 7, ALL), ("yes", 0, set())])
def test_confirmation(home: dict[str, Any], answer: str, status: int, left: set[str]) -> None:
    """The list of what would be lost is above the question."""
    with Terminal("forget", "old.example", **home) as terminal:
        terminal.shows("1 message that was not sent is lost, to bob: chatcli outbox shows them.")
        terminal.shows("Forget it? [yes/no]")
        terminal.types(f"{answer}\r")
        assert terminal.end() == status
    assert kept(OLD) == left


def test_moved_server(home: dict[str, Any]) -> None:
    """Only the forgotten address goes; the data stays with the other one."""
    moved = Address("moved.example", 8080)
    for gone, stays in ((OLD, moved), (moved, OLD)):
        KnownServers(files.config_directory()).add(moved, KEY)
        addresses.merge(moved, OLD)
        assert run_here("forget", str(gone), "--yes", **home).returncode == 0
        assert kept(stays) == ALL
        assert kept(gone) == set()
        assert (known(gone), known(stays)) == (False, True)
        KnownServers(files.config_directory()).add(gone, KEY)
        addresses.merge(gone, stays)
        assert kept(gone) == ALL
    assert len(read_all(files.outbox_directory())) == 2
