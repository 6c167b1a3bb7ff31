"""Unknown servers, for each command: confirmed on a terminal, refused without one."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.addresses import own_address
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import DEADLINE, Program, chatcli
from tests.terminal import Terminal

pytestmark = pytest.mark.skipif(own_address() is None, reason="this machine has the loopback only")

COMMANDS = {
    "who": ["who"],
    "send": ["send", "bob", "hi", "--user", "alice"],
    "join": ["join", "--user", "alice"],
}
QUESTION = "Is this the key that its operator gave you? [yes/no]"


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> list[str]:
    """A command that connects to a server."""
    return COMMANDS[request.param]


@pytest.fixture
def home(tmp_path: Path) -> str:
    """An empty configuration."""
    return str(tmp_path / "config")


def known(home: str) -> list[str]:
    """Return the lines of the file of known servers without the comment."""
    path = Path(home) / "chatcli" / "known_servers"
    return path.read_text().splitlines()[1:] if path.exists() else []


def test_yes(command: list[str], home: str) -> None:
    """The question has address and fingerprint; only a plain yes goes on, and the next command asks nothing."""
    with TlsServer() as server:
        arguments = [*command, "--server", str(server.address)]
        with Terminal(*arguments, columns=120, XDG_CONFIG_HOME=home) as terminal:
            terminal.shows(f"The server at {server.address} is not known. Its key is {server.key}.")
            terminal.shows_input(QUESTION)
            terminal.types("y\n")
            terminal.shows_input('Please type "yes" or "no":')
            assert server.heard == []
            terminal.types("YES\n")
            if command[0] == "join":
                terminal.shows("You are alice on")
                terminal.types("exit\r")
            assert terminal.end() == 0
        assert known(home) == [f"{server.address} {server.key}"]
        done = chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("keys", ["no\n", "\x04"])
def test_no_and_end_of_input(command: list[str], home: str, keys: str) -> None:
    """The status is 4, and nothing was sent to the server."""
    with TlsServer() as server:
        with Terminal(*command, "--server", str(server.address), columns=120, XDG_CONFIG_HOME=home) as terminal:
            terminal.shows_input(QUESTION)
            terminal.types(keys)
            terminal.shows(f"chatcli: Nothing was sent to {server.address}")
            assert terminal.end() == 4
    assert server.heard == []
    assert known(home) == []


def test_ctrl_c(command: list[str], home: str) -> None:
    """It ends the command at the question."""
    with (
        TlsServer() as server,
        Terminal(*command, "--server", str(server.address), columns=120, XDG_CONFIG_HOME=home) as terminal,
    ):
        terminal.shows_input(QUESTION)
        terminal.types("\x03")
        if terminal.process.poll() is None:
            # In the moment before it reads, a signal does not end the reading: then people press it once more.
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(DEADLINE / 2)
        if terminal.process.poll() is None:
            terminal.types("\x03")
        assert terminal.end() == 130
        terminal.shows("chatcli: Interrupted.")


def test_without_a_terminal(command: list[str], home: str) -> None:
    """One sentence has the option to give, and the option works."""
    with TlsServer() as server:
        arguments = [*command, "--server", str(server.address)]
        done = chatcli(*arguments, XDG_CONFIG_HOME=home)
        assert (done.returncode, done.stdout) == (4, "")
        assert f"--pin {server.key}" in done.stderr
        assert "--accept-new" in done.stderr
        assert server.heard == []
        assert known(home) == []
        done = chatcli(*arguments, "--pin", server.key, stdin=b"exit\n", XDG_CONFIG_HOME=home)
        assert (done.returncode, done.stderr) == (0, "")
        assert known(home) == [f"{server.address} {server.key}"]


def test_accept_new(command: list[str], home: str) -> None:
    """It accepts the first key only; a changed one is status 4 until the named line is removed."""
    with TlsServer() as server:
        arguments = [*command, "--accept-new", "--server", str(server.address)]
        assert chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home).returncode == 0
        before = server.key
        hellos = server.heard.count("hello")  # a goodbye may yet come
        server.show(Ed25519PrivateKey.generate())
        done = chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home)
        assert (done.returncode, done.stdout) == (4, "")
        assert server.heard.count("hello") == hellos
        path = Path(home) / "chatcli" / "known_servers"
        for part in (before, server.key, f"remove line 2 of {path}"):
            assert part in done.stderr
        path.write_text("\n".join(path.read_text().splitlines()[:1]))
        assert chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home).returncode == 0
        assert known(home) == [f"{server.address} {server.key}"]


def test_changed_key(command: list[str], home: str) -> None:
    """It is refused on a terminal, too, as a habit of typing yes is dangerous."""
    with TlsServer() as server:
        arguments = [*command, "--server", str(server.address)]
        chatcli(*arguments, "--accept-new", stdin=b"exit\n", XDG_CONFIG_HOME=home)
        server.show(Ed25519PrivateKey.generate())
        with Terminal(*arguments, columns=200, XDG_CONFIG_HOME=home) as terminal:
            assert terminal.end() == 4
            terminal.shows(f"chatcli: The key of the server at {server.address} has changed.")


def test_pin_mismatch(command: list[str], home: str) -> None:
    """A man in the middle receives nothing, whatever he answers; the pin may be in a variable."""
    with TlsServer() as server, TlsServer() as between:
        done = chatcli(*command, "--server", str(between.address), XDG_CONFIG_HOME=home, CHATCLI_PIN=server.key)
        assert (done.returncode, done.stdout) == (4, "")
        assert server.key in done.stderr
        assert between.key in done.stderr
    assert between.heard == []


def test_invalid_pin(command: list[str], home: str) -> None:
    """It is a usage error, not a mismatch."""
    done = chatcli(*command, "--pin", "SHA256:abc", XDG_CONFIG_HOME=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'--pin'" in done.stderr
    assert "is not a fingerprint" in done.stderr


def test_trusted_certificate(command: list[str], home: str, tmp_path: Path) -> None:
    """A certificate of a known authority needs no question, and nothing is recorded."""
    authority = Authority()
    trusted = authority.write(tmp_path / "ca.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, HOST, authority)) as server:
        arguments = [*command, "--server", str(server.address)]
        done = chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home, SSL_CERT_FILE=trusted)
        assert (done.returncode, done.stderr) == (0, "")
        done = chatcli(*arguments, stdin=b"exit\n", XDG_CONFIG_HOME=home)
        assert done.returncode == 4
    assert known(home) == []


def test_piped_text(home: str) -> None:
    """The question goes to the terminal; standard input is the message, all of it."""
    with TlsServer() as server:
        piped = f"echo yes | {{python}} -m chatcli send bob - --user alice --server {server.address}"
        with Terminal.of_shell(piped, columns=120, XDG_CONFIG_HOME=home) as terminal:
            terminal.shows_input(QUESTION)
            assert server.heard == []
            terminal.types("yes\n")
            assert terminal.end() == 0
            terminal.shows("stored")
    assert server.heard.count("send") == 1


def test_key_changes_during_a_conversation(home: str) -> None:
    """It ends the conversation, because a reconnect is no first contact."""
    with TlsServer() as server:
        with Program(
            "join", "--user", "alice", "--accept-new", "--server", str(server.address), XDG_CONFIG_HOME=home
        ) as alice:
            alice.types("who\n")
            alice.prints("Here: bob")
            server.show(Ed25519PrivateKey.generate())
            server.hang_up()
            assert alice.end() == 4
            alice.complains("has changed")
    assert server.heard.count("hello") == 1
