"""The environment of a server: its data directory, its addresses, and the command to run the program."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chatcli.protocol.values.address import DEFAULT_HOST, Address, is_loopback

#: Addresses to listen on everywhere, and the loopback address of each.
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)


def default_directory() -> Path:
    """Return the default data directory of the server."""
    import platformdirs

    return Path(platformdirs.user_data_dir("chatcli", appauthor=False))


def is_forwarded(bound: Address) -> bool:
    """Return whether a codespace forwards a port: one at its own addresses, not at those of the network."""
    return bound.host in _WILDCARDS or is_loopback(bound.host)


def reachable(bound: Address) -> list[Address]:
    """Return the addresses at which others reach the server; for a wildcard, all of this machine."""
    if bound.host not in _WILDCARDS:
        return [bound]
    import ifaddr

    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    if bound.host == "::":
        own += [ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv6]
    outside = [host for host in own if not host.startswith(("127.", "fe80:")) and host != "::1"]
    return [Address(host, bound.port) for host in outside or [DEFAULT_HOST]]


def page_of(server: Address, environ: Mapping[str, str]) -> Address:
    """Return the address of a server's page.

    On this machine it is without TLS, for which browsers would need a certificate; in a codespace it is that of the
    forwarded port.
    """
    host = _WILDCARDS.get(server.host, server.host)
    if server.scheme:
        return server
    if not is_here(server):
        return server._replace(scheme="https")
    from chatcli.codespaces import codespace

    found = codespace(environ)
    return Address(host, server.port, "http") if found is None else Address(found.host(server.port), 443, "https")


def invited_page(bound: list[Address], environ: Mapping[str, str]) -> Address:
    """Return the address at which others find the page of a server that listens at these addresses."""
    from chatcli.codespaces import is_codespace

    if is_codespace(environ) and (forwarded := next(filter(is_forwarded, bound), None)):
        return page_of(Address(DEFAULT_HOST, forwarded.port), environ)
    addresses = [address for each in bound for address in reachable(each)]
    return page_of(next((address for address in addresses if not is_here(address)), addresses[0]), environ)


def is_here(server: Address) -> bool:
    """Return whether an address leads to this machine on whichever machine it is used."""
    return server.host == "localhost" or server.host in _WILDCARDS or is_loopback(server.host)


def program(address: Address) -> list[str]:
    """Return the words that call this program: as it was called, if it is not on the path of this machine."""
    import shutil

    called = sys.argv[0]
    if not address.host.startswith("127.") or shutil.which("chatcli"):
        return ["chatcli"]
    if Path(called).name == "__main__.py":
        return [sys.executable, "-m", "chatcli"]
    return [called]
