"""Standard streams in any mode are read and written completely, and failures are reported."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import pytest

from tests.support import DEADLINE, ThreadServer, chatcli, environment

LONG: Final = "x" * 20_000
KIB: Final = 1024

#: Commands that print, with {at} for the server and {data} for its directory.
PRINTING: Final = {
    "help": "--help",
    "version": "--version",
    "help of a command": "send --help",
    "history": "history bob {at}",
    "history in json": "history bob --json {at}",
    "search": "search hello {at}",
    "who": "who #ops {at}",
    "rooms": "rooms {at}",
    "status": "status {at}",
    "listen": "listen --since 0 --count 2 --server {server} --user bob",
    "listen in json": "listen --json --since 0 --count 2 --server {server} --user bob",
    "key show": "key show",
    "key export": "key export",
    "key link": "key link {at}",
    "key list": "key list {at}",
    "completion": "completion bash",
    "admin status": "admin status --data {data}",
    "admin users": "admin users --data {data}",
    "admin invite": "admin invite --data {data}",
    "admin export": "admin export --data {data}",
    "admin check": "admin check --data {data}",
}

#: Those also tried without Python's buffers: a text, lines, bytes, and listen's own writes.
WITHOUT_BUFFERS: Final = ("help", "history", "admin export", "listen")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadServer]:
    """A server with messages."""
    with ThreadServer(tmp_path_factory.mktemp("streams")) as server:
        with server.joined("bob") as bob, server.joined("alice") as alice:
            bob.enters("#ops")
            for text in ("hello", LONG):
                alice.sends("bob", text)
                bob.texts(1)
        yield server


def words(line: str, server: ThreadServer) -> list[str]:
    """Return the arguments of a command."""
    return line.format(at=f"--server {server.address} --user alice", server=server.address, data=server.data).split()


def run(
    *arguments: str,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    most: int = -1,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end with the test's standard streams."""
    return subprocess.run(
        [sys.executable, "-m", "chatcli", *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONDONTWRITEBYTECODE="1", **env),  # it would truncate those, too
        timeout=DEADLINE * 2,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )


@contextlib.contextmanager
def trickling(data: bytes) -> Iterator[int]:
    """Yield a non-blocking descriptor from which the data comes little by little."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            for start in range(0, len(data), max(1, len(data) // 5)):
                time.sleep(0.05)  # so that the pipe is empty for a moment
                os.write(writer, data[start : start + max(1, len(data) // 5)])
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield reader
    finally:
        os.close(reader)
        thread.join(DEADLINE)


@contextlib.contextmanager
def slow_reader() -> Iterator[tuple[int, list[bytes]]]:
    """Yield a small non-blocking pipe, and the data read from it, from the time when it is full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4 * KIB)
    os.set_blocking(writer, False)
    os.write(writer, b"." * (4 * KIB))
    pieces: list[bytes] = []

    def read() -> None:
        time.sleep(0.3)  # the program meets a full pipe now or later, and must wait in both cases
        while piece := os.read(reader, 1000):
            pieces.append(piece)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield writer, pieces
    finally:
        thread.join(DEADLINE)
        os.close(reader)


@pytest.mark.parametrize(
    ("name", "unbuffered"), [*((name, "") for name in PRINTING), *((name, "1") for name in WITHOUT_BUFFERS)]
)
def test_full_disk(name: str, unbuffered: str, place: ThreadServer) -> None:
    """Status 1 and a sentence, with Python's buffers and without."""
    with Path("/dev/full").open("wb") as full:
        done = run(*words(PRINTING[name], place), stdout=full, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == "chatcli: Standard output cannot be written: No space left on device."


@pytest.mark.parametrize("name", ["history", "history in json", "listen", "admin export", "help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_limited_file(name: str, unbuffered: str, place: ThreadServer, tmp_path: Path) -> None:
    """A truncated output has status 1."""
    most = 16 * KIB if name == "listen" else KIB  # listen keeps its position in a file, too
    with (tmp_path / "out").open("wb") as out:
        done = run(*words(PRINTING[name], place), stdout=out, most=most, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == "chatcli: Standard output cannot be written: File too large."
    assert (tmp_path / "out").stat().st_size == most


@pytest.mark.parametrize("name", PRINTING)
def test_closed_pipe(name: str, place: ThreadServer) -> None:
    """There is no sentence, because its reader has closed it."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*words(PRINTING[name], place), stdout=writer)
    finally:
        os.close(writer)
    assert "cannot be written" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", WITHOUT_BUFFERS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_non_blocking_output(name: str, unbuffered: str, place: ThreadServer) -> None:
    """A full pipe is waited for, and nothing is lost."""
    line = words(PRINTING[name], place)
    wanted = run(*line).stdout.splitlines()
    with slow_reader() as (writer, pieces):
        done = run(*line, stdout=writer, PYTHONUNBUFFERED=unbuffered)
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    got = b"".join(pieces)[4 * KIB :].decode().splitlines()
    assert got[1:] == wanted[1:]
    assert got[0][:40] == wanted[0][:40]  # so that an export gets its time


@pytest.mark.parametrize("text", ["send bob -", "send --lines bob", "ask bob - --timeout 1"])
def test_non_blocking_input(text: str, place: ThreadServer) -> None:
    """All input is read to its end."""
    with place.joined("bob") as bob, trickling(LONG.encode() + b"\n") as stdin:
        done = run(*text.split(), "--user", "alice", "--server", str(place.address), stdin=stdin)
        assert done.returncode == (6 if text.startswith("ask") else 0), done.stderr
        assert bob.texts(1) == [LONG]


def test_join_and_non_blocking_input(place: ThreadServer) -> None:
    """All lines are read to the end."""
    with place.joined("bob") as bob, trickling(b"bob: one\ntwo\nthree\nfour\nfive") as stdin:
        done = run("join", "--user", "alice", "--server", str(place.address), stdin=stdin)
        assert done.returncode == 0, done.stderr
        assert bob.texts(5) == ["one", "two", "three", "four", "five"]


def test_export_through_non_blocking_pipes(place: ThreadServer, tmp_path: Path) -> None:
    """The export is written to one and imported from one."""
    exported = run("admin", "export", "--data", str(place.data)).stdout
    with trickling(exported.encode()) as stdin:
        done = run("admin", "import", "-", "--json", "--data", str(tmp_path / "new"), stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == exported.count('"t":"message"')


def test_key_from_a_non_blocking_pipe(tmp_path: Path) -> None:
    """An exported key is imported."""
    exported = run("key", "export").stdout
    with trickling(exported.encode()) as stdin:
        done = run("key", "import", stdin=stdin, XDG_CONFIG_HOME=str(tmp_path / "other"))
    assert done.returncode == 0, done.stderr


def test_exec_and_a_non_blocking_pipe(place: ThreadServer) -> None:
    """The command gets a blocking pipe, and listen's own stays as it is."""
    with slow_reader() as (writer, pieces):
        done = run(
            *("listen", "--since", "0", "--count", "2", "--exec", "head -c 20000 /dev/zero"),
            *("--user", "bob", "--server", str(place.address)),
            stdout=writer,
        )
        assert not os.get_blocking(writer)
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(b"".join(pieces)) == 4 * KIB + 40_000


def test_overlong_line_in_join(place: ThreadServer) -> None:
    """It is refused, and the next line is read."""
    with place.joined("bob") as bob:
        data = b"bob: " + b"y" * 5_000_000 + b"\nbob: next\n"
        done = chatcli("join", "--user", "alice", "--server", str(place.address), stdin=data)
        assert done.returncode == 4, done.stderr
        assert "Not sent: a message may have 32768 bytes" in done.stderr
        assert bob.texts(1) == ["next"]


def test_full_standard_error(place: ThreadServer) -> None:
    """The status is the same."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chatcli", "send", "nobody", "hi", "--server", str(place.address)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=full,
            env=environment(),
            timeout=DEADLINE,
            check=False,
        )
    assert done.returncode == 3
