"""Temporary failures of a server: each command ends with status 5, and messages are stored or sent again."""

from __future__ import annotations

import asyncio
import functools
import json
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

import chatcli as library
from chatcli.server.limits import Limits
from chatcli.store.sqlite import connection
from tests.disks import OpenDisk, limited_files, small_disk
from tests.here import run_here
from tests.support import Caller, Program, ThreadServer, serving

#: Commands that write, including a login with a new name.
WRITING: Final = {
    "send": ["send", "bob", "hi", "--user", "alice"],
    "send to two": ["send", "bob", "alice", "hi", "--user", "alice"],
    "ask": ["ask", "bob", "now?", "--user", "alice"],
    "listen": ["listen", "--user", "newcomer"],
    "join": ["join", "--user", "newcomer"],
    "admin ban": ["admin", "ban", "bob"],
}


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Keep the server from writing its log."""
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def fill(disk_full: Callable[[], object], caller: Caller) -> None:
    """Fill the disk, and write until the server has noticed."""
    disk_full()
    for number in range(1000):
        identity = caller.sends("alice", f"{number} " + "x" * 3000)
        while (frame := caller.next()) and frame.get("id") != identity:
            pass
        if frame and frame["t"] == "error":
            return
    raise AssertionError("there is no end to the room")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadServer]:
    """A server that knows alice and bob, with a short wait for a locked log."""
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.1)
    with ThreadServer(tmp_path) as server:
        for name in ("alice", "bob"):
            server.joined(name).hang_up()
        yield server


@pytest.mark.parametrize("words", WRITING)
def test_unwritable_log(words: str, place: ThreadServer) -> None:
    """Each command that writes ends with one sentence and status 5."""
    where = ["--data", str(place.data)] if words.startswith("admin") else ["--server", str(place.address)]
    with locked(place.data):
        done = run_here(*WRITING[words], *where)
    assert done.returncode == 5, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert [line[:9] for line in done.stderr.splitlines()[:1]] == ["chatcli: "], done.stderr


def test_json_has_the_code(place: ThreadServer) -> None:
    """The code is the server's."""
    with locked(place.data):
        done = run_here("send", "bob", "hi", "--user", "alice", "--json", "--server", str(place.address))
    told = json.loads(done.stdout)
    assert (told["outcome"], told["error"]["code"], told["status"]) == ("failed", "storage", 5)


@pytest.mark.parametrize("words", [["who"], ["send", "bob", "hi"], ["join"], ["listen"]])
def test_too_many_connections(words: list[str], tmp_path: Path) -> None:
    """The status is 5, because the server is full for now."""
    with ThreadServer(tmp_path, Limits(connections=1)) as server, server.joined("bob"):
        done = run_here(*words, "--user", "alice", "--server", str(server.address))
        assert (done.returncode, done.stdout) == (5, ""), done.stderr


@pytest.mark.parametrize("open_disk", [small_disk, limited_files])
def test_full_disk_and_the_outbox(open_disk: OpenDisk, tmp_path: Path) -> None:
    """Refused messages of any kind are stored and later sent once, also for a new name."""
    state = tmp_path / "state"
    state.mkdir(0o700)
    run = functools.partial(run_here, XDG_STATE_HOME=str(state))
    with open_disk(tmp_path) as disk, serving(disk.data) as (program, address):
        at = ("--server", str(address))
        with Caller(address) as bob:
            bob.greets("bob")
            bob.hears("welcome")
            run_here("send", "bob", "before", "--user", "alice", *at)
            fill(lambda: disk.fill(program.process.pid), bob)
            assert run("send", "bob", "no", "--user", "alice", *at).returncode == 5
            one = run("send", "bob", "one", "--spool", "--user", "alice", *at)
            assert (one.returncode, one.stdout) == (0, "spooled\n"), one.stderr
            two = run("send", "bob", "alice", "two", "--spool", "--user", "alice", *at)
            assert (two.returncode, two.stdout) == (0, "bob\tspooled\nalice\tspooled\n"), two.stderr
            new = run("send", "bob", "new", "--spool", "--user", "carol", *at)
            assert (new.returncode, new.stdout) == (0, "spooled\n"), new.stderr
            lines = run("send", "--lines", "bob", "--spool", "--timeout", "1s", "--user", "alice", *at, stdin=b"3\n4\n")
            assert lines.returncode == 0, lines.stderr
            assert "2 messages were kept" in lines.stderr
            assert len(run("outbox").stdout.splitlines()) == 6
            disk.make_room(program.process.pid)
            assert run("send", "bob", "last", "--user", "alice", *at).returncode == 0
            assert run("rooms", "--user", "carol", *at).returncode in {0, 3}
            assert run("outbox").stdout == ""
            texts = []
            while "new" not in texts:
                texts.append(bob.hears("message")["text"])
            assert [text for text in texts if len(text) < 10] == ["one", "two", "3", "4", "last", "new"]


def test_full_disk_and_join(place: ThreadServer) -> None:
    """Refused lines are sent again in order, and the status is that of success."""
    with place.joined("bob") as bob, Program("join", "--user", "alice", "--server", str(place.address)) as joining:
        with locked(place.data):
            joining.types("bob: one\n")
            joining.complains("Not sent yet: ")
            joining.types("two\nthree\n")
        assert joining.process.stdin is not None
        joining.process.stdin.close()
        assert joining.end() == 0, joining.err
        assert bob.texts(3) == ["one", "two", "three"]
        assert sum("Not sent yet" in line for line in joining.err) == 1


def test_temporary_errors_of_the_library(place: ThreadServer) -> None:
    """One class has them all, with a code; that of lost connections is a subclass."""
    where = str(place.address)

    async def program() -> str:
        async with library.connect("alice", where) as chat:
            with locked(place.data), pytest.raises(library.ServerUnavailable) as refused:
                await chat.send("bob", "hi")
        return refused.value.code

    assert asyncio.run(program()) == "storage"
    with locked(place.data), pytest.raises(library.ServerUnavailable):
        library.send("bob", "hi", "alice", where)
    with pytest.raises(library.ServerUnavailable):
        library.send("bob", "hi", "alice", "127.0.0.1:1")


def test_ask_while_the_log_is_unreadable(place: ThreadServer) -> None:
    """The question is asked once, and its answer arrives."""
    with (
        place.joined("bob") as bob,
        Program("ask", "bob", "now?", "--user", "alice", "--server", str(place.address)) as asking,
    ):
        question = bob.hears("message")
        with locked(place.data):
            bob.sends("alice", "", re=question["seq"], answer=0)
            bob.hears("error", code="storage")
        bob.sends("alice", "", re=question["seq"], answer=0)
        asking.prints("yes")
        assert asking.end() == 0


def test_lines_are_tried_again(place: ThreadServer) -> None:
    """If it lasts until input and time are over, the status is 5."""
    with locked(place.data):
        done = run_here(
            "send", "--lines", "bob", "--timeout", "1s", "--user", "alice", "--server", str(place.address), stdin=b"x\n"
        )
    assert done.returncode == 5, done.stderr


def test_stopping_server(tmp_path: Path) -> None:
    """While nothing answers, the status is 5 as well."""
    with serving(tmp_path / "data") as (program, address):
        assert program.end(signal.SIGTERM) == 0
    assert run_here("who", "--server", str(address)).returncode == 5
