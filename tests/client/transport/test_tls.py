"""TLS with real servers, in the one-shot sender and in the interactive client."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.identity.trust import CAUTIOUS, Trust
from chatcli.client.oneshot.client import Client
from chatcli.client.transport import aio, blocking
from chatcli.errors import ProtocolError, ServerNotTrusted, ServerUnreachable, UnknownServer
from chatcli.protocol.frames import VERSION, Hello
from chatcli.protocol.keys import Channel
from chatcli.protocol.values.address import Address, parse_address
from tests.client.tls_server import HOST, Authority, TlsServer, make_certificate
from tests.support import DEADLINE, OWN

Speak = Callable[[Address, Trust], Channel]


def by_oneshot(server: Address, trust: Trust) -> Channel:
    """Connect as `send` does, request the online users, and return the channel."""
    login = Login(server=Server.at(server), trust=trust)
    opened = blocking.connect(login, time.monotonic() + DEADLINE)
    opened.socket.close()
    assert [person.user for person in Client(login).who()] == ["bob"]
    return opened.channel


def by_link(server: Address, trust: Trust) -> Channel:
    """Connect as `join` does, log in, and return the channel."""

    async def run() -> Channel:
        login = Login(server=Server.at(server), user="alice", trust=trust, identity=OWN)
        connection, _ = await aio.connect(login, Hello(VERSION, "alice", "join"))
        await connection.close()
        return connection.channel

    return asyncio.run(run())


@pytest.fixture(params=[by_oneshot, by_link])
def speak(request: pytest.FixtureRequest, configuration: Path) -> Speak:
    """A client with its own configuration directory."""
    function: Speak = request.param
    return function


@pytest.fixture
def known(configuration: Path) -> KnownServers:
    """The client's known servers."""
    return KnownServers(str(configuration))


@pytest.mark.parametrize("key", [Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())])
def test_pinned_server(speak: Speak, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """The channel has the key's fingerprint and the certificate's hash."""
    with TlsServer(key) as server:
        channel = speak(server.address, Trust(server.key))
        assert channel == Channel(server.key, hashlib.sha256(server.certificate).digest())
        speak(server.address, CAUTIOUS)


def test_untrusted_server_gets_nothing(speak: Speak, known: KnownServers) -> None:
    """It is refused before the hello, and not recorded."""
    with TlsServer() as server:
        with pytest.raises(ServerNotTrusted, match=re.escape(f"--pin {server.key}")):
            speak(server.address, CAUTIOUS)
        with pytest.raises(UnknownServer) as unknown:
            asyncio.run(_greet(server.address, Trust(ask=lambda *_: True)))
        assert unknown.value.key == server.key
    assert server.heard == []
    assert known.find(server.address) == []


async def _greet(server: Address, trust: Trust) -> None:
    await aio.connect(Login(server=Server.at(server), trust=trust, identity=OWN), Hello(VERSION, "alice", "join"))


def test_man_in_the_middle(speak: Speak, known: KnownServers) -> None:
    """A server with another key receives nothing, whether the key is pinned or known."""
    with TlsServer() as server, TlsServer() as between:
        with pytest.raises(ServerNotTrusted, match="--pin"):
            speak(between.address, Trust(server.key))
        known.add(between.address, server.key)
        with pytest.raises(ServerNotTrusted, match=f"remove line 2 of {known.path}"):
            speak(between.address, Trust(accept_new=True, ask=lambda *_: True))
    assert between.heard == []


def test_renewed_certificate(speak: Speak) -> None:
    """With the same key only the channel's hash changes."""
    key = Ed25519PrivateKey.generate()
    with TlsServer(key) as server:
        first = speak(server.address, Trust(accept_new=True))
        server.show(key, make_certificate(key, "another name"))
        second = speak(server.address, CAUTIOUS)
    assert first.server_key == second.server_key
    assert first.binding != second.binding


def test_authority(speak: Speak, known: KnownServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trusted certificate needs no question for its own name, is not recorded, and may change its key."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    with TlsServer() as server:
        for _ in range(2):
            key = ec.generate_private_key(ec.SECP256R1())
            server.show(key, make_certificate(key, HOST, authority))
            assert speak(server.address, CAUTIOUS).server_key == server.key
        assert known.find(server.address) == []
        server.show(key, make_certificate(key, "other.example", authority))
        with pytest.raises(ServerNotTrusted, match=f"is for other.example, and not for {HOST}"):
            speak(server.address, CAUTIOUS)


@pytest.mark.parametrize("known_authority", [True, False])
@pytest.mark.parametrize(
    ("hours", "name", "why"),
    [
        ((-3, -1), HOST, r"expired on \d{4}-.* UTC: its operator must renew it\."),
        ((1, 3), HOST, r"is not valid before \d{4}-.* UTC: check this machine's clock, which says \d{4}-"),
        ((-1, 1), "other.example", f"is for other.example, and not for {HOST}: use a name that it is for"),
        ((-1, 1), "*.example", r"is for \*\.example, and not for"),
    ],
)
def test_bad_certificate_of_an_authority(
    speak: Speak,
    known: KnownServers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hours: tuple[float, float],
    name: str,
    why: str,
    known_authority: bool,
) -> None:
    """The error has the cause, and nobody is asked; only a pin or a known key counts more."""
    authority = Authority()
    if known_authority:
        monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, name, authority, hours=hours)) as server:
        for trust in (CAUTIOUS, Trust(accept_new=True), Trust(ask=lambda _: pytest.fail("asked"))):
            with pytest.raises(ServerNotTrusted, match=why) as refusal:
                speak(server.address, trust)
            assert not isinstance(refusal.value, UnknownServer)
            assert server.key in str(refusal.value)
        assert server.heard == []
        assert known.find(server.address) == []
        speak(server.address, Trust(server.key))
        speak(server.address, CAUTIOUS)


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        (None, "It made its certificate itself: no authority vouches for it."),
        (Authority(), r"is from an authority that"),
    ],
)
def test_question_says_why(speak: Speak, issuer: Authority | None, why: str) -> None:
    """It distinguishes a self-signed certificate from one of an unknown authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    with TlsServer(key, make_certificate(key, HOST, issuer)) as server:
        trust = Trust(ask=no)
        with pytest.raises(ServerNotTrusted) as refusal:
            speak(server.address, trust)
        question = refusal.value.question if isinstance(refusal.value, UnknownServer) else asked[0]
        assert re.search(why, question)
        with pytest.raises(ServerNotTrusted, match=why):
            speak(server.address, CAUTIOUS)


def test_expired_self_signed(speak: Speak, known: KnownServers) -> None:
    """Its key is all that counts, as only the server itself sets the date."""
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, "chatcli server", hours=(-3, -1))) as server:
        speak(server.address, Trust(accept_new=True))
        assert [entry.key for entry in known.find(server.address)] == [server.key]


def test_final_dot_of_a_name(speak: Speak, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It matters neither for the certificate nor for known servers."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, "chat.test", authority)) as server:
        port = server.address.port
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **options: real(
                HOST if host in (b"chat.test", "chat.test") else host, *rest, **options
            ),
        )
        for written in ("chat.test", "chat.test.", "CHAT.Test."):
            speak(parse_address(f"{written}:{port}"), CAUTIOUS)


def test_authority_and_a_known_key(
    speak: Speak, known: KnownServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of an authority does not replace a known key."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    key = ec.generate_private_key(ec.SECP256R1())
    with TlsServer(key, make_certificate(key, HOST, authority)) as server:
        known.add(server.address, "SHA256:" + "1" * 42 + "A")
        with pytest.raises(ServerNotTrusted, match="has changed"):
            speak(server.address, CAUTIOUS)
    assert server.heard == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_of_tls(speak: Speak) -> None:
    """TLS 1.1 is refused, pinned or not; 1.2 is accepted."""
    with TlsServer() as server:
        server.show(ec.generate_private_key(ec.SECP256R1()))
        server.only(ssl.TLSVersion.TLSv1_2)
        speak(server.address, Trust(server.key))
        server.only(ssl.TLSVersion.TLSv1_1)
        for trust in (Trust(server.key), Trust(accept_new=True)):
            with pytest.raises(ProtocolError, match=r"does not speak TLS 1\.2 or newer"):
                speak(server.address, trust)


class Plain:
    """A service without TLS that answers the first bytes and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._run)
        self.address = Address(HOST, self._listener.getsockname()[1])

    def _run(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(DEADLINE)
            connection.recv(65536)
            connection.sendall(self._answer)

    def __enter__(self) -> Address:
        self._thread.start()
        return self.address

    def __exit__(self, *_: object) -> None:
        self._thread.join(DEADLINE)
        self._listener.close()


@pytest.mark.parametrize("pin", [None, "SHA256:" + "1" * 42 + "A"])
@pytest.mark.parametrize(
    "answer", [b'{"t":"bye","code":"malformed","text":"x"}\n', b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"]
)
def test_server_without_tls(speak: Speak, answer: bytes, pin: str | None) -> None:
    """The error says that the server does not speak TLS."""
    with Plain(answer) as address, pytest.raises(ProtocolError) as refusal:
        speak(address, Trust(pin))
    assert str(refusal.value) == (
        f"{address} does not speak TLS: is it a chatcli server? Check the address and the port."
    )


def test_server_that_hangs_up(speak: Speak) -> None:
    """It counts as unreachable, because it may be about to stop."""
    with Plain(b"") as address, pytest.raises(ServerUnreachable, match="closed the connection instead of speaking TLS"):
        speak(address, CAUTIOUS)


def test_no_server(speak: Speak) -> None:
    """The error is the same as without TLS."""
    with socket.create_server((HOST, 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=f"{HOST}:{port}.*chatcli serve"):
        speak(Address(HOST, port), CAUTIOUS)
    with pytest.raises(ServerUnreachable, match="no host called"):
        speak(Address("no.such.invalid", port), CAUTIOUS)


def test_pin_on_loopback(speak: Speak, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pinned loopback connection uses TLS and checks the key."""
    monkeypatch.setattr("tests.client.tls_server.HOST", "127.0.0.1")
    with TlsServer() as server:
        assert speak(server.address, Trust(server.key)).server_key == server.key
        with pytest.raises(ServerNotTrusted):
            speak(server.address, Trust("SHA256:" + "1" * 42 + "A"))
