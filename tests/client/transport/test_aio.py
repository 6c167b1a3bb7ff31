"""Connecting and reconnecting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Event, Notice
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.environment import new_id
from chatcli.client.identity.trust import Trust
from chatcli.client.interactive.session import InteractiveSession
from chatcli.client.transport.aio import connect
from chatcli.errors import ProtocolError, Refused, ServerNotTrusted, ServerUnreachable, UnknownServer
from chatcli.protocol.keys import PLAIN
from chatcli.protocol.values.address import Address
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import OWN, ThreadServer


def greet(address: Address, user: str = "alice") -> str:
    """Connect, and return the name given."""

    async def run() -> str:
        login = Login(server=Server.at(address), user=user, identity=OWN)
        connection, welcome = await connect(login, login.hello("join"))
        assert connection.channel == PLAIN
        await connection.close()
        return welcome.user

    return asyncio.run(run())


def test_welcome(server: ThreadServer) -> None:
    """The welcome has the name in its owner's spelling."""
    assert greet(server.address, "Alice") == "Alice"


def test_refused_name(server: ThreadServer) -> None:
    """The exception has the code."""
    with pytest.raises(Refused) as refusal:
        greet(server.address, "a:b")
    assert refusal.value.code == "bad_name"


def test_no_server() -> None:
    """The error has the address and how to start a server."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=rf"127.0.0.1:{port}.*chatcli serve"):
        greet(Address("127.0.0.1", port))
    with pytest.raises(ServerUnreachable, match="no host called"):
        greet(Address("no.such.invalid", port))


def test_not_a_chatcli_server() -> None:
    """A server of another protocol is reported as such."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=lambda: other.accept()[0].sendall(b"SSH-2.0-OpenSSH_9.2\r\n"))
        answering.start()
        with pytest.raises(ProtocolError, match="not a chatcli server"):
            greet(Address("127.0.0.1", other.getsockname()[1]))
        answering.join()


class Watcher:
    """A view that waits for the notice of a reconnect."""

    def __init__(self) -> None:
        self.connected_again = asyncio.Event()

    def put_back(self, texts: Sequence[str]) -> None:
        """Ignore them."""

    def draw(self, events: Sequence[Event]) -> None:
        """Look for the notice."""
        if Notice("Connected again.") in events:
            self.connected_again.set()

    async def show(self, events: Sequence[Event]) -> None:
        """Look for the notice."""
        self.draw(events)


def test_reconnect_compares_keys(configuration: Path) -> None:
    """The same key is accepted in any certificate; another one ends the conversation."""

    def ask(*_: object) -> bool:
        pytest.fail("asked while connecting again")

    key = Ed25519PrivateKey.generate()
    with TlsServer(key) as box:

        async def run() -> None:
            chat, view = Chat("alice", new_id, lambda: 0), Watcher()
            greeted = await connect(
                Login(server=Server.at(box.address), trust=Trust(box.key), identity=OWN), chat.hello()
            )
            again = Login(server=Server.at(box.address), trust=Trust(accept_new=True, ask=ask), identity=OWN)
            session = InteractiveSession(again, chat, view, greeted, patience=5)
            conversation = asyncio.create_task(session.run())
            box.show(key)
            box.hang_up()
            await view.connected_again.wait()
            box.show(Ed25519PrivateKey.generate())
            box.hang_up()
            await conversation

        with pytest.raises(ServerNotTrusted, match="has changed") as refusal:
            asyncio.run(asyncio.wait_for(run(), 20))
        assert not isinstance(refusal.value, UnknownServer)
        assert box.heard.count("hello") == 2


def test_reconnect_after_an_authority(configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key is not accepted, even if new servers were the first time."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = Ed25519PrivateKey.generate()
    with TlsServer(key, make_certificate(key, HOST, authority)) as box:

        async def run() -> None:
            chat = Chat("alice", new_id, lambda: 0)
            login = Login(server=Server.at(box.address), trust=Trust(accept_new=True), identity=OWN)
            greeted = await connect(login, chat.hello())
            session = InteractiveSession(login, chat, Watcher(), greeted, patience=5)
            box.show(Ed25519PrivateKey.generate())
            box.hang_up()
            await session.run()

        with pytest.raises(ServerNotTrusted, match="not known"):
            asyncio.run(asyncio.wait_for(run(), 20))
        assert box.heard.count("hello") == 1
