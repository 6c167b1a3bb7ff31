"""Settings in ``config.toml``, variables and flags, and named servers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import click
import pytest

from chatcli.cli.main import cli
from chatcli.cli.options.settings import SETTINGS
from tests.here import run_here
from tests.support import CONFIGURATION, ThreadServer, chatcli
from tests.terminal import Terminal

PIN = "SHA256:" + "A" * 43


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A configuration directory with nothing but the key of the tests."""
    directory = tmp_path / "config"
    (directory / "chatcli").mkdir(mode=0o700, parents=True)
    key = directory / "chatcli/key"
    key.write_text((CONFIGURATION / "chatcli/key").read_text())
    key.chmod(0o600)
    return directory


def write(home: Path, text: str) -> Path:
    """Write the file, and return its path."""
    path = home / "chatcli/config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(home: Path, *words: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end with that configuration."""
    return run_here(*words, stdin=stdin, XDG_CONFIG_HOME=str(home), **env)


@pytest.mark.parametrize(
    ("variable", "flag", "name"),
    [({}, [], "from-file"), ({"CHATCLI_USER": "from-env"}, [], "from-env"), ({"CHATCLI_USER": "x"}, ["flag"], "flag")],
)
def test_flag_before_variable_before_file(
    server: ThreadServer, home: Path, variable: dict[str, Any], flag: list[str], name: str
) -> None:
    """The file has the defaults, and the server is one of them."""
    write(home, f'user = "from-file"\nserver = "{server.address}"\n')
    flags = [word for user in flag for word in ("--user", user)]
    with server.joined("bob") as bob:
        done = run(home, "send", "bob", "hi", *flags, **variable)
        assert (done.stdout, done.stderr) == ("delivered\n", "")
        assert bob.hears("message")["from"] == name


def test_every_setting_is_a_flag() -> None:
    """``join`` has all of them with variables, other commands those that concern them."""
    about_servers = {"at", "server", "user", "pin", "accept-new"}
    for words, keys in {("join",): set(SETTINGS), **dict.fromkeys(CLIENTS, about_servers)}.items():
        command: click.Command | None = cli
        for word in words:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
        assert command is not None
        options = {option.name: option for option in command.params if isinstance(option, click.Option)}
        for key in keys:
            option = options[SETTINGS[key].name]
            assert SETTINGS[key].flag == "/".join([*option.opts, *option.secondary_opts])
            assert option.envvar == SETTINGS[key].variable


CLIENTS = [
    ("send",),
    ("who",),
    ("rooms",),
    ("history",),
    ("search",),
    ("key", "link"),
    ("key", "list"),
    ("key", "revoke"),
]


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('# mine\n\nuser = "al"\ncolour = "auto"\n', 4, 'There is no setting "colour". Did you mean "color"?'),
        (
            '[servers.work]\nserver = "a"\naccept_new = true\n',
            3,
            'setting "accept_new" of a server. Did you mean "accept',
        ),
        ('user = """\na\n"""\nclock = 12', 4, "clock is text in quotes."),
        ('user = "al"\nplain = "yes"\n', 2, "plain is true or false, without quotes."),
        ('color = "pink"\n', 1, "is not one of 'auto', 'always', 'never'"),
        ('server = "host:99999"\n', 1, '"99999" is not a port'),
        ('\n[servers]\nwork = { server = "a", pin = "47DEQ" }\n', 3, "is not a fingerprint"),
        ('[servers.work]\nuser = "al"\n', 1, 'Nothing says where "work" is: add server = "HOST:PORT".'),
        ('[servers.work]\nserver = "a"\nat = "work"\n', 3, 'no setting "at" of a server'),
        ('user = "al"\n[server.work]\nserver = "a"\n', 2, "A server is named with [servers.work]."),
        ('user = "al"\nservers = "a"\n', 2, "a server is named with [servers.NAME]"),
        ('[servers]\nwork = "a"\n', 2, "one is named with [servers.NAME]"),
        ('user = "al"\nat = "wrok"\n[servers.work]\nserver = "a"\n', 2, 'Did you mean "work"?'),
        ('at = "work"\nserver = "b"\n[servers.work]\nserver = "a"\n', 1, "both say where the server is"),
        ('\nuser = ""\n', 2, "user: it is empty."),
    ],
)
def test_mistake(home: Path, text: str, line: int, sentence: str) -> None:
    """One sentence with file, line and remedy; no server is contacted, and the status is 2."""
    path = write(home, text)
    done = run(home, "who", "--server", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"chatcli: {path}, line {line}: ")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("user = al\n", "line 1, column 8", 'text is written in quotes, as in user = "alice".'),
        ('\nuser = "al\nkeys = "vi"\n', "line 2, column 11", "A quote is missing"),
        ('user = "al', "line 1", "A quote is missing"),
        ('user = "al"\nuser = "bo"\n', "line 2", "This is set already"),
        ("clock = 12h\n", "line 1, column 11", 'text is written in quotes, as in clock = "12h".'),
        ("[servers.work\n", "line 1", "Expected ']'"),
    ],
)
def test_invalid_toml(home: Path, text: str, place: str, sentence: str) -> None:
    """Line and column are named, and frequent mistakes are explained."""
    path = write(home, text)
    done = run(home, "who")
    assert done.returncode == 2
    assert done.stderr.startswith(f"chatcli: {path}, {place}")
    assert sentence in done.stderr


@pytest.mark.parametrize("text", ["user = " + "[" * 99_999, "user = " + "9" * 6000])
def test_extreme_toml(home: Path, text: str) -> None:
    """Too much nesting and too many digits end in a sentence."""
    path = write(home, text)
    done = run(home, "who")
    assert done.returncode == 2
    assert done.stderr.startswith(f"chatcli: {path}")
    assert "Traceback" not in done.stderr


def test_unreadable_file(home: Path) -> None:
    """Invalid bytes and other kinds of files end in a sentence."""
    path = home / "chatcli/config.toml"
    path.write_bytes(b'user = "al"\n# caf\xe9\n')
    done = run(home, "who")
    assert (done.returncode, done.stderr) == (2, f"chatcli: {path}, line 2: this is not text in UTF-8.\n")
    path.unlink()
    path.mkdir()
    done = run(home, "who")
    assert done.returncode == 2
    assert f"Cannot read {path} (Is a directory)" in done.stderr


def test_help_despite_a_mistake(home: Path) -> None:
    """A mistake in the file does not prevent help."""
    write(home, "what?\n")
    for words in (["--help"], ["join", "--help"], ["--version"], ["key", "show"]):
        assert run(home, *words).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("join",),
        ("send", "bob", "hi"),
        ("who",),
        ("rooms",),
        ("history", "bob"),
        ("search", "hi"),
        ("key", "list"),
    ],
)
def test_server_names(server: ThreadServer, home: Path, words: tuple[str, ...]) -> None:
    """A name is accepted before and after the command, in the environment and in the file."""
    text = f'server = "127.0.0.1:1"\n[servers.work]\nserver = "{server.address}"\nuser = "al"\n'
    write(home, text)
    server.joined("bob").hang_up()
    server.joined("al").hang_up()
    before, behind = run(home, "--at", "work", *words), run(home, *words, "--at", "work")
    variable = run(home, *words, CHATCLI_AT="work")
    write(home, text.replace('server = "127.0.0.1:1"', 'at = "work"'))
    for done in (before, behind, variable, run(home, *words)):
        assert done.returncode == 0, done.stderr


def test_unknown_server_names(home: Path) -> None:
    """The error has the nearest or all of them; without any, how to define one."""
    done = run(home, "--at", "work", "who")
    path = home / "chatcli/config.toml"
    assert (done.returncode, done.stdout) == (2, "")
    assert f'There is no server "work": there is no {path}. Write there [servers.work]' in done.stderr
    write(home, 'user = "al"\n')
    assert f"{path} names none" in run(home, "who", "--at", "work").stderr
    write(home, '[servers.work]\nserver = "a"\n[servers.home]\nserver = "b"\n')
    assert 'Did you mean "work"?' in run(home, "--at", "wrok", "who").stderr
    assert "There are: work, home." in run(home, "who", CHATCLI_AT="elsewhere").stderr
    assert "it is empty" in run(home, "--at", "", "who").stderr


def test_name_and_address(server: ThreadServer, home: Path) -> None:
    """Together they are refused; those of a stronger source replace the weaker ones entirely."""
    write(home, f'at = "work"\n[servers.work]\nserver = "127.0.0.1:1"\npin = "{PIN}"\nuser = "al"\n')
    env: dict[str, Any] = {"CHATCLI_USER": "bob"}
    address = str(server.address)
    for arguments in (["--at", "work", "who"], ["who", "--at", "work"]):
        done = run(home, *arguments, "--server", address, **env)
        assert done.returncode == 2
        assert "--at and --server both say where the server is" in done.stderr
    done = run(home, "who", CHATCLI_AT="work", CHATCLI_SERVER=address, **env)
    assert (done.returncode, "CHATCLI_AT and CHATCLI_SERVER" in done.stderr) == (2, True)
    server.joined("bob").hang_up()
    assert run(home, "who", "--server", address, CHATCLI_AT="work", **env).returncode == 0
    assert run(home, "who", CHATCLI_SERVER=address, **env).returncode == 0
    host, port = server.address[:2]
    assert run(home, "join", "--host", host, "--port", str(port), **env).returncode == 0
    assert run(home, "--at", "work", "who", CHATCLI_SERVER=address, **env).returncode == 5


def test_pin(server: ThreadServer, home: Path) -> None:
    """It holds for the server beside which it is written, and for no other."""
    write(home, f'server = "{server.address}"\npin = "{PIN}"\n[servers.work]\nserver = "{server.address}"\n')
    pinned = run(home, "who")
    assert pinned.returncode == 4
    assert "does not have the key that is pinned" in pinned.stderr
    assert run(home, "who", "--at", "work").returncode == 0
    assert run(home, "who", "--server", str(server.address)).returncode == 0


def test_switches(server: ThreadServer, home: Path) -> None:
    """A variable turns off what the file turns on, and a flag what a variable turns on."""
    write(home, f'server = "{server.address}"\nreceipts = false\n')
    for name in ("alice", "cid", "dan"):
        server.joined(name).hang_up()
    assert run(home, "send", "alice", "cid", "dan", "hi", "--user", "bob").returncode == 0
    run(home, "read", "bob", "--user", "alice")
    run(home, "read", "bob", "--user", "cid", CHATCLI_RECEIPTS="yes")
    run(home, "read", "bob", "--user", "dan", "--no-receipts", CHATCLI_RECEIPTS="yes")
    lines = b"/receipts alice\n/receipts cid\n/receipts dan\n"
    done = chatcli("join", "--user", "bob", stdin=lines, XDG_CONFIG_HOME=str(home))
    assert sorted(done.stdout.splitlines()) == [
        "alice has not seen what you said",
        "cid has seen everything you said",
        "dan has not seen what you said",
    ]


@pytest.mark.parametrize("command", ["serve", "admin"])
def test_name_without_a_use(command: str) -> None:
    """A command that connects to no server refuses a name of one."""
    done = chatcli("--at", "work", command, "--help")
    assert done.returncode in {0, 2}
    done = chatcli("--at", "work", command)
    assert done.returncode == 2
    assert "drop --at" in done.stderr


def test_appearance(server: ThreadServer, home: Path) -> None:
    """Colours follow the file."""
    for word, colored in (("always", True), ("never", False)):
        write(home, f'color = "{word}"\n')
        where = ["--server", str(server.address), "--user", word]
        with Terminal("join", *where, XDG_CONFIG_HOME=str(home)) as terminal, server.joined("bob") as bob:
            terminal.shows(f"You are {word}")
            bob.sends(word, "hi")
            terminal.shows("bob → you  hi")
            assert (b"\x1b[0;38;" in terminal.raw) is colored
            terminal.types("exit\r")
            assert terminal.end() == 0
