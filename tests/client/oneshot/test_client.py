"""The one-shot sender: one message, and the truth about it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.oneshot.receipts import ReceiptWaiter
from chatcli.client.outbox import batch
from chatcli.client.transport import blocking
from chatcli.errors import ProtocolError, Refused, ServerNotTrusted, ServerUnreachable, UnknownAsker, UnknownRecipient
from chatcli.protocol.address import Address
from chatcli.protocol.frames import History, Send, Sent
from chatcli.protocol.keys import PLAIN
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import DEADLINE, ThreadServer


def client(server: Address, user: str = "", trust: Trust = CAUTIOUS) -> Client:
    """Return a client."""
    return Client(Login(server=server, user=user, trust=trust))


def test_the_answer_tells_delivered_from_stored(server: ThreadServer) -> None:
    """Someone here has it, someone away will get it."""
    with server.joined("bob") as bob:
        assert client(server.address, "alice").send("bob", "hi").outcome == "delivered"
        bob.hears("message", text="hi")
        bob.says("bye")
        bob.hears("bye")
    assert client(server.address, "alice").send("bob", "hi again").outcome == "stored"


def test_refusals_are_exceptions(server: ThreadServer) -> None:
    """Unknown recipients and bad names are told apart."""
    with pytest.raises(UnknownRecipient):
        client(server.address, "alice").send("nobody", "hi")
    with pytest.raises(Refused, match="colon"):
        client(server.address, "a:b").send("alice", "hi")
    with pytest.raises(Refused, match="bytes"):
        client(server.address, "alice").send("alice", "x" * 40_000)


def test_who_is_here(server: ThreadServer) -> None:
    """Asking does not need a name, and does not make one known."""
    with server.joined("bob"):
        assert [person.user for person in client(server.address).who()] == ["bob"]


class Impostor:
    """A port where something answers that is not, or not quite, a chatcli server."""

    def __init__(self, *answers: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._answers = answers
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for answer in self._answers:
            with self._listener.accept()[0] as connection:
                answer(connection)

    def __enter__(self) -> Address:
        self._thread.start()
        return self.address

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


def test_a_broken_connection_is_tried_again_with_the_same_id() -> None:
    """Where the answer is lost, the retry carries the same id, so that the message arrives once."""
    ids: list[str] = []

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        limits = {"text": 1, "frame": 1, "silence": 60}
        welcome = {"t": "welcome", "user": "a", "head": 0, "cursor": 0, "server": "x", "limits": limits}
        connection.sendall(json.dumps(welcome).encode() + b"\n")
        ids.append(json.loads(connection.recv(65536).splitlines()[0])["id"])

    def answer(connection: socket.socket) -> None:
        hang_up(connection)
        sent = {"t": "sent", "id": ids[-1], "seq": 1, "at": 1, "outcome": "stored"}
        connection.sendall(json.dumps(sent).encode() + b"\n")

    with Impostor(hang_up, answer) as address:
        assert client(address, "a").send("b", "hi").outcome == "stored"
    assert len(ids) == 2
    assert ids[0] == ids[1]


def test_a_server_that_keeps_hanging_up_leaves_no_false_success() -> None:
    """After the last try the sentence says that nothing is known, if the server may have the message."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        challenge = {"t": "challenge", "nonce": "A" * 43, "server": "x", "key": "SHA256:" + "A" * 43}
        connection.sendall(json.dumps(challenge).encode() + b"\n")
        connection.recv(65536)

    with Impostor(*[hang_up] * 4) as address, pytest.raises(ServerUnreachable, match="not known"):
        client(address, "a").send("b", "hi")


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b'{"t":"pong"}\n', b"\xff\xfe\n"])
def test_something_else_at_that_port_is_recognised(greeting: bytes) -> None:
    """What is no chatcli server is called so."""
    with Impostor(lambda connection: connection.sendall(greeting)) as address, pytest.raises(ProtocolError):
        client(address).who()


@pytest.mark.parametrize("drop", [b'{"t":"pong"}\n', b" ", b"\n"])
def test_a_server_that_drips_does_not_keep_anyone_waiting(monkeypatch: pytest.MonkeyPatch, drop: bytes) -> None:
    """Whatever trickles in, the time for all of it is bounded."""
    monkeypatch.setattr(blocking, "TIMEOUT", 0.5)
    monkeypatch.setattr(batch, "PATIENCE", 0.5)

    def drip(connection: socket.socket) -> None:
        limits = {"text": 1, "frame": 1, "silence": 60}
        welcome = {"t": "welcome", "user": "a", "head": 0, "cursor": 0, "server": "x", "limits": limits}
        connection.sendall(json.dumps(welcome).encode() + b"\n")
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(drop)
                connection.settimeout(0.003)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(65536):
                        return

    with Impostor(drip) as address, pytest.raises(ServerUnreachable):
        client(address, "a").send("b", "hi")


def test_this_machine_is_spoken_to_in_plain(server: ThreadServer) -> None:
    """A loopback connection has no channel to be bound to."""
    opened = blocking.connect(Login(server=server.address), time.monotonic() + 10)
    opened.socket.close()
    assert opened.channel == PLAIN


def test_a_person_is_asked_while_no_connection_waits(configuration: Path) -> None:
    """An answer may take its time: the connection was closed before, and another one is made after a yes."""
    with TlsServer() as box:

        def answer(question: str) -> bool:
            assert str(box.address) in question
            assert box.key in question
            asked.append(box.heard.copy())
            box.hang_up()
            return True

        asked: list[list[str]] = []
        for _ in range(2):
            assert client(box.address, "alice", Trust(ask=answer)).send("bob", "hi").outcome == "stored"
    assert asked == [[]]
    assert box.heard.count("send") == 2


def test_a_no_is_the_end_of_it(configuration: Path) -> None:
    """Nothing was said to the server."""
    with TlsServer() as box, pytest.raises(ServerNotTrusted, match="Nothing was said"):
        client(box.address, "alice", Trust(ask=lambda *_: False)).send("bob", "hi")
    assert box.heard == []


class Replaced(TlsServer):
    """Hangs up on the first message; from then on someone else is there."""

    def _answer(self, frame: dict[str, Any]) -> bytes:
        answer = super()._answer(frame)
        if frame["t"] == "send":
            self.show(Ed25519PrivateKey.generate())
            raise ConnectionResetError
        return answer


def test_a_retry_is_no_first_contact(configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the place of a server that an authority vouched for does not get the message again."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = Ed25519PrivateKey.generate()
    with Replaced(key, make_certificate(key, HOST, authority)) as box:
        with pytest.raises(ServerNotTrusted):
            client(box.address, "alice", Trust(accept_new=True)).send("bob", "hi")
        assert box.heard.count("send") == 1


class Line:
    """What an impostor says and hears on one connection, after it has welcomed somebody."""

    def __init__(self, connection: socket.socket, silence: int = 60) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self.hears("hello")
        limits = {"text": 1000, "frame": 4000, "silence": silence}
        self.says("welcome", user="a", head=0, cursor=0, server="x", limits=limits)

    def hears(self, tag: str) -> dict[str, Any]:
        """Return the next frame, which must be this one."""
        frame = self.next()
        assert frame["t"] == tag
        return frame

    def next(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(self._lines.readline())
        return frame

    def rest(self) -> list[str]:
        """Return the tags of what comes until the other end hangs up."""
        return [json.loads(line)["t"] for line in self._lines]

    def says(self, tag: str, **fields: object) -> None:
        """Say one frame."""
        self._connection.sendall(json.dumps({"t": tag, **fields}).encode() + b"\n")

    def takes(self) -> None:
        """Take a message."""
        self.says("sent", id=self.hears("send")["id"], seq=7, at=1, outcome="stored")

    def tells(self, user: str, seq: int, to: str = "") -> None:
        """Say how far somebody has read."""
        self.says("receipt", user=user, seq=seq, to=to)


class Receipted(NamedTuple):
    """What is known of a message that was sent: its place, whether it was seen, and why that is not known."""

    seq: int
    seen: bool
    why: str


def wait_for_receipt(address: Address, to: str = "b", timeout: float = 30, trust: Trust = CAUTIOUS) -> Receipted:
    """Send a message and wait."""
    message = Send(new_id(), to, "hi")
    waiter = ReceiptWaiter([message], timeout)
    client(address, "a", trust).send_and_wait(waiter)
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


def test_the_time_of_a_wait_ends_it_whatever_the_server_does() -> None:
    """A server that is gone does not prolong the wait."""

    def hang_up(connection: socket.socket) -> None:
        Line(connection).takes()

    impostor = Impostor(hang_up)
    with impostor as address:
        receipted = wait_for_receipt(address, timeout=0.5)
    assert not receipted.seen


def test_a_page_that_was_read_is_not_read_again() -> None:
    """Where a connection breaks between two pages, the next one goes on behind the first."""

    def message(seq: int) -> dict[str, object]:
        return {"seq": seq, "id": new_id(), "from": "b", "to": "a", "text": str(seq), "at": 1}

    def first(connection: socket.socket) -> None:
        line = Line(connection)
        assert line.hears("history")["limit"] == 500
        line.says("history", of="b", messages=[message(8), message(9)], more=True, n=1)
        line.hears("history")

    def second(connection: socket.socket) -> None:
        line = Line(connection)
        assert line.hears("history")["before"] == 8
        line.says("history", of="b", messages=[message(5)], more=True, n=1)
        assert line.hears("history")["before"] == 5
        line.says("history", of="b", messages=[], more=False, n=1)
        for tag in ("who", "rooms", "bye"):  # nothing is known yet that could be completed
            line.hears(tag)

    with Impostor(first, second) as address:
        pages = client(address, "a").read(History("b"), 1000)
    assert [message.seq for message in pages.messages] == [5, 8, 9]
    assert not pages.more


def test_who_asks_is_told_apart_from_who_is_asked_for(server: ThreadServer) -> None:
    """Both are unknown here, and it matters which: one may have to say who they are."""
    with pytest.raises(UnknownAsker, match='Nobody called "spy"'):
        client(server.address, "spy").read(History("bob"), 1)
    server.joined("alice").hang_up()
    with pytest.raises(UnknownRecipient) as unknown:
        client(server.address, "alice").read(History("bob"), 1)
    assert not isinstance(unknown.value, UnknownAsker)


def test_a_wait_in_tls_is_as_good(server: ThreadServer) -> None:
    """What a socket does within TLS when there is nothing to read does not end the wait."""
    trust = Trust(server.run(lambda: server.hub.server_key))
    with server.joined("bob") as bob, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sending = pool.submit(wait_for_receipt, server.address, "bob", DEADLINE, trust)
        bob.texts(1)
        assert sending.result(DEADLINE).seen
