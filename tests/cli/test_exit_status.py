"""The exit status and the sentence of each command's failures."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from typing import Final

import click
import pytest

from chatcli.cli.exit_status import DECLINED, EXIT_STATUSES
from chatcli.protocol.values.address import Address
from tests.here import run_here
from tests.reference import command_lines, command_of
from tests.support import DEADLINE, Caller, Program, ThreadServer, chatcli, key_of

NOWHERE: Final = "127.0.0.1:1"
SOMEONE_ELSE: Final = "SHA256:" + "A" * 43

#: The arguments of each command that connects to a server.
ARGUMENTS: Final = {
    "join": ["--user", "alice"],
    "send": ["alice", "hi"],
    "ask": ["alice", "now?"],
    "status": [],
    "listen": ["alice"],
    "who": [],
    "conversations": [],
    "read": ["alice"],
    "rooms": [],
    "history": ["alice"],
    "search": ["words"],
    "bench": ["--yes", "--scenario", "connect", "--duration", "0.1s"],
    "key link": [],
    "key list": [],
    "key revoke": [SOMEONE_ELSE],
    "key token": [],
    "key tokens": [],
}

#: The failures of each command, and their statuses; `places` has the values in braces.
FAILURES: Final[dict[str, list[tuple[str, int]]]] = {
    "serve": [
        ("--data {free} --port {taken}", 1),
        ("--data {free} --tls-cert {nothing}", 2),
        ("--data {data}", 1),
    ],
    "join": [("--takeover --attach", 2), ("--user bo:b --server {server}", 4), ("--user eve --server {server}", 4)],
    "send": [
        ("bob", 2),
        ("nobody hi --server {server}", 3),
        ("#nowhere hi --server {server}", 3),
        ("bob hi --user eve --server {server}", 4),
        ("bob {long} --server {server}", 4),
        ("bob hi --reply-to 99 --server {server}", 2),
        ("alice hi --timeout 1s --user bob --server {server}", 6),
    ],
    "ask": [
        ("alice", 2),
        ("alice now? --choice yes", 2),
        ("alice now? --timeout 31d", 2),
        ("nobody now? --server {server}", 3),
        ("#nowhere now? --server {server}", 3),
        ("alice now? --user eve --server {server}", 4),
        ("alice now? --quiet --timeout 1s --server {server}", 6),
    ],
    "listen": [
        ("--exec true --json", 2),
        ("--since soon", 2),
        ("#nowhere --server {server}", 3),
        ("--user eve --server {server}", 4),
        ("--count 1 --since now --timeout 1s --server {server}", 6),
    ],
    "who": [
        ("#nowhere --user bob --server {server}", 3),
        ("nobody --user bob --server {server}", 3),
        ("#ops --user eve --server {server}", 4),
    ],
    "conversations": [("--limit 0", 2), ("--user nobody --server {server}", 3), ("--user eve --server {server}", 4)],
    "read": [
        ("", 2),
        ("bob --all", 2),
        ("nobody --server {server}", 3),
        ("#nowhere --server {server}", 3),
        ("bob --user eve --server {server}", 4),
    ],
    "rooms": [("--user nobody --server {server}", 3), ("--user eve --server {server}", 4)],
    "history": [
        ("nobody --user bob --server {server}", 3),
        ("#nowhere --user bob --server {server}", 3),
        ("bob --user eve --server {server}", 4),
        ("bob --since tomorrow", 2),
        ("", 2),
    ],
    "search": [
        ("words --in #nowhere --user bob --server {server}", 3),
        ("words --user eve --server {server}", 4),
        ("", 2),
    ],
    "status": [
        ("--unread --json", 2),
        ("--user nobody --server {server}", 3),
        ("--user eve --server {server}", 4),
        ("--user eve --unread --server {server}", 4),
    ],
    "outbox": [("--json drop --all", 2)],
    "outbox drop": [("", 2), ("x", 2)],
    "outbox retry": [("", 2), ("x", 2)],
    "outbox send": [("--server here:port", 2)],
    "bench": [
        ("--duration 0", 2),
        ("--scenario room --clients 1", 2),
        ("--compare {there}", 2),
        ("--compare {there} --json", 2),
        ("--tls --yes --server {server}", 2),
        ("--server {server}", 2),
    ],
    "completion": [("tcsh", 2)],
    "key show": [],
    "key export": [],
    "key import": [("{nothing}", 2)],
    "key link": [("--user eve --server {server}", 4)],
    "key list": [("--user eve --server {server}", 4)],
    "key revoke": [("SHA256:x", 2), (f"{SOMEONE_ELSE} --user eve --server {{server}}", 4)],
    "key token": [
        ("--user eve --server {server}", 4),
        ("--expires soon", 2),
        ("--scope operate", 2),
        ("--to nobody --server {server}", 3),
    ],
    "key tokens": [("--user eve --server {server}", 4)],
    "forget": [("nowhere.example --yes", 3), ("here:port --yes", 2), ("", 2)],
    "admin status": [],
    "admin users": [],
    "admin kick": [("nobody --data {data}", 3), ("alice --data {data}", 3), ("", 2)],
    "admin ban": [("a,b --data {data}", 4), ("nobody --data {data}", 3), ("bob --for 2x", 2)],
    "admin unban": [("a,b --data {data}", 4), ("nobody --data {data}", 3)],
    "admin mute": [("nobody --data {data}", 3)],
    "admin unmute": [("nobody --data {data}", 3)],
    "admin op": [("nobody --data {data}", 3)],
    "admin deop": [("nobody --data {data}", 3)],
    "admin release": [("nobody --data {data}", 3)],
    "admin link": [("nobody --data {data}", 3), ("a,b --data {data}", 4), ("bob --expires soon", 2), ("", 2)],
    "admin invite": [("--uses 0", 2)],
    "admin token": [
        ("bob --data {data}", 4),
        ("hook --to #nowhere --data {data}", 3),
        ("hook --expires soon", 2),
        ("", 2),
    ],
    "admin tokens": [("nobody --data {data}", 3), ("", 2)],
    "admin revoke": [("000000000000 --data {data}", 3), ("", 2)],
    "admin backup": [("{there} --data {data}", 2), ("{free}/x --data {data}", 1), ("{free} --data {free}", 1)],
    "admin restore": [
        ("{nothing} --data {free}", 2),
        ("{there} --data {free}", 2),
        ("{data}/chatcli.db --data {data}", 2),
        ("{data}/chatcli.db --data {free}", 2),
        ("{copy} --data {data}", 1),
        ("{copy} --data {free} --key {there}", 2),
    ],
    "admin export": [("#nowhere --data {data}", 3), ("--data {free}", 1), ("-o {there} --data {data}", 2)],
    "admin import": [("{nothing} --data {free}", 2), ("{there} --data {data}", 1)],
    "admin check": [("--data {free}", 1)],
}

#: Commands for the server on this machine.
TO_THE_SERVER_HERE: Final = [
    words for words in FAILURES if words.startswith("admin ") and words.split()[1] not in
    {"backup", "restore", "export", "import", "check"}
]  # fmt: skip
#: Commands that need standard streams or signals of a process.
WITH_A_PROCESS: Final = {"serve", "join"}


def leaves() -> list[str]:
    """Return all commands that are not groups."""
    lines = [" ".join(words) for words in command_lines() if words]
    return [
        line for line in lines if not isinstance(found := command_of(line), click.Group) or found.invoke_without_command
    ]


def option_names(words: str) -> set[str]:
    """Return the names of a command's options."""
    return {option for parameter in command_of(words).params for option in parameter.opts}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The values for braces: a server with users, and existing and missing files."""
    folder = tmp_path_factory.mktemp("statuses")
    (folder / "there").write_text("this is no archive\n")
    with ThreadServer(folder / "data") as server, socket.create_server(("127.0.0.1", 0)) as taken:
        server.joined("alice").hang_up()
        server.joined("eve", key=key_of("eve")).hang_up()  # a name of another key
        with server.joined("bob") as bob:
            bob.enters("#ops")
        assert run_here("admin", "backup", str(folder / "copy"), "--data", str(folder / "data")).returncode == 0
        yield {
            "copy": str(folder / "copy"),
            "server": str(server.address),
            "data": str(folder / "data"),
            "free": str(folder / "free"),
            "there": str(folder / "there"),
            "nothing": str(folder / "nothing"),
            "taken": str(taken.getsockname()[1]),
            "long": "x" * 40_000,
        }


def ends(words: str, arguments: list[str], status: int) -> None:
    """Check that a command fails with a status and a sentence."""
    run = chatcli if words in WITH_A_PROCESS else run_here
    done = run(*words.split(), *arguments, CHATCLI_USER="bob", COLUMNS="200")
    said = f"{words} {' '.join(arguments)[:200]}: {done.returncode} {done.stdout!r} {done.stderr!r}"
    assert done.returncode == status, said
    assert done.stdout == "" or status == 6 or (words, status) == ("status", 5), said
    first, *others = (line for line in done.stderr.splitlines() if not line.startswith("    "))  # a command to paste
    assert first.startswith("chatcli: "), said
    if others and status == 2:
        assert others == [f'Try "chatcli {words} --help".'], said
    elif others:  # a wrong key: both keys below each other, then the remedy
        assert [line.split()[0] for line in others] == ["pinned:", "shown:", "Someone"], said


def test_every_command_is_covered() -> None:
    """A new command needs an entry here, and another one if it connects to a server."""
    assert set(FAILURES) == set(leaves())
    # Without waiting messages `outbox send` connects to no server.
    assert set(ARGUMENTS) == {words for words in leaves() if "--pin" in option_names(words)} - {"outbox send"}


@pytest.mark.parametrize("words", leaves())
def test_failures_of_each_command(words: str, places: dict[str, str]) -> None:
    """Each has its status and sentence; an unknown option is status 2 everywhere."""
    for line, status in FAILURES[words]:
        ends(words, [part.format(**places) for part in line.split()], status)
    ends(words, ["--no-such-option"], 2)


@pytest.mark.parametrize("words", ARGUMENTS)
def test_failures_of_the_server(words: str, places: dict[str, str]) -> None:
    """No server is status 5, another key is 4, an invalid address is 2."""
    for options, status in (
        (["--server", NOWHERE], 5),
        (["--server", places["server"], "--pin", SOMEONE_ELSE], 4),
        (["--server", "here:port"], 2),
    ):
        ends(words, [*ARGUMENTS[words], *options], status)


@pytest.mark.parametrize("words", TO_THE_SERVER_HERE)
def test_no_server_on_this_machine(words: str, places: dict[str, str]) -> None:
    """The status is 5 for a directory without a running server."""
    names = ["bob"] if words.split()[1] not in {"status", "users", "invite"} else []
    ends(words, [*names, "--data", places["free"]], 5)


# Each status of a process.


def test_status_0(places: dict[str, str]) -> None:
    """The answer is on standard output, and there is no other output."""
    done = chatcli("send", "alice", "hi", "--user", "bob", "--server", places["server"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "stored\n", "")


ENDINGS: Final = {
    1: "admin check --data {free}",
    2: "send",
    3: "send nobody hi --user bob --server {server}",
    4: "send alice hi --user eve --server {server}",
    5: f"send alice hi --user bob --server {NOWHERE}",
    6: "send alice hi --user bob --timeout 1s --server {server}",
}
BY_SOMEONE_ELSE: Final = {0, DECLINED, 130}  # each has a test of its own


@pytest.mark.parametrize("status", [status for status in EXIT_STATUSES if status not in BY_SOMEONE_ELSE])
def test_status_of_the_process(status: int, places: dict[str, str]) -> None:
    """The shell sees the status of the table."""
    line = ENDINGS[status]
    done = chatcli(*(part.format(**places) for part in line.split()))
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert done.stderr.startswith("chatcli: ")


def test_status_7(places: dict[str, str]) -> None:
    """One sentence says who has declined, and standard output is empty."""
    host, _, port = places["server"].rpartition(":")
    with Caller(Address(host, int(port))) as alice:
        alice.greets("alice", purpose="listen")
        alice.hears("welcome")
        with Program("ask", "alice", "now?", "--user", "bob", "--quiet", "--server", places["server"]) as asking:
            while (question := alice.hears("message")).get("text") != "now?" or question["until"] < now():
                pass
            alice.sends("bob", "", re=question["seq"], answer=-1)
            assert asking.end() == DECLINED
        assert (asking.out, asking.err) == ([], ["chatcli: alice has declined."])


def now() -> int:
    """Return the time in the protocol's form."""
    return time.time_ns() // 10**6


def test_status_130() -> None:
    """Ctrl-C gives one sentence and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        with Program("send", "alice", "hi", "--user", "bob", "--server", where) as waiting:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1000)
                assert waiting.end(signal.SIGINT) == 130
        assert (waiting.out, waiting.err) == ([], ["", "chatcli: Interrupted."])  # on a terminal, ^C comes before it
