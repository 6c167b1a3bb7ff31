"""Where the server's data lies, where it is reached, and how the program is called there."""

from __future__ import annotations

import sys
from pathlib import Path

from chatcli.protocol.address import DEFAULT_HOST, Address


def default_directory() -> Path:
    """Return where the server keeps its data unless it is told otherwise."""
    import platformdirs

    return Path(platformdirs.user_data_dir("chatcli", appauthor=False))


def reachable(bound: Address) -> list[Address]:
    """Return the addresses under which others reach the server; for a wildcard, every one of this machine."""
    if bound.host not in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        return [bound]
    import ifaddr

    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    if bound.host == "::":
        own += [ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv6]
    outside = [host for host in own if not host.startswith(("127.", "fe80:")) and host != "::1"]
    return [Address(host, bound.port) for host in outside or [DEFAULT_HOST]]


def program(address: Address) -> list[str]:
    """Return how to call this program, in words: as it was called here, if that is the only way on this machine."""
    import shutil

    called = sys.argv[0]
    if not address.host.startswith("127.") or shutil.which("chatcli"):
        return ["chatcli"]
    if Path(called).name == "__main__.py":
        return [sys.executable, "-m", "chatcli"]
    return [called]
