"""The whole command: help, version, mistakes, statuses."""

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


def test_help() -> None:
    """``chatcli --help`` has all commands and the meanings of the statuses."""
    done = chatcli("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout
    for meaning in EXIT_STATUSES.values():
        assert meaning in done.stdout


def test_lists_of_commands() -> None:
    """Summaries fit a narrow terminal."""
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


def test_no_command() -> None:
    """``chatcli`` alone prints the help."""
    done = run_here()
    assert "chatcli serve" in done.stdout + done.stderr


def test_version() -> None:
    """``--version`` prints the version."""
    assert run_here("--version").stdout == f"chatcli {__version__}\n"


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which Python is $0."""
    command = ["sh", "-c", line, sys.executable]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=DEADLINE, check=False)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script, and then the whole command with --version."""
    script = f"from chatcli.cli.main import main\n{script}\nmain()"
    return subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, env=environment(), check=False
    )


def test_quick_exit() -> None:
    """The process ends at once if no thread runs, and otherwise waits for threads."""
    late = "import threading; threading.Timer(0.1, print, ['late']).start()"
    assert run(late).stdout == f"chatcli {__version__}\nlate\n"


def test_output_is_flushed() -> None:
    """Text without a line end is flushed on both streams, also for a command that fails."""
    begun = "import sys; sys.argv[1] = '--wrong'; sys.stdout.write('out'); sys.stderr.write('err')"
    done = run(begun)
    assert (done.returncode, done.stdout) == (2, "out")
    assert done.stderr.startswith("err")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", ["key show", "completion bash", "--help"])
def test_unwritable_output(words: str, redirection: str) -> None:
    """Full and closed standard output are the same failure, with the same sentence."""
    done = in_shell(f'exec "$0" -m chatcli {words} {redirection}')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("chatcli: Standard output cannot be written: ")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("words", "status"), [("jion", 2), ("send --wrong", 2), ("ask bob", 2), ("forget nobody:1", 3)]
)
def test_unwritable_standard_error(words: str, status: int, redirection: str) -> None:
    """The status is the same."""
    done = in_shell(f'exec "$0" -m chatcli {words} {redirection}')
    assert (done.returncode, done.stdout) == (status, "")


def test_mistyped_command() -> None:
    """The sentence names the nearest one."""
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
    ],
)
def test_advice(words: str, sentence: str) -> None:
    """Frequent mistakes get a sentence that helps, rather than the nearest word."""
    done = run_here(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"chatcli: {sentence}\n")


@pytest.mark.parametrize(
    "words", ["ask bob --timeout", "ask --user", "search --in", "search --user", "listen --as", "send bob hi --user"]
)
def test_option_without_its_value(words: str) -> None:
    """The error names the help of the command, like any other mistake."""
    done = run_here(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f'\nTry "chatcli {words.split(maxsplit=1)[0]} --help".\n')


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_of_each_command(command: list[str]) -> None:
    """It goes to standard output with status 0, and a closed pipe is no error."""
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
def test_status_of_each_exception(error: ChatError, status: int) -> None:
    """The table of statuses has every exception."""
    assert exit_status(error) == status
    assert status in EXIT_STATUSES
