"""The program through what speaks HTTP only: a forwarder of the server's port, and the proxy of a company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forwarder import Forwarder
from tests.support import Program, ThreadServer, chatcli, sessions_of

Home = dict[str, Any]

ANOTHER_KEY = "SHA256:" + "A" * 43


@pytest.fixture(name="forwarder")
def forwarder_before_the_server(server: ThreadServer, tmp_path: Path) -> Iterator[Forwarder]:
    """Yield a forwarder that ends TLS."""
    with Forwarder(server.address, tmp_path) as forwarder:
        yield forwarder


@pytest.fixture(name="home")
def fresh_home(tmp_path: Path) -> Home:
    """Return the environment of a user of their own."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}


def pin(server: ThreadServer) -> str:
    """Return the fingerprint of the server's key."""
    return server.hub.server_key


def test_one_shot_commands(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """A message arrives, and questions are answered, at an address that is known from then on."""
    at: tuple[str, ...] = ("--user", "al", "--server", str(forwarder.address))
    with server.joined("bob") as bob:
        assert chatcli("send", "bob", "hi", *at, **home).returncode == 4, "nobody has confirmed the key"
        sent = chatcli("send", "bob", "hi", *at, "--pin", pin(server), **home)
        assert (sent.returncode, sent.stdout) == (0, "delivered\n"), sent.stderr
        assert bob.texts(1) == ["hi"]
        at = (*at, "--accept-new")
        assert chatcli("who", *at, **home).stdout.split()[0] == "bob"
        assert "hi" in chatcli("history", "bob", *at, **home).stdout
        assert chatcli("key", "list", *at, **home).returncode == 0
        assert chatcli("status", *at, **home).returncode == 0
    known = Path(home["XDG_CONFIG_HOME"], "chatcli", "known_servers").read_text()
    assert f"{forwarder.address} {pin(server)}" in known
    assert forwarder.requests[-1].get("Host") == f"127.0.0.1:{forwarder.port}"


def test_wrong_pin(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """Another key is refused, although the forwarder itself is as trusted as before."""
    done = chatcli("send", "bob", "hi", "--server", str(forwarder.address), "--pin", ANOTHER_KEY, **home)
    assert done.returncode == 4
    assert pin(server) in done.stderr
    assert not sessions_of(server)


def test_join_and_listen(server: ThreadServer, forwarder: Forwarder, home: Home) -> None:
    """Both stay, talk, and come back once the forwarder has dropped everything: nothing is lost or comes twice."""
    at = ("--server", str(forwarder.address), "--pin", pin(server))
    with (
        Program("join", "--user", "ann", *at, **home) as ann,
        Program("listen", "--user", "bot", *at, **home) as bot,
    ):
        ann.types("bot: hello\n")
        bot.prints("hello")
        for number in range(10):
            ann.types(f"bot: message {number}\n")
            if number % 3 == 1:
                forwarder.drop_all()
        bot.prints("message 9")
        ann.types("exit\n")
        assert ann.end() == 0, ann.err
    texts = [line for line in bot.out if "message" in line]
    assert [int(text.rsplit(" ", 1)[1]) for text in texts] == list(range(10))
