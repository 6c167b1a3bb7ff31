"""A moved server: found by its key, and accepted with all messages that wait for it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chatcli.cli.main import cli
from chatcli.client.outbox.flush import store_messages
from chatcli.client.outbox.store import read_all
from chatcli.client.storage import files
from chatcli.errors import ServerNotTrusted
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address
from tests.support import ThreadServer, new_id

OLD, NEW = "chat.old", "chat.new"


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user for this test, and a system with two more names for this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    real = socket.getaddrinfo

    def found(host: bytes | str, *rest: Any, **options: Any) -> object:  # noqa: ANN401 (as the system takes them)
        name = host.decode() if isinstance(host, bytes) else host
        ours = name in (OLD, NEW) and not options.get("flags")
        return real("127.0.0.1" if ours else name, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", found)


def run(*words: str) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(cli, words)


def test_waiting_messages(server: ThreadServer) -> None:
    """Without a terminal the error has the command to run; then messages for the old address are sent."""
    port = server.address.port
    at_old, at_new = (("--server", f"{host}:{port}") for host in (OLD, NEW))
    assert run("send", "--user", "al", "al", "hi", *at_old, "--accept-new").exit_code == 0
    store_messages(Address(OLD, port), "al", [Send(new_id(), "al", "kept")])
    refused = run("outbox", "send", *at_new)
    assert isinstance(refused.exception, ServerNotTrusted)
    assert f"chatcli who --server {NEW}:{port} --accept-new" in str(refused.exception)
    assert len(read_all(files.outbox_directory())) == 1
    done = run("outbox", "send", *at_new, "--accept-new")
    assert done.exit_code == 0
    assert "1 message sent, 0 messages waiting" in done.stderr
    assert f"that of {OLD}:{port}: it is the same server" in done.stderr
    assert read_all(files.outbox_directory()) == []
    assert "kept" in run("history", "al", "--user", "al", *at_new).stdout
