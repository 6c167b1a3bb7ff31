"""Receipts of messages: which count, and how long they are waited for."""

from __future__ import annotations

import concurrent.futures
import socket
from typing import NamedTuple

import pytest

from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.receipts import ReceiptWaiter
from chatcli.client.transport import blocking
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Send, Sent
from tests.client.oneshot.impostor import Impostor, Line
from tests.support import DEADLINE, ThreadServer


class Receipted(NamedTuple):
    """What is known of a message that was sent: its place, whether it was seen, and why that is not known."""

    seq: int
    seen: bool
    why: str


def wait_for_receipt(address: Address, to: str = "b", timeout: float = 30, trust: Trust = CAUTIOUS) -> Receipted:
    """Send a message and wait."""
    message = Send(new_id(), to, "hi")
    waiter = ReceiptWaiter([message], timeout)
    Client(Login(server=address, user="a", trust=trust)).send_and_wait(waiter)
    sent = waiter.batch.answers[message.id]
    assert isinstance(sent, Sent)
    return Receipted(sent.seq, message.id in waiter.seen, waiter.unknown.get(message.id, ""))


def test_a_receipt_that_overtakes_the_answer_counts() -> None:
    """What comes before the answer may be newer than what the answer says."""

    def answer(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        line.tells("b", 7)
        line.says("receipts", to="b", people=[{"user": "b", "seq": 6}], n=1)

    with Impostor(answer) as address:
        assert wait_for_receipt(address).seen


@pytest.mark.parametrize("to", ["b", "#r"])
def test_only_a_receipt_of_this_message_counts(to: str) -> None:
    """Not one of an earlier message, of somebody else, of another room or one's own."""

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
        line.hears("ping")  # so it has waited on
        line.says("pong")
        line.tells("b", 7, room)

    with Impostor(answer) as address:
        assert wait_for_receipt(address, to).seen


def test_once_it_is_on_disk_nothing_is_raised() -> None:
    """A refusal while waiting is told, not raised: whoever reads the status must not send the message again."""

    def refuse(connection: socket.socket) -> None:
        line = Line(connection)
        line.takes()
        line.hears("receipts")
        line.says("bye", code="kicked", text="Off you go.")

    with Impostor(refuse) as address:
        receipted = wait_for_receipt(address)
    assert receipted == (7, False, "Off you go.")


def test_a_connection_that_breaks_while_waiting_is_made_again() -> None:
    """The message is not said again: it is on disk."""

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


def test_a_lost_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the message is stored, a server may be lost more often than a request may fail."""
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


def test_the_time_of_a_wait_ends_it_whatever_the_server_does() -> None:
    """A server that is gone does not prolong the wait."""

    def hang_up(connection: socket.socket) -> None:
        Line(connection).takes()

    impostor = Impostor(hang_up)
    with impostor as address:
        receipted = wait_for_receipt(address, timeout=0.5)
    assert not receipted.seen


def test_a_wait_in_tls_is_as_good(server: ThreadServer) -> None:
    """What a socket does within TLS when there is nothing to read does not end the wait."""
    trust = Trust(server.run(lambda: server.hub.server_key))
    with server.joined("bob") as bob, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(wait_for_receipt, server.address, "bob", DEADLINE, trust)
        bob.texts(1)
        assert sending.result(DEADLINE).seen
