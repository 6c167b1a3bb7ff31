"""Rejected callers: they get the reason in their protocol, at a bounded cost."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import Trust
from chatcli.client.oneshot.client import Client
from chatcli.errors import ChatError
from chatcli.server.limits import Limits
from chatcli.server.listeners.rejections import MOST_AT_ONCE
from tests.certificates import fingerprint_of
from tests.server.listeners.by_hand import VERSIONS, ByHand, client_hello
from tests.support import DEADLINE, Caller, ThreadServer, eventually, trusting


def closed_at_once(server: ThreadServer) -> bool:
    """Return whether a caller is closed without a reason."""
    with contextlib.suppress(ConnectionError), socket.create_connection(server.address[:2], DEADLINE) as caller:
        caller.sendall(b'{"t":"hello","version":1,"purpose":"query"}\n')
        return caller.recv(1) == b""
    return True


@pytest.fixture
def full(tmp_path: Path) -> Iterator[ThreadServer]:
    """A server with all of its connections in use."""
    with ThreadServer(tmp_path / "data", Limits(connections=1)) as server, server.joined("alice"):
        yield server


def said_to(server: ThreadServer, words: bytes, *, tls: bool = False) -> bytes:
    """Return the server's answer to a caller's first bytes."""
    with socket.create_connection(server.address[:2], DEADLINE) as plain:
        caller = trusting(server.certificate).wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        caller.sendall(words)
        with caller, caller.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize("version", VERSIONS)
def test_full_server_within_tls(full: ThreadServer, version: ssl.TLSVersion) -> None:
    """The reason comes as an encrypted frame, and then the connection ends properly."""
    with Caller(full.address, context=trusting(full.certificate, version)) as caller:
        caller.says("hello", version=1, purpose="query")
        assert "1 connection and" in caller.hears("bye", code="full")["text"]
        caller.hears_end()


def test_own_client_shows_the_reason(full: ThreadServer, tmp_path: Path) -> None:
    """The sentence is the server's, not one about TLS."""
    trust = Trust(fingerprint_of(full.certificate), directory=str(tmp_path / "config"))
    with pytest.raises(ChatError, match="The server holds 1 connection and accepts no more: try again later"):
        Client(Login(server=Server.at(full.address), trust=trust)).who()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("words", "begin", "end"),
    [
        (b'{"t":"hello"}\n', b'{"t":"bye","code":"full"', b"}\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 503 Service Unavailable\r\n", b"try again later.\n"),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 503 Service Unavailable\r\n", b"\r\n\r\n"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-chatcli", bytes(8)),
        (b"NICK alice\r\n", b"ERROR :The server holds 1 connection and", b"\r\n"),
        (b"\x00\x01", b'{"t":"bye","code":"full"', b"}\n"),
    ],
)
def test_reason_in_callers_protocol(full: ThreadServer, words: bytes, begin: bytes, end: bytes, tls: bool) -> None:
    """Browsers, IRC and SSH have something to show, in plain and within TLS."""
    answer = said_to(full, words, tls=tls)
    assert answer.startswith(begin)
    assert answer.endswith(end)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("words", "begin"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
        (b"SSH-2.0-x\r\n", b"SSH-2.0-chatcli"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 505 HTTP Version Not Supported\r\n"),
        (b"CAP LS 302\r\nNICK alice\r\n", b"ERROR :This is a chatcli server"),
        (b"quit\r\n", b"ERROR :This is a chatcli server"),
        (b"hello\n", b'{"t":"bye","code":"malformed"'),
    ],
)
def test_clients_of_other_protocols(server: ThreadServer, words: bytes, begin: bytes, tls: bool) -> None:
    """They get a plain sentence, not a line of JSON."""
    answer = said_to(server, words, tls=tls)
    assert answer.startswith(begin)
    assert b"This is a chatcli server" in answer


def test_silent_caller(full: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that waits for the server to begin gets the reason, too."""
    monkeypatch.setattr("chatcli.server.listeners.rejections._PATIENCE", 0.5)
    with full.connect() as caller:
        caller.hears("bye", code="full")
        caller.hears_end()


def test_callers_beyond_the_rejections(full: ThreadServer) -> None:
    """Callers beyond those being rejected are closed at once, and later ones get the reason as before."""
    hello = client_hello(full)
    with contextlib.ExitStack() as stack:
        for number in range(MOST_AT_ONCE + 20):
            caller = stack.enter_context(socket.create_connection(full.address[:2], DEADLINE))
            with contextlib.suppress(OSError):
                caller.sendall(hello[: 1 + number % 3])  # none of them completes
        assert closed_at_once(full)

    def told() -> bool:
        with contextlib.suppress(OSError, AssertionError), full.connect() as caller:
            caller.says("hello", version=1, purpose="query")
            return caller.hears("bye", code="full") is not None
        return False

    eventually(told)


def stop(server: ThreadServer) -> None:
    """Send the goodbye of a stopping server. Call it in the server's thread."""
    for connection in tuple(server.hub.connections):
        connection.stop_reading()
    for connection in tuple(server.hub.connections):
        connection.close("stopping", "The server is stopping.")


def test_stop_during_a_handshake(tmp_path: Path) -> None:
    """A handshake that completes while the server stops gets the reason."""
    with ThreadServer(tmp_path / "data") as server:
        hand = ByHand(trusting(server.certificate))
        with socket.create_connection(server.address[:2], DEADLINE) as caller:
            caller.sendall(hand.step())
            hand.incoming.write(caller.recv(65536))
            server.run(lambda: stop(server))
            last = hand.step()
            while hand.unfinished():
                hand.incoming.write(caller.recv(65536))
                last += hand.step()
            caller.sendall(last)
            told = b""
            while data := caller.recv(65536):
                hand.incoming.write(data)
                told += hand.read()
    assert b'"code":"stopping"' in told
