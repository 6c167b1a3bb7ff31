"""Flushing the outbox: its time limit, and causes of delay."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.client import diagnostics
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.environment import new_id
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.receipts import ReceiptWaiter
from chatcli.client.outbox import batch
from chatcli.client.outbox.flush import flush_outbox, store_messages
from chatcli.client.outbox.format import Entry
from chatcli.client.outbox.store import file_prefixes, read_all
from chatcli.client.storage import files
from chatcli.errors import ServerUnavailable, ServerUnreachable
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address
from tests.client.oneshot.impostor import Impostor, Line
from tests.support import DEADLINE, OWN, ThreadServer


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory for this test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def troubles() -> Iterator[list[str]]:
    """The reported sentences."""
    told: list[str] = []
    diagnostics.listen(trouble=told.append, detail=None)
    yield told
    diagnostics.listen(trouble=lambda _: None, detail=None)


def login(address: Address) -> Login:
    """Return a login."""
    return Login(server=Server.at(address), user="a", identity=OWN)


def keep(address: Address, *recipients: str, user: str = "a") -> None:
    """Store a message for each recipient in the outbox."""
    for to in recipients:
        store_messages(address, user, [Send(new_id(), to, "kept")])


def kept() -> list[Entry]:
    """Return the messages in the outbox."""
    return read_all(files.outbox_directory())


def descriptors() -> int:
    """Return the number of open files."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_mute_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flush has the time of the command, not of an unstored message."""
    monkeypatch.setattr(batch, "PATIENCE", DEADLINE * 10)

    def mute(connection: socket.socket) -> None:
        Line(connection).hears("send")
        assert connection.recv(65536) == b""

    for read_only in (True, False):
        with Impostor(mute) as address:
            keep(address, "b")
            with pytest.raises(ServerUnreachable):
                flush_outbox(login(address), read_only=read_only, seconds=0.3)
    assert len(kept()) == 2


def test_query_during_another_flush(server: ThreadServer) -> None:
    """A query does not wait for another flush; otherwise stored messages go first."""
    with server.joined("bob") as bob:
        keep(server.address, "bob", user="al")
        lock = Path(files.outbox_directory(), f".{file_prefixes(server.address, 'al')[0]}lock")
        held = files.lock(str(lock), os.O_RDWR | os.O_CREAT)
        assert held is not None
        Client(Login(server=Server.at(server.address), user="al")).who()
        assert len(kept()) == 1
        os.close(held)
        Client(Login(server=Server.at(server.address), user="al")).who()
        assert bob.texts(1) == ["kept"]
        assert files.outbox_is_empty()


def test_receipt_wait_flushes_nothing() -> None:
    """All of the time is for the wait."""

    def hang_up(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        keep(address, "c")

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("receipts")
        line.says("receipts", to="b", people=[{"user": "b", "seq": 7}], n=1)

    with Impostor(hang_up, answer) as address:
        message = Send(new_id(), "b", "hi")
        waiter = ReceiptWaiter([message], DEADLINE)
        Client(Login(server=Server.at(address), user="a")).send_and_wait(waiter)
    assert waiter.seen == {message.id}
    assert len(kept()) == 1


def test_refusals_beside_a_full_disk(troubles: list[str]) -> None:
    """Later refusals are reported; messages after it are not sent."""

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        first, second = line.hears("send"), line.hears("send")
        line.says("error", code="storage", text="The disk is full.", id=first["id"])
        line.says("error", code="unknown_user", text="Nobody is called so.", id=second["id"])

    with Impostor(answer) as address:
        keep(address, "b", "nobody")
        with pytest.raises(ServerUnavailable, match="The disk is full"):
            Client(login(address)).send("b", "hi")
    assert troubles == ['nobody: Nobody is called so. The message was in the outbox; "chatcli outbox" shows it.']
    assert [entry.refusal is None for entry in kept()] == [True, False]


def test_unusable_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, troubles: list[str]) -> None:
    """It does not hold the lock, so that another user may send."""
    (tmp_path / "chatcli").mkdir(mode=0o700, exist_ok=True)
    key = tmp_path / "chatcli" / "key"
    key.write_text("no key\n")
    key.chmod(0o600)
    address = Address("127.0.0.1", 1)
    keep(address, "b")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    before = descriptors()
    flush_outbox(Login(server=Server.at(address), user="a"), read_only=True)
    assert descriptors() == before
    assert len(troubles) == 1


def test_full_disk(troubles: list[str]) -> None:
    """Results cannot be stored, and the lock is released all the same."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        first, second = line.hears("send"), line.hears("send")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
        line.says("error", code="unknown_user", text="Nobody is called so.", id=first["id"])
        line.says("sent", id=second["id"], seq=7, at=1, outcome="stored")

    before = descriptors()
    try:
        with Impostor(answer) as address:
            keep(address, "nobody", "b")
            flush_outbox(login(address), read_only=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [told.partition(":")[0] for told in troubles] == ["nobody", "The messages in the outbox were not sent"]
    assert descriptors() == before
    assert len(kept()) == 2
