"""The terminal's modes: those of the shell while the program is stopped and when it has ended, else its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios

import pytest

from tests.support import ThreadServer, eventually
from tests.terminal import Terminal

DRAFT = "half a line"


def shell(server: ThreadServer, *options: str) -> Terminal:
    """Run a shell with job control, and in it ``chatcli join``."""
    terminal = Terminal.of_shell("exec bash --norc --noprofile -i", PS1="shell> ")
    terminal.shows("shell>")
    terminal.types(f"{' '.join(command(server))} {' '.join(options)}\r")
    return terminal


def command(server: ThreadServer) -> list[str]:
    """Return the command line of the client."""
    return [sys.executable, "-m", "chatcli", "join", "--user", "alice", "--server", str(server.address)]


def client(terminal: Terminal) -> int:
    """Return the process that the shell has started."""
    found = subprocess.run(["pgrep", "-P", str(terminal.process.pid)], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def echoes(terminal: Terminal) -> bool:
    """Return whether the terminal shows by itself what is typed, line by line."""
    return bool(termios.tcgetattr(terminal.master)[3] & termios.ECHO)


def reports_focus(terminal: Terminal) -> bool:
    """Return whether the terminal was last asked to report its focus."""
    return terminal.raw.rfind(b"\x1b[?1004h") > terminal.raw.rfind(b"\x1b[?1004l")


def is_stopped(process: int) -> bool:
    """Return whether the process does not go on."""
    with open(f"/proc/{process}/stat") as stat:  # noqa: PTH123 (one line of the kernel's)
        return stat.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP, None], ids=["TSTP", "STOP", "Ctrl-Z"])
def test_a_stopped_client_is_drawn_again(server: ThreadServer, number: int | None) -> None:
    """With its draft, what was said meanwhile, and keys that work; the window may have changed, too."""
    with shell(server) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types(DRAFT)
        alice.shows_input(f"› {DRAFT}")
        process = client(alice)
        if number is None:
            alice.types("\x1a")
        else:
            os.kill(process, number)
        eventually(lambda: is_stopped(process))
        alice.shows("Stopped")
        assert reports_focus(alice) is (number == signal.SIGSTOP)
        if number != signal.SIGSTOP:  # which nobody learns of
            alice.types("echo $((6 * 7))\r")
            alice.shows("42")
            assert not any(DRAFT in row for row in alice.rows)
        bob.sends("alice", "meanwhile")
        alice.resize(60, 20)
        alice.types("fg\r")
        alice.shows("bob → you  meanwhile")
        eventually(lambda: alice.input_line == f"› {DRAFT}")
        eventually(lambda: reports_focus(alice))
        alice.types("!\x1b[99;5u")
        eventually(lambda: alice.input_line.endswith("›"), "an empty line")


def test_no_input_line_in_the_background(server: ThreadServer) -> None:
    """In the background, messages appear among the shell's output and all keys are the shell's; `fg` restores all."""
    with shell(server) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types(DRAFT)
        alice.shows_input(f"› {DRAFT}")
        alice.types("\x1a")
        alice.shows("Stopped")
        alice.types("bg\r")
        alice.shows("&")
        bob.sends("alice", "meanwhile")
        alice.shows("bob → you  meanwhile")
        assert not any(DRAFT in row or "connected" in row for row in alice.rows)
        for number in range(8):  # a client that read now would sometimes hang or be stopped
            alice.types(f"echo $((6 * 7{number}))\r")
            alice.shows(str(6 * (70 + number)))
        alice.types("fg\r")
        eventually(lambda: alice.input_line.endswith(f"› {DRAFT}"), "the draft")


def test_continuing_without_a_stop(server: ThreadServer) -> None:
    """Each row is on the screen once."""
    with shell(server) as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("bob: one\x1b\rtwo")
        eventually(lambda: alice.input_line.strip() == "two")
        os.kill(client(alice), signal.SIGCONT)
        bob.sends("alice", "afterwards")
        alice.shows("bob → you  afterwards")
        eventually(lambda: sum("bob: one" in line for line in alice.lines) == 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("at", ["You are alice", "Your name:"])
def test_signals_restore_the_terminal(server: ThreadServer, number: int, at: str) -> None:
    """Echo is on, the input line is gone, and what is pasted comes without marks."""
    arguments = command(server)[3:] if at == "You are alice" else ["join", "--server", str(server.address)]
    with Terminal(*arguments) as terminal:
        terminal.shows(at)
        eventually(lambda: not echoes(terminal))
        terminal.types(DRAFT)
        terminal.shows(DRAFT)
        terminal.process.send_signal(number)
        assert terminal.end() == -number
        assert echoes(terminal)
        for mode in (b"2004", b"1004"):
            assert terminal.raw.rfind(b"\x1b[?%sl" % mode) >= terminal.raw.rfind(b"\x1b[?%sh" % mode)
        assert not any(DRAFT in row for row in terminal.rows)


def test_plain_lines_go_on_after_a_stop(server: ThreadServer) -> None:
    """The terminal edits them; what was said meanwhile is shown."""
    with shell(server, "--plain") as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("\x1a")
        alice.shows("Stopped")
        bob.sends("alice", "meanwhile")
        bob.hears("sent")
        alice.types("fg\r")
        alice.shows("bob → you  meanwhile")
        alice.types("bob: here\r")
        bob.hears("message", text="here")
