"""The server's sockets: each existing address of its hosts, on one port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from chatcli.errors import ServeError
from chatcli.server.listeners.sockets import Bound, bind

NOWHERE = "198.51.100.1"  # for documentation (RFC 5737)


@contextlib.contextmanager
def bound(*hosts: str, port: int = 0) -> Iterator[Bound]:
    """Listen, and close the sockets."""
    found = bind(hosts, port)
    try:
        yield found
    finally:
        for one in found.sockets:
            one.close()


def addresses(found: Bound) -> set[str]:
    """Return the addresses."""
    return {one.getsockname()[0] for one in found.sockets}


def name(monkeypatch: pytest.MonkeyPatch, host: str, *ips: str) -> None:
    """Make the system resolve a host to these addresses."""
    real = socket.getaddrinfo

    def found(asked: str, port: int, *_: object, **options: Any) -> object:  # noqa: ANN401 (as the system takes them)
        if asked != host:
            return real(asked, port, **options)
        return [entry for ip in ips for entry in real(ip, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_one_missing_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are served, and the missing one is reported: hosts may have a line for IPv6 without the machine."""
    name(monkeypatch, "box.test", NOWHERE, "127.0.0.1")
    with bound("box.test") as found:
        assert addresses(found) == {"127.0.0.1"}
        assert found.missing == [f"{NOWHERE} (box.test) is not an address of this machine: choose another with --host."]


def test_all_addresses_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the cause for each."""
    name(monkeypatch, "box.test", NOWHERE, "198.51.100.2")
    with pytest.raises(ServeError, match=r"100\.1 \(box\.test\) is not .*100\.2 \(box\.test\) is not"):
        bind(["box.test"], 0)


def test_several_hosts_share_a_port() -> None:
    """A chosen port is shared, too; duplicates are served once, and a wildcard is enough."""
    with bound("127.0.0.1", "127.0.0.2", "localhost", "127.0.0.1") as found:
        assert {"127.0.0.1", "127.0.0.2"} <= addresses(found)
        assert len({one.getsockname()[1] for one in found.sockets}) == 1
        assert len(found.sockets) == len(addresses(found))
        assert found.missing == []
    with bound("127.0.0.1", "0.0.0.0") as found:
        assert addresses(found) == {"0.0.0.0"}
    with bound("0.0.0.0", "::", "127.0.0.1", "::1") as found:
        assert addresses(found) == {"::"}
        assert found.missing == []
    with bound("[::1]") as found:
        assert addresses(found) == {"::1"}


def test_port_in_use_at_one_address() -> None:
    """The others are served; a chosen port is free at every address."""
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with bound("127.0.0.1", "127.0.0.2", port=port) as found:
            assert addresses(found) == {"127.0.0.1"}
            (sentence,) = found.missing
            assert sentence.startswith(f"Port {port} is in use on 127.0.0.2: stop what uses it")
        with pytest.raises(ServeError, match=f"Port {port} is in use on 127.0.0.2"):
            bind(["127.0.0.2"], port)


def test_name_that_is_not_found() -> None:
    """It is reported beside one that is found, and alone it is an error."""
    with bound("127.0.0.1", "no.such.invalid") as found:
        assert addresses(found) == {"127.0.0.1"}
        assert found.missing == ['There is no host "no.such.invalid": name an address of this machine with --host.']
    with pytest.raises(ServeError, match="There is no host"):
        bind(["no.such.invalid"], 0)


def test_link_local_address() -> None:
    """Without its interface it is refused with an example."""
    with pytest.raises(ServeError, match=r'as in "fe80::1%eth0"'):
        bind(["fe80::1"], 0)
