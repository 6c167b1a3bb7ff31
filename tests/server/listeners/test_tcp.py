"""Who may speak plainly, and who has to speak TLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import ifaddr
import pytest

from chatcli.protocol.address import Address, is_loopback
from chatcli.server.listeners.tcp import TcpConnection
from tests.support import Caller, ThreadServer, sessions_of, trusting


def outside() -> list[str]:
    """Return the machine's own IPv4 addresses that are not loopback; whoever calls one of them calls from it."""
    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [host for host in own if not is_loopback(host)]


@pytest.fixture
def far() -> str:
    """An address under which the machine is no longer its own."""
    found = outside()
    if not found:
        pytest.skip("this machine has loopback addresses only")
    return found[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_plain_callers_from_elsewhere_are_refused(tmp_path: Path, far: str, host: str) -> None:
    """They are told why before anything that they said is heard; nobody becomes known by it."""
    with ThreadServer(tmp_path, host=host) as server:
        with Caller(Address(far, server.address.port)) as caller:
            caller.greets("alice")
            assert "TLS" in caller.hears("bye", code="tls_required")["text"]
            caller.hears_end()
        assert server.run(lambda: server.hub.users.find("alice")) is None


def test_callers_from_elsewhere_may_use_tls(tmp_path: Path, far: str) -> None:
    """The same address, with TLS, is let in."""
    with ThreadServer(tmp_path, host="0.0.0.0") as server:
        context = trusting(server.certificate)
        context.check_hostname = False  # the address is not in the certificate: clients know the key
        with Caller(Address(far, server.address.port), context=context) as alice:
            assert isinstance(alice.socket, ssl.SSLSocket)
            alice.greets("alice")
            alice.hears("welcome", user="alice")


def test_an_insecure_server_takes_plain_callers_from_elsewhere(tmp_path: Path, far: str) -> None:
    """Where the operator says so, anyone may do without TLS."""
    with ThreadServer(tmp_path, host="0.0.0.0", insecure=True) as server:
        with Caller(Address(far, server.address.port)) as alice:
            alice.greets("alice")
            alice.hears("welcome", user="alice")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_servers_own_machine_may_speak_plainly(tmp_path: Path, host: str) -> None:
    """Wherever it listens, loopback needs no TLS; also where IPv4 callers come to an IPv6 socket."""
    with ThreadServer(tmp_path, host=host) as server:
        with Caller(Address("127.0.0.1", server.address.port)) as alice:
            alice.greets("alice")
            alice.hears("welcome", user="alice")


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this system cannot be told")
def test_the_system_keeps_little_for_a_reader_that_takes_nothing(server: ThreadServer) -> None:
    """What it is told about the socket that takes callers holds for each of their connections."""

    def unsent() -> int:
        (session,) = sessions_of(server)
        assert isinstance(session.output._wire, TcpConnection)
        connection = session.output._wire._transport.get_extra_info("socket")
        return int(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))

    with server.joined("alice"):
        assert server.run(unsent) == 64 * 1024
