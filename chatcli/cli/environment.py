"""The environment of a server: its data directory, its addresses, and the command to run the program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from chatcli.protocol.values.address import DEFAULT_HOST, Address, is_loopback

_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)


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


def program(address: Address) -> list[str]:
    """Return the words that call this program: as it was called, if it is not on the path of this machine."""
    import shutil

    called = sys.argv[0]
    if not address.host.startswith("127.") or shutil.which("chatcli"):
        return ["chatcli"]
    if Path(called).name == "__main__.py":
        return [sys.executable, "-m", "chatcli"]
    return [called]
