"""The one-shot client: one request, and its outcome."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.outbox import batch
from chatcli.client.transport import blocking
from chatcli.errors import ProtocolError, Refused, ServerNotTrusted, ServerUnreachable, UnknownAsker, UnknownRecipient
from chatcli.protocol.frames import History
from chatcli.protocol.keys import PLAIN
from chatcli.protocol.values.address import Address
from tests.client.oneshot.impostor import Impostor
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import ThreadServer


def client(server: Address, user: str = "", trust: Trust = CAUTIOUS) -> Client:
    """Return a client."""
    return Client(Login(server=Server.at(server), user=user, trust=trust))


def test_delivered_and_stored(server: ThreadServer) -> None:
    """A message to a connected user is delivered, to an absent one stored."""
    with server.joined("bob") as bob:
        assert client(server.address, "alice").send("bob", "hi").outcome == "delivered"
        bob.hears("message", text="hi")
        bob.says("bye")
        bob.hears("bye")
    assert client(server.address, "alice").send("bob", "hi again").outcome == "stored"


def test_refusals_are_exceptions(server: ThreadServer) -> None:
    """Unknown recipients and bad names have classes of their own."""
    with pytest.raises(UnknownRecipient):
        client(server.address, "alice").send("nobody", "hi")
    with pytest.raises(Refused, match="colon"):
        client(server.address, "a:b").send("alice", "hi")
    with pytest.raises(Refused, match="bytes"):
        client(server.address, "alice").send("alice", "x" * 40_000)


def test_who(server: ThreadServer) -> None:
    """The request needs no name and creates no user."""
    with server.joined("bob"):
        assert [person.user for person in client(server.address).who()] == ["bob"]


def test_retry_has_the_same_id() -> None:
    """After a lost answer the retry has the same id, so that the message arrives once."""
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


def test_last_failure_is_uncertain() -> None:
    """The error after the last try says that the server may have the message."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        challenge = {"t": "challenge", "nonce": "A" * 43, "server": "x", "key": "SHA256:" + "A" * 43}
        connection.sendall(json.dumps(challenge).encode() + b"\n")
        connection.recv(65536)

    with Impostor(*[hang_up] * 4) as address, pytest.raises(ServerUnreachable, match="not known"):
        client(address, "a").send("b", "hi")


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b'{"t":"pong"}\n', b"\xff\xfe\n"])
def test_not_a_chatcli_server(greeting: bytes) -> None:
    """The error says so."""
    with Impostor(lambda connection: connection.sendall(greeting)) as address, pytest.raises(ProtocolError):
        client(address).who()


@pytest.mark.parametrize("drop", [b'{"t":"pong"}\n', b" ", b"\n"])
def test_dripping_server(monkeypatch: pytest.MonkeyPatch, drop: bytes) -> None:
    """The whole request has a time limit, however bytes trickle in."""
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


def test_loopback_has_no_channel(server: ThreadServer) -> None:
    """The proof on a plain loopback connection is bound to no channel."""
    opened = blocking.connect(Login(server=Server.at(server.address)), time.monotonic() + 10)
    opened.socket.close()
    assert opened.channel == PLAIN


def test_question_about_a_key(configuration: Path) -> None:
    """The connection is closed while the user is asked, and a new one is made after a yes."""
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


def test_no(configuration: Path) -> None:
    """After a no nothing was sent to the server."""
    with TlsServer() as box, pytest.raises(ServerNotTrusted, match="Nothing was sent"):
        client(box.address, "alice", Trust(ask=lambda *_: False)).send("bob", "hi")
    assert box.heard == []


class Replaced(TlsServer):
    """Hangs up on the first message, and then shows another key."""

    def _answer(self, frame: dict[str, Any]) -> bytes:
        answer = super()._answer(frame)
        if frame["t"] == "send":
            self.show(Ed25519PrivateKey.generate())
            raise ConnectionResetError
        return answer


def test_retry_is_no_first_contact(configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server does not get the retry, even if an authority vouches for it."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = Ed25519PrivateKey.generate()
    with Replaced(key, make_certificate(key, HOST, authority)) as box:
        with pytest.raises(ServerNotTrusted):
            client(box.address, "alice", Trust(accept_new=True)).send("bob", "hi")
        assert box.heard.count("send") == 1


def test_unknown_asker_and_unknown_target(server: ThreadServer) -> None:
    """Two exceptions distinguish an unknown asker from an unknown target."""
    with pytest.raises(UnknownAsker, match='Nobody called "spy"'):
        client(server.address, "spy").read(History("bob"), 1)
    server.joined("alice").hang_up()
    with pytest.raises(UnknownRecipient) as unknown:
        client(server.address, "alice").read(History("bob"), 1)
    assert not isinstance(unknown.value, UnknownAsker)
