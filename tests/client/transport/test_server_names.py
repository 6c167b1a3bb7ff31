"""Servers that are dialled elsewhere than at their names, by the one-shot sender and by the interactive client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.outbox.flush import flush_outbox, store_messages
from chatcli.client.storage import files, roster
from chatcli.client.transport import aio
from chatcli.client.transport.dialer import Turn, turns
from chatcli.errors import ServerNotTrusted, ServerUnreachable
from chatcli.protocol.frames import VERSION, Hello, Send
from chatcli.protocol.keys import key_text
from chatcli.protocol.values.address import Address
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import OWN, new_id

Speak = Callable[[Server, Trust], None]

#: The name of the server: there is no such host, so that whatever dials it fails.
NAME = Address("chat.invalid", 7)


def by_oneshot(server: Server, trust: Trust) -> None:
    """Request the online users, as `who` does."""
    Client(Login(server=server, user="alice", trust=trust, identity=OWN)).who()


def by_link(server: Server, trust: Trust) -> None:
    """Log in, as `join` does."""

    async def run() -> None:
        login = Login(server=server, user="alice", trust=trust, identity=OWN)
        connection, _ = await aio.connect(login, Hello(VERSION, "alice", "join", key_text(OWN.public)))
        await connection.close()

    asyncio.run(run())


@pytest.fixture(params=[by_oneshot, by_link])
def speak(
    request: pytest.FixtureRequest, configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Speak:
    """A client with its own directories."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    function: Speak = request.param
    return function


@pytest.fixture
def known(configuration: Path) -> KnownServers:
    """The client's known servers."""
    return KnownServers(str(configuration))


def free_address() -> Address:
    """Return an address that nobody listens at."""
    with socket.create_server((HOST, 0)) as unused:
        return Address(HOST, unused.getsockname()[1])


def test_key_is_stored_under_the_name(speak: Speak, known: KnownServers) -> None:
    """The address at which the server was dialled is not known afterwards, and another one needs no new decision."""
    key = Ed25519PrivateKey.generate()
    with TlsServer(key) as one, TlsServer(key) as other:
        speak(Server(NAME, (one.address,)), Trust(accept_new=True))
        assert [str(address) for address in known.all()] == [str(NAME)]
        speak(Server(NAME, (other.address,)), CAUTIOUS)


def test_key_is_checked_for_the_name(speak: Speak, known: KnownServers) -> None:
    """A server whose address is known gets nothing under a name with another key, nor does it without one."""
    with TlsServer() as server, TlsServer() as between:
        known.add(between.address, between.key)
        with pytest.raises(ServerNotTrusted, match=f"The server at {NAME} is not known"):
            speak(Server(NAME, (between.address,)), CAUTIOUS)
        known.add(NAME, server.key)
        with pytest.raises(ServerNotTrusted, match=f"The key of the server at {NAME} has changed"):
            speak(Server(NAME, (between.address,)), CAUTIOUS)
    assert between.heard == []


def test_other_key_is_no_reason_to_go_on(speak: Speak) -> None:
    """An impostor at one address is reported, although the next address would be right."""
    with TlsServer() as server, TlsServer() as between:
        with pytest.raises(ServerNotTrusted, match="pinned"):
            speak(Server(NAME, (between.address, server.address)), Trust(server.key))
    assert (server.heard, between.heard) == ([], [])


def test_known_server_on_this_machine(speak: Speak, known: KnownServers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a tunnel on this machine must show the key that its name has."""
    monkeypatch.setattr("tests.client.tls_server.HOST", "127.0.0.1")
    with TlsServer() as server, TlsServer() as between:
        known.add(NAME, server.key)
        speak(Server(NAME, (server.address,)), CAUTIOUS)
        with pytest.raises(ServerNotTrusted, match="has changed"):
            speak(Server(NAME, (between.address,)), CAUTIOUS)
    assert between.heard == []


@pytest.mark.skipif(HOST == "127.0.0.1", reason="this machine has no address but that one")
def test_local_name_of_a_server_elsewhere(speak: Speak) -> None:
    """A name without TLS does not open a plain connection to another machine."""
    with TlsServer() as server, pytest.raises(ServerNotTrusted, match=r"127\.0\.0\.1:7 is not known"):
        speak(Server(Address("127.0.0.1", 7), (server.address,)), CAUTIOUS)
    assert server.heard == []


def test_certificate_is_for_the_name(
    speak: Speak, known: KnownServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority vouches for the name, and not for the address; no authority is asked if the name has a key."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, NAME.host, authority)) as server:
        speak(Server(NAME, (server.address,)), CAUTIOUS)
    with TlsServer(key, make_certificate(key, HOST, authority)) as server:
        with pytest.raises(ServerNotTrusted, match=f"is for {HOST}, and not for {NAME.host}"):
            speak(Server(NAME, (server.address,)), CAUTIOUS)
        assert server.heard == []
        known.add(NAME, server.key)
        speak(Server(NAME, (server.address,)), CAUTIOUS)


def test_addresses_in_turn(speak: Speak) -> None:
    """An address without a server is followed by the next one, and the first that answers is the last that is tried."""
    with TlsServer() as server, TlsServer() as spare:
        trust = Trust(server.key)
        speak(Server(NAME, (free_address(), server.address, spare.address)), trust)
        assert (server.connected, spare.connected) == (1, 0)


def test_no_server_at_any_address(speak: Speak) -> None:
    """The sentence is that of the last one."""
    first, last = free_address(), free_address()
    with pytest.raises(ServerUnreachable, match=f"No server answers at {last}"):
        speak(Server(NAME, (first, last)), CAUTIOUS)


def test_shares_of_the_time() -> None:
    """Each address has an equal part of what is left, and the last one has all of it."""
    now = 100.0
    a, b, c = (Address(host, 1) for host in "abc")
    taking = turns(Server(NAME, (a, b, c)), 109.0, lambda: now)
    assert next(taking) == Turn(a, 103.0, is_last=False)
    now = 101.0  # it has refused
    assert next(taking) == Turn(b, 105.0, is_last=False)
    now = 105.0
    assert next(taking) == Turn(c, 109.0, is_last=True)
    assert list(taking) == []
    assert list(turns(Server.at(a), 109.0, lambda: now)) == [Turn(a, 109.0, is_last=True)]


def test_data_is_stored_under_the_name(configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Knowledge of a server is kept under its name, and messages that wait there go to its address."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with TlsServer() as server:
        login = Login(server=Server(NAME, (server.address,)), user="alice", trust=Trust(server.key), identity=OWN)
        Client(login).who()
        Client(login).send("carol", "hi")
        assert {known.name for known in roster.load(NAME, "alice").people()} == {"bob", "carol"}
        assert roster.load(server.address, "alice").people() == []
        store_messages(NAME, "alice", [Send(new_id(), "bob", "hi")])
        flush_outbox(login, read_only=False)
        assert server.heard.count("send") == 2
        assert files.outbox_is_empty()
