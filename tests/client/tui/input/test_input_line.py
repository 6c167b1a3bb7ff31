"""Typing in a real terminal: drafts, pastes, history, the editor, keys."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatcli.client.tui.input.history import LINES, FileHistory
from chatcli.client.tui.terminal.reflow import breaks_rows
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_TEXT
from chatcli.protocol.values.address import Address
from tests.preloaded import values
from tests.support import ThreadServer, environment, eventually
from tests.terminal import Terminal

PASTE = "\x1b[200~{}\x1b[201~"


def join(server: ThreadServer, user: str, **env: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", "--server", str(server.address), "--user", user, columns=80, rows=24, **env)


def editor(directory: Path, script: str) -> dict[str, str]:
    """Return an environment in which this shell script is the editor; ``$1`` is the file."""
    path = directory / "my editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return {"EDITOR": f"'{path}' --wait-is-no-option-of-sh", "VISUAL": ""}


# What is pasted, and lines of more than one


def test_a_paste_is_one_message(server: ThreadServer) -> None:
    """Lines that are pasted stay in the input line, are counted, and go as one message, their breaks as they were."""
    with server.joined("bob") as bob, join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types("bob: ")
        alice.types(PASTE.format("one\r\ntwo\rthree\n"))
        alice.shows("3 lines pasted: Enter sends them as one message, Ctrl-C drops them.")
        alice.shows_input("  three")
        assert [line for line in alice.lines if line.endswith(("bob: one", "two", "three"))][-3:] == [
            "› bob: one",
            "  two",
            "  three",
        ]
        bob.sends("alice", "meanwhile")
        bob.hears("sent")
        alice.shows("meanwhile")
        alice.shows_input("  three")
        alice.types("\r")
        assert bob.hears("message")["text"] == "one\ntwo\nthree"


def test_what_is_pasted_can_be_dropped(server: ThreadServer) -> None:
    """After Ctrl-C nothing of it was said; a single line is not worth a remark, with or without its end."""
    with server.joined("bob") as bob, join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types(PASTE.format("bob: one\nbob: two"))
        alice.shows("2 lines pasted")
        alice.types("\x03")
        alice.shows_input("›")
        alice.types(PASTE.format("bob: three\n"))
        alice.shows_input("› bob: three")
        alice.types("\r")
        assert bob.hears("message")["text"] == "three"
        assert sum("pasted" in line for line in alice.lines) == 1


def test_alt_enter_breaks_the_line(server: ThreadServer) -> None:
    """A message of several lines can be typed, corrected with the arrows, and is shown whole."""
    with server.joined("bob") as bob, join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types("bob: one\x1b\rtwo")
        alice.shows_input("  two")
        alice.types("\x1b[A\x05!\x1b[B\x05?")
        alice.shows_input("  two?")
        alice.types("\r")
        assert bob.hears("message")["text"] == "one!\ntwo?"


# The editor


@pytest.mark.parametrize("way", ["/edit bob: draft\r", "bob: draft\x18\x05"])
def test_the_editor(server: ThreadServer, tmp_path: Path, way: str) -> None:
    """The editor's text comes into the input line unsent, and messages that came meanwhile are shown afterwards."""
    go = tmp_path / "go"
    env = editor(tmp_path, f'cat "$2"; while [ ! -e "{go}" ]; do sleep 0.05; done; printf "more\\nto say\\n" >>"$2"')
    with server.joined("bob") as bob, join(server, "alice", **env) as alice:
        alice.shows("You are alice")
        alice.types(way)
        eventually(lambda: alice.input_line.endswith("bob: draft"))
        bob.sends("alice", "meanwhile")
        bob.hears("sent")
        go.touch()
        alice.shows("meanwhile")
        alice.shows_input("  to say")
        alice.types("\r")
        assert bob.hears("message")["text"] == "draftmore\nto say"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("false", 'The editor "false" failed with status 1: the line is as it was.'),
        ("/nowhere/vi", 'The editor "/nowhere/vi" cannot be started (No such file or directory): name one'),
        ("'", "The editor cannot be started: the quotes in ' do not match."),
    ],
)
def test_an_editor_that_fails_says_so(server: ThreadServer, command: str, sentence: str) -> None:
    """One sentence, and the line is as it was."""
    with join(server, "alice", VISUAL=command) as alice:
        alice.shows("You are alice")
        alice.types("half\x18\x05")
        alice.shows(sentence)
        alice.shows_input("› half")


def test_control_c_in_the_editor(server: ThreadServer, tmp_path: Path) -> None:
    """An editor that Ctrl-C ends leaves the chat where it was."""
    with join(server, "alice", **editor(tmp_path, "echo editing; exec sleep 60")) as alice:
        alice.shows("You are alice")
        alice.types("half\x18\x05")
        alice.shows("editing")
        alice.types("\x03")
        alice.shows("failed with status -2: the line is as it was.")
        alice.shows_input("› half")


# Drafts


def test_drafts_survive_a_restart(server: ThreadServer, tmp_path: Path) -> None:
    """A draft belongs to its conversation, and comes back with it, even after a restart."""
    state = str(tmp_path / "state")
    with server.joined("bob"), server.joined("carol"):
        with join(server, "alice", XDG_STATE_HOME=state) as alice:
            alice.shows("Here: ")  # else carol is not known yet, and the line to her is held
            alice.types("bob: hi\r")
            alice.shows_input("bob ›")
            alice.types("carol: hi\r")
            alice.shows_input("carol ›")
            alice.types("for carol")
            alice.types("\x1b1")
            alice.shows_input("bob ›")
            alice.types("for bob\x1b\rand more")
            alice.shows_input("      and more")
            alice.types("\x1b[1;3C")
            alice.shows_input("carol › for carol")
            alice.types("\x1b[1;3D")
            alice.shows_input("      and more")
            alice.types("\x15" * 3 + "\x1b[1;3B")
            alice.shows_input("carol › for carol")
            alice.process.send_signal(signal.SIGHUP)
            alice.end()
        (kept,) = Path(state, "chatcli", "drafts").iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
        with join(server, "alice", XDG_STATE_HOME=state) as alice:
            alice.shows("Not sent yet, and kept for you: what you wrote to carol. /to carol")
            alice.types("/to carol\r")
            alice.shows_input("carol › for carol")
            alice.types("\x03\x04")
            assert alice.end() == 0
        assert json.loads(kept.read_text())["drafts"] == {}
        for typed, shown in (("to nobody ", "› to nobody"), ("yet", "› to nobody yet")):
            with join(server, "alice", XDG_STATE_HOME=state) as alice:
                alice.shows("You are alice")
                alice.types(typed)
                alice.shows_input(shown)
                alice.process.send_signal(signal.SIGHUP)
                alice.end()


def test_bytes_that_are_no_text(server: ThreadServer, tmp_path: Path) -> None:
    """Input that is not UTF-8 is not stored as a draft; the others are, and a signal ends the client."""
    state = str(tmp_path / "state")
    with server.joined("bob"), join(server, "alice", XDG_STATE_HOME=state) as alice:
        alice.shows("You are alice")
        alice.types("bob: hi\r")
        alice.shows_input("bob ›")
        alice.types_raw(b"abc\xff\xfe def")
        alice.shows_input("bob › abc?? def")
        alice.process.send_signal(signal.SIGTERM)
        alice.end()
        assert alice.process.returncode == -signal.SIGTERM
        assert not any("Traceback" in line for line in alice.lines)


def test_drafts_that_cannot_be_saved(server: ThreadServer, tmp_path: Path) -> None:
    """One sentence says what is wrong, with what to do about it."""
    drafts = tmp_path / "chatcli" / "drafts"
    drafts.mkdir(parents=True, mode=0o755)
    env = {"XDG_STATE_HOME": str(tmp_path), **values({"chatcli.client.tui.input.drafts:_BETWEEN_SAVES": 0.1})}
    with server.joined("bob") as bob, join(server, "alice", **env) as alice:
        alice.shows("You are alice")
        alice.types("half\x03bob: hi\r")
        assert bob.hears("message")["text"] == "hi"
        alice.types("half")
        alice.shows("What you have not sent is not kept when you leave: Others may read or change")


# What is refused


def test_too_long_messages(server: ThreadServer) -> None:
    """It is not sent, its length and the limit are said, and it can be made shorter."""
    with server.joined("bob") as bob, join(server, "alice") as alice:
        alice.shows("You are alice")
        alice.types(PASTE.format("bob: " + "x" * (MAX_TEXT + 1)))
        eventually(lambda: alice.input_line.endswith("x"))
        alice.types("\r")
        alice.shows(f"Not sent: a message may have {MAX_TEXT} bytes, and this one has {MAX_TEXT + 1}.")
        alice.types("\x7f\r")
        assert bob.hears("message")["text"] == "x" * MAX_TEXT


# History


def test_lines_come_back_after_a_restart(server: ThreadServer, tmp_path: Path) -> None:
    """Up and Ctrl-R find what was typed on earlier visits to this server, and a suggestion completes it."""
    state = str(tmp_path / "state")
    with server.joined("bob") as bob:
        for text in ("the first thing", "another one"):
            with join(server, "alice", XDG_STATE_HOME=state) as alice:
                alice.shows("You are alice")
                alice.types(f"bob: {text}\r")
                bob.hears("message", text=text)
                alice.types("\x04")
                assert alice.end() == 0
        (kept,) = Path(state, "chatcli", "history").iterdir()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        with join(server, "alice", XDG_STATE_HOME=state) as alice:
            alice.shows("You are alice")
            alice.types("\x1b[A")
            alice.shows_input("› bob: another one")
            alice.types("\x03")
            alice.shows_input("›")
            alice.types("\x12first")
            eventually(lambda: "bob: the first thing" in alice.input_line)
            alice.types("\r")
            alice.shows_input("› bob: the first thing")
            alice.types("\x03")
            alice.shows_input("›")
            alice.types("bob: ano")
            alice.shows_input("› bob: another one")
            alice.types("\x1b[C\r")
            bob.hears("message", text="another one")


def test_the_file_of_history_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many lines the newest are kept, each once; lines of several lines and damaged ones do no harm."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    server = Address("example.org", 4444)
    reported: list[InputError] = []
    history = FileHistory(server, reported.append)
    history.store_string("first\nsecond")
    path = Path(history.path)
    lines = [json.dumps(f"line {number}") for number in range(3 * LINES)]
    path.write_text("\n".join([path.read_text(), *lines, '"cut', json.dumps("a\nb"), json.dumps("line 7"), ""]))
    found = list(FileHistory(server, reported.append).load_history_strings())
    assert found[:3] == ["line 7", "a\nb", f"line {3 * LINES - 1}"]
    assert len(found) == len(set(found)) <= LINES
    assert len(path.read_text().splitlines()) <= LINES
    history.store_string("newest")
    assert next(iter(FileHistory(server, reported.append).load_history_strings())) == "newest"
    assert not reported
    path.chmod(0o644)
    assert list(FileHistory(server, reported.append).load_history_strings()) == []
    history.store_string("unwritten")
    history.store_string("said once")
    assert len(reported) == 2
    assert "chmod 600" in str(reported[0])


# Windows of other sizes, and lines of more than one row


@pytest.mark.parametrize("columns", [80, 20])
def test_typed_rows_are_indented(server: ThreadServer, columns: int) -> None:
    """Whether the text breaks a line there, or the window is too narrow for it."""
    with Terminal("join", "--server", str(server.address), "--user", "alice", columns=80, rows=24) as alice:
        alice.shows("You are alice")
        alice.resize(columns, 24)
        alice.types(PASTE.format("x" * 78 + "12:05 boss → you  pay\r12:06 boss → you  now"))
        alice.shows("now")
        begun = next(place for place, row in enumerate(alice.rows) if row.startswith("›"))
        below = [row for row in alice.rows[begun + 1 :] if "alice" not in row]
        assert below
        assert all(row.startswith(" ") for row in below), below


def in_tmux(socket: str, *arguments: str, state: Path) -> str:
    """Have a tmux of the test's own do something; return what it prints."""
    command = ["tmux", "-L", socket, "-f", "/dev/null", *arguments]
    env = environment(XDG_STATE_HOME=str(state))
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False).stdout


@pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")
def test_a_narrower_window(server: ThreadServer, tmp_path: Path) -> None:
    """In a terminal that breaks rows anew, a draft of several rows stands there once, and no message is lost."""
    socket = f"chatcli-{os.getpid()}-{server.address.port}"
    tmux = functools.partial(in_tmux, socket, state=tmp_path)
    program = shlex.join([sys.executable, "-m", "chatcli", "join", "--server", str(server.address), "--user", "alice"])

    def screen() -> str:
        return "\n".join(line.rstrip() for line in tmux("capture-pane", "-p", "-S", "-").splitlines()).rstrip()

    def is_drawn(columns: int) -> bool:
        """Return whether the draft takes the whole width; a blank at the end of a row cannot be seen."""
        return max(map(len, screen().splitlines()[-3:])) in (columns - 1, columns)

    def settle() -> None:
        """Wait until nothing is drawn any more: nothing helps if the window changes while a drawing is on its way."""
        before, same = screen(), 0
        while same < 5:
            time.sleep(0.3)
            same = same + 1 if screen() == before else 0
            before = screen()

    with server.joined("bob") as bob:
        tmux("new-session", "-d", "-x", "100", "-y", "30", program)
        try:
            eventually(lambda: "You are alice" in screen())
            for number in range(40):
                bob.sends("alice", f"number {number}")
                bob.hears("sent")
            eventually(lambda: "number 39" in screen())
            assert screen().splitlines()[0] != "›", "erasing at the top of the screen has left a copy"
            tmux("send-keys", "-l", "bob: BEGIN " + "words that wrap " * 15 + "END")
            eventually(lambda: "END" in screen())
            settle()
            tmux("resize-window", "-x", "60", "-y", "30")
            eventually(lambda: is_drawn(60))
            settle()
            bob.sends("alice", "afterwards")
            eventually(lambda: "afterwards" in screen())
            eventually(lambda: screen().count("BEGIN") == screen().count("END") == 1)
            assert [f"number {number}" in screen() for number in range(40)] == [True] * 40
        finally:
            tmux("kill-server")


@pytest.mark.parametrize(
    ("env", "breaks"),
    [
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux"}, True),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7200"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "screen", "STY": "1.pts", "VTE_VERSION": "7200"}, False),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "linux"}, False),
    ],
)
def test_unknown_terminals_cut_rows(env: dict[str, str], breaks: bool) -> None:
    """A copy too many harms less than a message taken away."""
    assert breaks_rows(env) is breaks


def test_long_lines_of_wide_characters(server: ThreadServer) -> None:
    """Over several rows, with characters of two columns at their ends, all stands in its place, and arrives."""
    text = "你好世界한국어 " * 20 + "end"
    with (
        server.joined("bob") as bob,
        Terminal(*("join", "--server", str(server.address), "--user", "alice"), columns=41) as alice,
    ):
        alice.shows("You are alice")
        alice.types("bob: " + text)
        eventually(lambda: alice.input_line.endswith("end"))
        alice.types("\x01" + "\x1b[C" * 5 + "begin \x05!")
        eventually(lambda: alice.input_line.endswith("end!"))
        shown = "".join(alice.lines[-20:]).replace(" ", "")
        assert shown.count("begin") == shown.count("end!") == 1
        bob.sends("alice", "meanwhile")
        alice.shows("meanwhile")
        eventually(lambda: alice.input_line.endswith("end!"))
        alice.types("\r")
        bob.hears("sent")
        bob.hears("message", text="begin " + text + "!")


# Keys


def test_control_z_brings_the_line_back(server: ThreadServer) -> None:
    """Suspended, the shell has the terminal; in the foreground again, the line is whole and messages have come."""
    script = (
        "set -m; {python} -m chatcli join --user alice --server " + str(server.address) + "; echo stopped; read go; fg"
    )
    with server.joined("bob") as bob, Terminal.of_shell(script) as alice:
        alice.shows("You are alice")
        alice.types("half a line\x1b[D")
        alice.shows_input("› half a line")
        alice.types("\x1a")
        alice.shows("stopped")
        bob.sends("alice", "while you slept")
        bob.hears("sent")
        alice.types("go\n")
        alice.shows("while you slept")
        alice.shows_input("› half a line")
        alice.types("!\r")
        alice.shows_input("› half a lin!e")


def test_the_prompt_of_a_narrow_window(server: ThreadServer) -> None:
    """A long name is cut in the prompt, not in the text."""
    name = "bartholomew-of-the-long-name"
    with (
        server.joined(name) as long,
        Terminal("join", "--server", str(server.address), "--user", "alice", columns=40) as alice,
    ):
        alice.shows("You are alice")
        alice.types(f"{name}: hi\r")
        long.hears("message", text="hi")
        alice.shows_input("bartholomew-… ›")


def test_the_keys_of_vi(server: ThreadServer) -> None:
    """Esc leaves inserting, x and A do what they do there; what Alt does is there, too."""
    with server.joined("bob") as bob, join(server, "alice", CHATCLI_KEYS="vi") as alice:
        alice.shows("You are alice")
        alice.types("bob: hello")
        alice.shows_input("› bob: hello")
        alice.types("\x1b")
        eventually(lambda: alice.cursor_column == len("› bob: hell"))
        alice.types("xA!")
        alice.shows_input("› bob: hell!")
        alice.types("\r")
        bob.hears("message", text="hell!")
        alice.shows_input("bob ›")
