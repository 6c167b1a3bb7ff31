"""Plain and encrypted callers, from this machine and others."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import cast

import pytest

from chatcli.protocol.values.address import Address
from chatcli.server.connection.opening import Opening
from chatcli.server.listeners.tcp import TcpConnection
from tests.support import Caller, ThreadServer, eventually, trusting


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_remote_plain_caller(tmp_path: Path, far: str, host: str) -> None:
    """It is refused with the reason before its frames are read, and creates no user."""
    with ThreadServer(tmp_path, host=host) as server:
        with Caller(Address(far, server.address.port)) as caller:
            caller.greets("alice")
            assert "TLS" in caller.hears("bye", code="tls_required")["text"]
            caller.hears_end()
        assert server.run(lambda: server.hub.users.find("alice")) is None


def test_remote_tls_caller(tmp_path: Path, far: str) -> None:
    """The same address is accepted with TLS."""
    with ThreadServer(tmp_path, host="0.0.0.0") as server:
        context = trusting(server.certificate)
        context.check_hostname = False  # the address is not in the certificate: clients know the key
        with Caller(Address(far, server.address.port), context=context) as alice:
            assert isinstance(alice.socket, ssl.SSLSocket)
            alice.greets("alice")
            alice.hears("welcome", user="alice")


def test_insecure_server(tmp_path: Path, far: str) -> None:
    """With the operator's option remote callers need no TLS."""
    with ThreadServer(tmp_path, host="0.0.0.0", insecure=True) as server:
        with Caller(Address(far, server.address.port)) as alice:
            alice.greets("alice")
            alice.hears("welcome", user="alice")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_loopback_caller(tmp_path: Path, host: str) -> None:
    """It needs no TLS wherever the server listens, nor over IPv4 on an IPv6 socket."""
    with ThreadServer(tmp_path, host=host) as server:
        with Caller(Address("127.0.0.1", server.address.port)) as alice:
            alice.greets("alice")
            alice.hears("welcome", user="alice")


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this machine's system cannot be told")
def test_small_send_buffer(server: ThreadServer) -> None:
    """The option of the listening socket holds for each of its connections."""

    def unsent() -> int:
        (connection,) = server.hub.connections
        assert isinstance(connection, TcpConnection)
        assert isinstance(connection._end, Opening)
        raw = cast("asyncio.Transport", connection._end.wire).get_extra_info("socket")
        return int(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))

    with server.connect():
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 1)
        assert server.run(unsent) == 64 * 1024
