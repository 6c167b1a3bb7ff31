"""The imports of commands beyond click, which decide their speed and, unlike a time, can be tested."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from chatcli.cli.commands import serve
from chatcli.cli.main import COMMANDS, module_of
from chatcli.protocol.frames import MAX_TEXT
from tests.support import DEADLINE, ThreadServer, environment

#: Slow modules that a single local request does not need.
HEAVY: Final = frozenset(
    {
        *("asyncio", "concurrent", "logging", "multiprocessing", "prompt_toolkit", "uvloop", "wcwidth"),
        *("argparse", "dataclasses", "difflib", "fractions", "optparse", "pathlib", "pprint", "random", "secrets"),
        *("shlex", "shutil", "statistics", "subprocess", "tempfile", "traceback", "tomllib", "csv", "pkgutil"),
        *("base64", "bz2", "gzip", "hashlib", "hmac", "json", "lzma", "pickle", "ssl", "zlib"),
        *("email", "encodings.idna", "http", "ipaddress", "stringprep", "urllib"),
        *("confusable_homoglyphs", "ifaddr", "platformdirs", "precis_i18n", "rapidfuzz", "regex", "sqlite3"),
        *("importlib.metadata", "importlib.resources", "uuid", "zoneinfo"),
    }
)
#: Modules for commands that connect to a server.
OF_A_SERVER: Final = frozenset({"cryptography", "getpass", "msgspec", "select", "socket"})
#: Modules that completion does not need.
_SHOWING: Final = frozenset({"protocol", "protocol.values", "protocol.values.text"})
#: Modules for output and its failures.
_OUTPUT: Final = frozenset({"cli.output", "cli.output.streams"})
COMPLETING: Final = HEAVY | OF_A_SERVER

#: The limit of our own modules for a single request: each costs a third of a millisecond.
MOST: Final = 52

#: Runs the command line to its end, and prints the imported modules.
_TELLING: Final = """
import sys
from chatcli.cli.main import _run
status = _run()
print(*sys.modules, sep="\\n", file=sys.stderr)
sys.exit(status)
"""

#: The same, for a shell that completes.
_COMPLETING: Final = """
import sys
from chatcli.cli.main import _complete
_complete()
print(*sys.modules, sep="\\n", file=sys.stderr)
"""


def _imported(script: str, *arguments: str, **env: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(**env),
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@functools.cache
def _floor() -> set[str]:
    return _imported("import click, sys; print(*sys.modules, file=sys.stderr)")


def imported(*arguments: str, **env: str) -> set[str]:
    """Return the modules that a command imports besides click's."""
    return _imported(_TELLING, *arguments, **env) - _floor()


def heavy(modules: set[str], kinds: frozenset[str] = HEAVY) -> set[str]:
    """Return the modules that are in a set, or in a package of it."""
    return {name for name in modules if name in kinds or name.partition(".")[0] in kinds}


def ours(modules: set[str]) -> set[str]:
    """Return the short names of our own modules."""
    return {name.removeprefix("chatcli.") for name in modules if name.partition(".")[0] == "chatcli"}


def completed(*words: str, **env: str) -> set[str]:
    """Return the modules imported when zsh asks to complete the last of these words."""
    return _imported(_COMPLETING, *words, _CHATCLI_COMPLETE="zsh", **env) - _floor()


def test_version() -> None:
    """It imports neither a command nor the explanations of failures."""
    modules = imported("--version")
    assert ours(modules) == {"chatcli", "cli", "cli.main", *_OUTPUT, "errors"}
    assert not heavy(modules, HEAVY | OF_A_SERVER)


def test_completing_a_command() -> None:
    """TAB after ``chatcli`` imports little more than the version."""
    modules = completed("s")
    assert ours(modules) == {
        "chatcli",
        "cli",
        "cli.completion",
        "cli.completion.engine",
        "cli.main",
        "cli.output",
        "cli.output.streams",
        "errors",
        *_SHOWING,
    }
    assert not heavy(modules, COMPLETING)


@pytest.mark.parametrize("words", [("send", "--color="), *((command, "--") for command in COMMANDS)])
def test_completing_an_option(words: tuple[str, ...]) -> None:
    """It imports its command, but not the client."""
    modules = completed(*words, CHATCLI_USER="alice")
    assert module_of(words[0]) in modules
    assert len(ours(modules)) <= 28
    assert serve.MAX_TEXT == MAX_TEXT, "it is written twice, so that frames are not imported for it"
    assert not heavy(modules, COMPLETING)


@pytest.mark.parametrize(
    "words", [("send", "b"), ("search", "--in", "b"), ("who", "--user", "a"), ("join", "--server", "")]
)
def test_completing_a_name(words: tuple[str, ...]) -> None:
    """It imports the roster's reader, and neither the client nor keys or frames."""
    modules = completed(*words, CHATCLI_USER="alice")
    assert "client.storage.roster" in ours(modules)
    assert len(ours(modules)) <= 28
    assert not heavy(modules, COMPLETING)


def test_help_of_all_commands() -> None:
    """It imports no command, because the list is in one place."""
    assert ours(imported("--help")) == {
        "chatcli",
        "cli",
        "cli.exit_status",
        "cli.main",
        "cli.output",
        "cli.output.streams",
        "errors",
    }


@pytest.mark.parametrize("command", ["send bob hi", "who", "rooms", "history bob"])
def test_send(server: ThreadServer, command: str) -> None:
    """It imports only what a single message needs."""
    with server.joined("bob"), server.joined("al"):
        modules = imported(*command.split(), "--user", "al", "--server", str(server.address))
    assert not heavy(modules)
    assert not {name for name in ours(modules) if name.startswith(("server", "store", "client.tui"))}
    assert len(ours(modules)) <= MOST


def test_settings(server: ThreadServer, tmp_path: Path) -> None:
    """Their reader is imported only if there is a ``config.toml``."""
    command = ["who", "--server", str(server.address)]
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert "cli.options.config_file" not in ours(imported(*command, **home))
    (tmp_path / "chatcli").mkdir(mode=0o700)
    (tmp_path / "chatcli" / "config.toml").write_text('user = "al"\n')
    modules = imported(*command, **home)
    assert "cli.options.config_file" in ours(modules)
    assert "tomllib" in modules
