"""The command as a whole: help, version, mistakes, statuses."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from chatcli import __version__
from chatcli.cli.exit_status import EXIT_STATUSES, exit_status
from chatcli.cli.main import COMMANDS, cli
from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServeError,
    ServerNotTrusted,
    ServerUnavailable,
    ServerUnreachable,
    StoreError,
    UnknownAsker,
    UnknownRecipient,
    UnknownServer,
)
from tests.here import run_here
from tests.support import DEADLINE, chatcli, environment


def test_help_names_every_command_and_every_status() -> None:
    """``chatcli --help`` shows what there is and what the statuses mean."""
    done = chatcli("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout
    for meaning in EXIT_STATUSES.values():
        assert meaning in done.stdout


def test_lists_of_commands_are_not_cut() -> None:
    """What a command does is said in so few characters that a narrow terminal shows all of them."""
    summaries = dict(COMMANDS)
    for name in COMMANDS:
        group = cli.get_command(click.Context(cli), name)
        assert group is not None
        assert group.short_help is None, f"{name}: the list in main says what it does"
        for command in group.commands.values() if isinstance(group, click.Group) else ():
            summaries[f"{name} {command.name}"] = command.get_short_help_str(45)
    for name, summary in summaries.items():
        assert len(summary) <= 45, name
        assert not summary.endswith("..."), name


def test_without_a_command_there_is_help() -> None:
    """Someone who types only ``chatcli`` learns what to type."""
    done = run_here()
    assert "chatcli serve" in done.stdout + done.stderr


def test_version() -> None:
    """``--version`` prints the version."""
    assert run_here("--version").stdout == f"chatcli {__version__}\n"


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, to which Python is $0."""
    command = ["sh", "-c", line, sys.executable]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=DEADLINE, check=False)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script that ends with the whole command, which tells its version."""
    script = f"from chatcli.cli.main import main\n{script}\nmain()"
    return subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, env=environment(), check=False
    )


def test_the_end_waits_for_what_runs_on() -> None:
    """The process ends at once where nothing does, but no thread is cut off."""
    late = "import threading; threading.Timer(0.1, print, ['late']).start()"
    assert run(late).stdout == f"chatcli {__version__}\nlate\n"


def test_what_was_printed_is_passed_on_at_the_end() -> None:
    """Also what is without a line end, on both streams, before a command that fails."""
    begun = "import sys; sys.argv[1] = '--wrong'; sys.stdout.write('out'); sys.stderr.write('err')"
    done = run(begun)
    assert (done.returncode, done.stdout) == (2, "out")
    assert done.stderr.startswith("err")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", ["key show", "completion bash", "--help"])
def test_what_nobody_gets_is_no_success(words: str, redirection: str) -> None:
    """Standard output that is full and one that is closed are the same failure, with the same sentence."""
    done = in_shell(f'exec "$0" -m chatcli {words} {redirection}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("chatcli: Standard output cannot be written: ")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("words", "status"), [("jion", 2), ("send --wrong", 2), ("ask bob", 2), ("forget nobody:1", 3)]
)
def test_mistakes_that_nobody_can_read_of_have_their_status(words: str, status: int, redirection: str) -> None:
    """Where standard error cannot be written, the status is what is left."""
    done = in_shell(f'exec "$0" -m chatcli {words} {redirection}')
    assert (done.returncode, done.stdout) == (status, "")


def test_a_mistyped_command_gets_the_nearest() -> None:
    """The sentence names what may have been meant."""
    done = run_here("jion")
    assert done.returncode == 2
    assert 'There is no command "jion". Did you mean "join"?' in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("who --port 80", "No such option '--port'. The server is given with --server HOST:PORT."),
        ("send bob hi --host here", "No such option '--host'. The server is given with --server HOST:PORT."),
        ("send bob --port 80 hi", "No such option '--port'. The server is given with --server HOST:PORT."),
        ("who --usr bob", "No such option '--usr'. Did you mean --user?"),
        ("who --xyz", "No such option '--xyz'."),
        ("status bob", 'chatcli status takes options only: drop "bob".'),
        ("join bob", 'chatcli join takes options only: drop "bob". Did you mean --user?'),
        ("join #ops", 'chatcli join takes options only: drop "#ops". Did you mean --room?'),
        ("history bob carol", 'chatcli history takes one OF: drop "carol".'),
        ("completion tcsh", "Invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish'."),
        ("who bob", "who takes a room, not a person. A room is written with # and in quotes: '#bob'."),
    ],
)
def test_what_would_be_right_is_said(words: str, sentence: str) -> None:
    """A mistake gets a sentence that helps, rather than the nearest of something else."""
    done = run_here(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"chatcli: {sentence}\n")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_nobody_reading_the_help_is_no_accident(command: list[str]) -> None:
    """Help goes to standard output, with status 0, and every command has one."""
    done = run_here(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: chatcli")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ChatError("x"), 1),
        (ProtocolError("x"), 1),
        (StoreError("x"), 1),
        (ServerUnavailable("x", "storage"), 5),
        (ServeError("x"), 1),
        (InputError("x"), 2),
        (UnknownRecipient("unknown_user", "x", []), 3),
        (UnknownAsker("unknown_user", "x", []), 3),
        (Refused("bad_name", "x"), 4),
        (ServerNotTrusted("x"), 4),
        (UnknownServer("x", "SHA256:x", "x?"), 4),
        (ServerUnreachable("x"), 5),
    ],
)
def test_each_kind_of_failure_has_its_status(error: ChatError, status: int) -> None:
    """The table of statuses covers every exception."""
    assert exit_status(error) == status
    assert status in EXIT_STATUSES
