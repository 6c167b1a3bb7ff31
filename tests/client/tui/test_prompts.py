"""The first minute, in a real terminal."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from chatcli.client.interactive.login import suggest_name
from chatcli.protocol.values.names import check_name
from tests.support import ThreadServer, eventually, key_of, serving
from tests.terminal import Terminal


@pytest.mark.parametrize(
    ("login", "name"),
    [
        ("alice", "alice"),
        ("alice@corp.example", "alice"),
        ("DOMAIN\\bob", "DOMAINbob"),
        ("-carol", "carol"),
        ("server", "server1"),
        ("a b:c", "abc"),
        ("x" * 50, "x" * 32),
        ("", ""),
        ("///", ""),
    ],
)
def test_suggested_names(login: str, name: str) -> None:
    """The suggested name is valid, whatever the login name; without a similar valid one there is no suggestion."""
    assert suggest_name(login) == name
    assert not name or check_name(name).text == name


def test_the_first_minute(server: ThreadServer, tmp_path: Path) -> None:
    """Enter takes the suggested name; three lines say how to talk, to leave and to get help; never again."""
    where = ["join", "--server", str(server.address)]
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "LOGNAME": "dora"}
    with Terminal(*where, columns=80, rows=24, **env) as dora:
        dora.shows("Your name: dora")
        dora.types("\r")
        dora.shows("You are dora")
        dora.shows("To talk: ")
        dora.shows("To leave: ")
        dora.shows("For help: ")
        dora.shows_toolbar("dora@")
        dora.types("\x04")
        assert dora.end() == 0
    with Terminal(*where, columns=80, rows=24, **env) as dora:
        dora.shows("Your name: dora")
        dora.types("eve\r")
        dora.shows("You are eve")
        dora.shows("Here: ")
        assert not any(line.startswith(("To talk", "To leave", "For help")) for line in dora.lines)


def test_suggested_name_in_a_codespace(server: ThreadServer) -> None:
    """It is the person's on GitHub."""
    where = ("join", "--server", str(server.address))
    with Terminal(*where, CODESPACES="true", GITHUB_USER="mona", LOGNAME="codespace") as mona:
        mona.shows("Your name: mona")
        mona.types("\r")
        mona.shows("You are mona")


def test_a_free_name_in_place_of_a_taken_one(server: ThreadServer) -> None:
    """It is suggested, also to somebody who has given the taken one; Enter takes it."""
    server.joined("codespace", key=key_of("teacher")).hang_up()
    server.joined("codespace-2", key=key_of("student")).hang_up()
    where = ("join", "--server", str(server.address))
    with Terminal(*where, CODESPACES="true", GITHUB_USER="", LOGNAME="codespace") as other:
        other.shows("Your name: codespace")
        other.types("\r")
        other.shows("codespace belongs to another key: choose another name, such as codespace-3")
        other.shows("Your name: codespace-3")
        other.types("\r")
        other.shows("You are codespace-3")
    with Terminal(*where, "--user", "codespace", "--plain") as other:
        other.shows("Your name: [codespace-4]")
        other.types("\r")
        other.shows("You are codespace-4")


def test_widths_are_measured_without_echo(server: ThreadServer) -> None:
    """Its answers would stand on the screen: so the questions are part of the first drawing, made once echo is off."""
    with Terminal("join", "--server", str(server.address), columns=80, rows=24, LOGNAME="dora") as dora:
        dora.shows("Your name: dora")
        dora.types("\r")
        dora.shows("You are dora")
        before, asked, _ = bytes(dora.raw).partition(b"\x1b[6n")
        assert asked
        assert before.rindex(b"\x1b[?2026h") > before.rindex(b"\x1b[?2026l")


def test_a_refused_suggestion(server: ThreadServer) -> None:
    """Enter does not lead in a circle."""
    with server.joined("dora"), Terminal("join", "--server", str(server.address), LOGNAME="dora") as terminal:
        terminal.shows("Your name: dora")
        terminal.types("\r")
        terminal.shows("dora is already in the chat")
        terminal.shows("or another name?")
        terminal.types("eve\r")
        terminal.shows("You are eve")


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


def test_without_a_server_enter_leaves() -> None:
    """It is said in one sentence how to start one; Enter leaves with status 5."""
    with Terminal("join", "--server", "127.0.0.1:1", "--user", "alice") as terminal:
        terminal.shows("No server answers at 127.0.0.1:1")
        terminal.shows("chatcli serve")
        terminal.shows("[w]ait until it is there, or Enter to leave")
        terminal.types("\r")
        assert terminal.end() == 5
        terminal.shows("Not joined: there is no server at 127.0.0.1:1.")
        assert sum("No server answers" in line for line in terminal.lines) == 1
        assert not any("Traceback" in line for line in terminal.lines)


def test_waiting_until_the_server_is_there(tmp_path: Path) -> None:
    """Waiting counts down, Enter tries at once, and what is shown of it is gone afterwards."""
    port = free_port()
    with Terminal("join", "--server", f"127.0.0.1:{port}", "--user", "alice") as alice:
        alice.shows("[w]ait until it is there")
        alice.types("w\r")
        alice.shows("Waiting for a server at")
        alice.shows("next try in ")
        with serving(tmp_path, port=port):
            alice.types("\r")
            alice.shows(f"You are alice on 127.0.0.1:{port}.")
            alice.shows_toolbar("connected ")
            assert not any("Waiting for a server" in line for line in alice.lines)
            alice.types("\x04")
            assert alice.end() == 0


@pytest.mark.parametrize("keys", ["\x03", "w\r\x03", "\x04"])
def test_control_c_leaves_instead_of_waiting(keys: str) -> None:
    """Asked, or while it waits: the status is that of an interruption, and nothing is left on the screen but that."""
    with Terminal("join", "--server", "127.0.0.1:1", "--user", "alice") as alice:
        alice.shows("[w]ait until it is there")
        first, _, last = keys.rpartition("\r")
        if first:
            alice.types(f"{first}\r")
            alice.shows("Waiting for a server at")
        alice.types(last)
        assert alice.end() == 130
        alice.shows("Interrupted.")
        eventually(lambda: not any("next try" in line or "Traceback" in line for line in alice.lines))


def test_a_hang_up_while_waiting_ends_it() -> None:
    """Nobody waits in a window that is closed."""
    with Terminal("join", "--server", "127.0.0.1:1", "--user", "alice") as alice:
        alice.shows("[w]ait until it is there")
        alice.types("w\r")
        alice.shows("Waiting for a server at")
        alice.process.send_signal(signal.SIGHUP)
        alice.end()
