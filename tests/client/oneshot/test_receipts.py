"""Receipts of messages, and the wait for them."""

from __future__ import annotations

import concurrent.futures
import socket
from typing import NamedTuple

import pytest

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot import receipts
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.receipts import ReceiptWaiter
from chatcli.client.transport import blocking
from chatcli.protocol.frames import Send, Sent
from chatcli.protocol.values.address import Address
from tests.client.oneshot.impostor import Impostor, Line
from tests.support import DEADLINE, ThreadServer


class Receipted(NamedTuple):
    """The state of a sent message: its place, whether it was seen, and why that is unknown."""

    seq: int
    seen: bool
    why: str


def wait_for_receipt(address: Address, to: str = "b", timeout: float = 30, trust: Trust = CAUTIOUS) -> Receipted:
    """Send a message, and wait for its receipt."""
    message = Send(new_id(), to, "hi")
    waiter = ReceiptWaiter([message], timeout, seen=True)
    Client(Login(server=Server.at(address), user="a", trust=trust)).send_and_wait(waiter)
    sent = waiter.batch.answers[message.id]
    assert isinstance(sent, Sent)
    return Receipted(sent.seq, message.id in waiter.seen, waiter.unknown.get(message.id, ""))


def test_receipt_before_the_answer() -> None:
    """A receipt that overtakes the answer counts, because it may be newer."""

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        line.tells("b", 7)
        line.says("receipts", to="b", people=[{"user": "b", "seq": 6}], n=1)

    with Impostor(answer) as address:
        assert wait_for_receipt(address).seen


@pytest.mark.parametrize("to", ["b", "#r"])
def test_receipts_of_others(to: str) -> None:
    """A receipt of an earlier message, another user, another room or oneself does not count."""

    def answer(connection: socket.socket) -> None:
        line = Line(connection, silence=1)
        line.takes()
        line.hears("receipts")
        room = to if to != "b" else ""
        line.says("receipts", to=to, people=[{"user": "b", "seq": 6}], n=1)
        line.tells("b", 6, room)
        line.tells("a", 9, room)
        line.tells("b", 9, "#other")
        line.tells("c" if not room else "b", 9, "")
        line.hears("ping")  # so it went on waiting
        line.says("pong")
        line.tells("b", 7, room)

    with Impostor(answer) as address:
        assert wait_for_receipt(address, to).seen


def test_room_that_too_many_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked now and then."""
    monkeypatch.setattr(receipts, "_POLL", 0.01)

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        line.says("error", code="too_many", text="Too many watch it.", n=1)
        for seq in (0, 6, 7):
            assert not line.hears("receipts").get("watch")
            line.says("receipts", to="#r", people=[{"user": "b", "seq": seq}], n=1)

    with Impostor(answer) as address:
        assert wait_for_receipt(address, "#r").seen


def test_error_after_storing() -> None:
    """It is reported and not raised, so that no caller sends the message again."""

    def refuse(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        line.says("bye", code="kicked", text="Off you go.")

    with Impostor(refuse) as address:
        receipted = wait_for_receipt(address)
    assert receipted == (7, False, "Off you go.")


def test_reconnect_while_waiting() -> None:
    """The message is not sent again."""

    def hang_up(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")

    def stop(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("receipts")
        line.says("bye", code="stopping", text="The server is stopping.")

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("receipts")
        line.says("receipts", to="b", people=[{"user": "b", "seq": 7}], n=1)

    with Impostor(hang_up, stop, answer) as address:
        assert wait_for_receipt(address).seen


def test_lost_server_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """After storing, a server may be lost more often than a request may fail."""
    monkeypatch.setattr(blocking, "_BETWEEN_LOOKS", 0.01)

    def hang_up(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("receipts")

    def store(connection: socket.socket) -> None:
        Line(connection).takes()

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.hears("receipts")
        line.says("receipts", to="b", people=[{"user": "b", "seq": 7}], n=1)

    with Impostor(store, *[hang_up] * 8, answer) as address:
        assert wait_for_receipt(address).seen


def test_time_limit() -> None:
    """The wait ends in time although the server is gone."""

    def hang_up(connection: socket.socket) -> None:
        Line(connection).takes()

    impostor = Impostor(hang_up)
    with impostor as address:
        receipted = wait_for_receipt(address, timeout=0.5)
    assert not receipted.seen


def test_wait_within_tls(server: ThreadServer) -> None:
    """TLS records without data do not end the wait."""
    trust = Trust(server.run(lambda: server.hub.server_key))
    with server.joined("bob") as bob, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(wait_for_receipt, server.address, "bob", DEADLINE, trust)
        bob.texts(1)
        assert sending.result(DEADLINE).seen
