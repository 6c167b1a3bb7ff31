"""``chatcli join --plain`` on a terminal: plain lines, for screen readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatcli.client.identity.environment import login_name
from chatcli.client.interactive.login import suggest_name
from chatcli.protocol.values.address import Address
from tests.support import ThreadServer, eventually, serving
from tests.terminal import Terminal


def join(server: ThreadServer, *arguments: str, **env: Any) -> Terminal:  # noqa: ANN401 (passed on)
    """Run ``chatcli join`` in a terminal."""
    return join_at(server.address, *arguments, **env)


def join_at(address: Address, *arguments: str, **env: Any) -> Terminal:  # noqa: ANN401 (passed on)
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", "--server", str(address), *arguments, **env)


@pytest.mark.parametrize(
    ("arguments", "env"), [(["--plain"], {}), ([], {"CHATCLI_PLAIN": "1"}), (["--no-plain"], {"TERM": "dumb"})]
)
def test_conversation(server: ThreadServer, arguments: list[str], env: dict[str, str]) -> None:
    """Typed lines are shown once, and nothing is coloured, moved or redrawn."""
    with server.joined("bob") as bob, join(server, "--user", "alice", *arguments, **env) as alice:
        alice.shows("You are alice")
        alice.shows("Here: alice (you), bob")
        alice.types("bob: good morning\n")
        bob.hears("message", text="good morning")
        bob.sends("alice", "hello\nthere")
        alice.shows("bob → you  hello")
        alice.shows("      there")
        alice.types("/whoo\n")
        alice.shows('Did you mean "/who"?')
        alice.types("/history bob\n")
        alice.shows("you → bob  good morning")
        alice.types("exit\n")
        assert alice.end() == 0
        assert sum("bob: good morning" in line for line in alice.lines) == 1
        assert sum("you → bob" in line for line in alice.lines) == 1
        assert b"\x1b" not in alice.raw


def test_name(server: ThreadServer) -> None:
    """A refused name gets a sentence and is asked for again; Ctrl-D gives up."""
    with server.joined("bob"), join(server, "--plain") as alice:
        alice.shows(f"Your name: [{suggest_name(login_name())}]")
        alice.types("two words\n")
        alice.shows("no spaces")
        alice.types("bob\n")
        alice.shows("or another name?")
        alice.types("alice\n")
        alice.shows("You are alice")
        alice.types("\x04")
        assert alice.end() == 0
    with join(server, "--plain") as nobody:
        nobody.shows("Your name:")
        nobody.types("\x04")
        assert nobody.end() == 130
    with join(server, "--plain") as nobody:
        nobody.shows("Your name:")
        nobody.types("\x03")
        assert nobody.end() == 130


def test_messages_from_other_devices(server: ThreadServer) -> None:
    """The user's messages from other devices are shown, too."""
    server.joined("bob").hang_up()
    with join(server, "--plain", "--user", "alice") as alice:
        alice.shows("You are alice")
        alice.types("bob: from here\n")
        with server.joined("alice", "send") as phone:
            phone.sends("bob", "from the phone")
            phone.hears("sent")
        alice.shows("you → bob  from the phone")
        assert not any("you → bob  from here" in line for line in alice.lines)


def test_waiting_for_a_server(tmp_path: Path) -> None:
    """As in the full-screen client a sentence offers to wait; Enter leaves."""
    with serving(tmp_path) as (_, address):
        pass
    with join_at(address, "--plain", "--user", "alice") as alice:
        alice.shows("or Enter to leave:")
        alice.types("\n")
        alice.shows("Not joined: there is no server")
        assert alice.end() == 5
    with join_at(address, "--plain", "--user", "alice") as alice:
        alice.shows("or Enter to leave:")
        alice.types("w\n")
        alice.shows("Waiting for a server")
        with serving(tmp_path, port=address.port):
            alice.shows("You are alice")
            alice.types("exit\n")
            assert alice.end() == 0
    assert b"\x1b" not in alice.raw


def test_missed_and_direct_messages(server: ThreadServer) -> None:
    """The number of missed ones comes first, in words; direct messages ring the bell if wanted."""
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        bob.sends("alice", "one")
        bob.hears("sent")
        with join(server, "--plain", "--user", "alice") as alice:
            alice.shows("bob → you  one")
            alice.shows("while you were away")
            assert not any("──" in line for line in alice.lines)
            bob.sends("alice", "two")
            alice.shows("bob → you  two")
            eventually(lambda: b"\a" in alice.raw)
        with join(server, "--plain", "--user", "alice", "--takeover", "--notify", "off") as alice:
            alice.shows("You are alice")
            bob.sends("alice", "three")
            alice.shows("bob → you  three")
            alice.types("exit\n")
            assert alice.end() == 0
            assert b"\a" not in alice.raw


def test_ctrl_c(server: ThreadServer) -> None:
    """It ends the client like any program that reads lines, and frees the name."""
    with server.joined("bob") as bob, join(server, "--plain", "--user", "alice") as alice:
        alice.shows("Here: alice (you), bob")
        alice.types("\x03")
        assert alice.end() == 130
        eventually(lambda: bob.asks_who() == ["bob"])


@pytest.mark.parametrize(
    "pasted", ["/away\nfrom the keyboard", "exit\nor not", "/etc/fstab:\n/dev/sda1", "two\n\nlines"]
)
def test_several_lines_at_once(server: ThreadServer, pasted: str) -> None:
    """They are one text, so that a paste is neither run nor sent line by line."""
    with server.joined("bob") as bob, join(server, "--user", "alice", "--plain") as alice:
        alice.shows("Here: alice (you), bob")
        alice.types("bob: hello\n")
        bob.hears("message", text="hello")
        alice.types(f"{pasted}\n")
        alice.shows("lines pasted: Enter once more sends all of it to bob as one message")
        alice.types("\n")
        bob.hears("message", text=pasted)
        alice.types(f"{pasted}\nlast\n")
        alice.shows(f"{pasted.count(chr(10)) + 2} lines pasted")
        alice.types("no\n")
        bob.hears("message", text="no")
        alice.types("exit\n")
        assert alice.end() == 0


def test_paste_without_a_last_enter(server: ThreadServer) -> None:
    """A paste need not end with a line break."""
    with server.joined("bob") as bob, join(server, "--user", "alice", "--plain") as alice:
        alice.shows("Here: alice (you), bob")
        alice.types("bob: hello\n")
        bob.hears("message", text="hello")
        alice.types("/away\nfrom the keyboard")
        alice.shows("2 lines pasted: Enter once more sends all of it to bob as one message")
        alice.types("\n")
        bob.hears("message", text="/away\nfrom the keyboard")
        alice.types("exit\n")
        assert alice.end() == 0


def test_addressed_lines(server: ThreadServer) -> None:
    """They are sent one by one, as they may have been typed on a slow connection."""
    with server.joined("bob") as bob, join(server, "--user", "alice", "--plain") as alice:
        alice.shows("Here: alice (you), bob")
        alice.types("bob: one\nbob: two\n")
        bob.hears("message", text="one")
        bob.hears("message", text="two")
        alice.types("exit\n")
        assert alice.end() == 0
