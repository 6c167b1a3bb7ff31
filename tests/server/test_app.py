"""Starting and stopping: every obstacle is one sentence."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.errors import InputError, ServeError, StoreError
from chatcli.protocol.values.address import Address
from chatcli.server.app import Server, Settings
from tests.certificates import fingerprint_of, make
from tests.support import DEADLINE, ThreadServer, eventually, known


def start(address: Address, data: Path, files: tuple[Path, Path] | tuple[None, None] = (None, None)) -> str:
    """Start and stop a server, and return its key's fingerprint."""

    async def run() -> str:
        server = await Server.start(Settings(address=address, data=data, tls_cert=files[0], tls_key=files[1]))
        await server.stop()
        return server.hub.server_key

    return asyncio.run(run())


def test_port_in_use(tmp_path: Path) -> None:
    """The sentence names the port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=rf"Port {port} is in use .* --port"):
            start(Address("127.0.0.1", port), tmp_path)


@pytest.mark.parametrize(
    ("host", "sentence"), [("192.0.2.1", "not an address of this machine"), ("no.such.invalid", "There is no host")]
)
def test_address_of_another_machine(tmp_path: Path, host: str, sentence: str) -> None:
    """Only addresses of this machine can be listened on."""
    with pytest.raises(ServeError, match=sentence):
        start(Address(host, 0), tmp_path)


def test_second_server_on_the_same_data(tmp_path: Path) -> None:
    """The first server's lock refuses a second one, and no port stays bound."""
    with ThreadServer(tmp_path) as server:
        with pytest.raises(StoreError, match=r"Another chatcli server \(process \d+\).*--data"):
            start(Address("127.0.0.1", 0), tmp_path)
        with server.joined("alice") as alice:
            assert alice.asks_who() == ["alice"]


@pytest.mark.parametrize("host", ["::1", "::", "0.0.0.0", "localhost"])
def test_hosts(tmp_path: Path, host: str) -> None:
    """IPv6, IPv4, all of a machine's addresses and names all work, with one port for all of them."""
    with ThreadServer(tmp_path, host=host) as server:
        local = "::1" if host == "::1" else "127.0.0.1"
        with socket.create_connection((local, server.address.port), DEADLINE) as connection:
            connection.sendall(b'{"t":"hello","version":1,"purpose":"query"}\n')
            assert b"welcome" in connection.recv(4096)


def test_stop(tmp_path: Path) -> None:
    """Everyone gets ``bye``; messages from before are on disk and answered."""
    with ThreadServer(tmp_path) as server:
        alice, bob = server.joined("alice", "send"), server.joined("bob")
        for number in range(200):
            alice.sends("bob", f"{number}")
        alice.says("ping", n=1)
        answered = 0
        while (frame := alice.next()) and frame["t"] != "pong":
            answered += 1
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    rest: list[str] = []
    while frame := alice.next():
        rest.append(frame["t"])
    assert rest == ["sent"] * (200 - answered) + ["bye"]
    assert len(bob.texts_until_bye()) == 200
    alice.hang_up()
    bob.hang_up()


def test_stop_with_stalled_reader(tmp_path: Path) -> None:
    """A client that reads nothing does not delay the stop."""
    with ThreadServer(tmp_path) as server:
        stalled = server.connect(receive_buffer=4096)
        stalled.greets("stalled")
        stalled.hears("welcome")
        with server.joined("alice") as alice:
            for _ in range(200):
                alice.sends("stalled", "x" * 30_000)
                alice.hears("sent")
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    stalled.hang_up()


@pytest.mark.usefixtures("impatient")
def test_stop_with_locked_database(tmp_path: Path) -> None:
    """Another program that locks the database delays the stop by a limited time."""
    with ThreadServer(tmp_path) as server:
        alice, bob = server.joined("alice"), server.joined("bob")
        alice.sends("bob", "hi")
        bob.texts(1)
        alice.hears("sent")
        with closing(sqlite3.connect(tmp_path / "chatcli.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            alice.sends("bob", "not now")
            alice.hears("error", code="storage")
            begun = time.monotonic()
            server.stop()
            assert time.monotonic() - begun < 5
    alice.hang_up()
    bob.hang_up()


def test_stop_when_someone_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A departure while the server stops is written like all else, and nobody waits for it."""
    with ThreadServer(tmp_path) as server, server.joined("alice"):
        (session,) = known(server, "alice").sessions
        commit = server.hub.log.commit

        def commit_and_leave(*, positions: bool = False) -> None:
            commit(positions=positions)
            if positions:  # as only a stop asks for
                server.hub.forget(session)

        monkeypatch.setattr(server.hub.log, "commit", commit_and_leave)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2


def test_key_survives_a_restart(tmp_path: Path) -> None:
    """The fingerprint that clients know is the same after every start."""
    first = start(Address("127.0.0.1", 0), tmp_path)
    assert first == fingerprint_of(tmp_path / "server.crt")
    assert start(Address("127.0.0.1", 0), tmp_path) == first


def test_failed_start_frees_port_and_data(tmp_path: Path) -> None:
    """A start with the right files can follow."""
    files, other = make(tmp_path), make(tmp_path, "other")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    with pytest.raises(ServeError, match="is not the key of"):
        start(address, tmp_path / "data", (files[0], other[1]))
    assert start(address, tmp_path / "data", files) == fingerprint_of(files[0])
    assert not (tmp_path / "data" / "server.key").exists()


def test_certificate_without_its_key(tmp_path: Path) -> None:
    """It is refused: with half of it the server would show another identity."""
    certificate, key = make(tmp_path)
    for files in ((certificate, None), (None, key)):
        with pytest.raises(InputError, match="--tls-cert and --tls-key"):
            Settings(address=Address("127.0.0.1", 0), data=tmp_path, tls_cert=files[0], tls_key=files[1])


def test_certificate_on_an_unresponsive_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read outside the event loop, and once more if a reload comes meanwhile."""
    files = make(tmp_path)
    begun, released = threading.Event(), threading.Event()
    read = Path.read_bytes

    def read_in_the_end(path: Path) -> bytes:
        if path == files[0]:
            begun.set()
            released.wait(DEADLINE)
        return read(path)

    told: list[int] = []
    with ThreadServer(tmp_path / "data", files=files) as server, server.joined("alice") as alice:
        monkeypatch.setattr(Path, "read_bytes", read_in_the_end)
        try:
            for number in range(3):
                server.run(partial(server.app.certificates.reload, partial(told.append, number)))
            assert begun.wait(DEADLINE)
            assert alice.asks_who() == ["alice"]
            assert told == []
            old = server.run(lambda: server.hub.server_key)
            make(tmp_path)
        finally:
            released.set()
        eventually(lambda: told == [0, 1, 2])
        assert server.run(lambda: server.hub.server_key) == fingerprint_of(files[0]) != old


def test_expiry_is_logged_daily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has a warning each day while the server runs, not only at the start."""
    monkeypatch.setattr("chatcli.server.app._DAY", 0.01)
    with ThreadServer(tmp_path / "data", files=make(tmp_path, days=5.5)):
        eventually(lambda: caplog.text.count("expires in 5 days") > 1)
