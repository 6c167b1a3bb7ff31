"""Completion in a real bash, zsh and fish on a terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.cli.completion.scripts import SCRIPTS
from chatcli.client.storage import roster
from chatcli.protocol.values.address import parse_address
from tests.support import eventually
from tests.terminal import Terminal

#: The server's address for the shell under test, which is never contacted.
SERVER = "chat.example:7"
_NASTY = "a$(touch${IFS}pwned)"  # valid in names
_PROMPT = "% "

_START = {
    "bash": "exec bash --noprofile --rcfile {rc} -i",
    "zsh": "exec zsh -i",
    "fish": "exec fish --no-config --init-command 'source {rc}'",
}
_SETTINGS = {
    "bash": "PS1='% '\nbind 'set bell-style none'\n",
    "zsh": "PS1='%% ' RPS1=\nautoload -Uz compinit && compinit -u -D\nunsetopt prompt_sp prompt_cr\n",
    "fish": "function fish_prompt; echo -n '% '; end\nset -g fish_autosuggestion_enabled 0\nset -g fish_greeting\n",
}


class Shell:
    """A shell on a terminal with completion for a chatcli that prints its arguments."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        program = folder / "chatcli"
        program.write_text(
            '#!/bin/sh\n[ -n "$_CHATCLI_COMPLETE" ] && exec '
            f'{shlex.quote(sys.executable)} -m chatcli "$@"\nprintf "<%s>" "$@"; echo\n'
        )
        program.chmod(0o700)
        rc = folder / ".zshrc"
        rc.write_text(_SETTINGS[kind] + SCRIPTS[kind])
        start = f"cd {shlex.quote(str(folder))} && {_START[kind].format(rc=shlex.quote(str(rc)))}"
        self.terminal = Terminal.of_shell(
            start.replace("{", "{{").replace("}", "}}"),
            columns=120,
            rows=40,
            PATH=f"{folder}:{os.environ['PATH']}",
            HOME=str(folder),
            TMPDIR=str(folder),  # fish leaves files there
            ZDOTDIR=str(folder),
            XDG_STATE_HOME=str(folder / "state"),
            CHATCLI_SERVER=SERVER,
            CHATCLI_USER="alice",
        )

    def prompts(self) -> None:
        """Wait for an empty prompt."""
        eventually(lambda: self.terminal.input_line == _PROMPT.strip(), f"a prompt: {self.terminal.lines}")

    def completes(self, typed: str, *completed: str) -> None:
        """Type a piece of a line and Tab, and wait until the line is one of these."""
        self.terminal.types(f"{typed}\t")
        expected = [_PROMPT + line for line in completed]
        try:
            eventually(lambda: self.terminal.input_line in expected)
        except AssertionError:
            raise AssertionError(f"{expected} expected: {self.terminal.lines}") from None

    def understands(self, *words: str) -> None:
        """Press Enter, and wait until the program is called with these words."""
        self.terminal.types("\r")
        self.terminal.shows("".join(f"<{word}>" for word in words))
        self.prompts()


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Each installed shell, and a roster."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    roster.update(parse_address(SERVER), "alice", _fill)
    running = Shell(request.param, tmp_path)
    with running.terminal:
        running.prompts()
        yield running


def _fill(known: roster.Roster) -> None:
    for name, state in (("bob", "here"), ("carol", "away"), (_NASTY, "here")):
        known.add_person(name, state)
    known.add_room("#ops")


def test_tab(shell: Shell) -> None:
    """TAB completes commands, options, users and rooms, quoted for the shell; nothing in a name is run."""
    shell.completes("chatcli sen", "chatcli send")
    shell.completes("bo", "chatcli send bob")
    shell.understands("send", "bob")
    shell.completes("chatcli send '#o", "chatcli send '#ops'")
    shell.understands("send", "#ops")
    shell.completes("chatcli send \\#o", "chatcli send \\#ops", "chatcli send '#ops'")
    shell.understands("send", "#ops")
    shell.completes("chatcli send bob,ca", "chatcli send bob,carol")
    shell.understands("send", "bob,carol")
    shell.completes("chatcli history --li", "chatcli history --limit")
    shell.understands("history", "--limit")
    shell.completes("chatcli join --keys e", "chatcli join --keys emacs")
    shell.completes("--clock=1", "chatcli join --keys emacs --clock=12h")
    shell.understands("join", "--keys", "emacs", "--clock=12h")
    shell.completes("chatcli key import .zsh", "chatcli key import .zshrc")
    shell.understands("key", "import", ".zshrc")
    shell.terminal.types("chatcli send a\t")
    eventually(lambda: "pwned" in shell.terminal.input_line, f"{shell.terminal.lines}")
    shell.understands("send", _NASTY)
    assert not (shell.folder / "pwned").exists()
