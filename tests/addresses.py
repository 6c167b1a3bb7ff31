"""Addresses of this machine."""

from __future__ import annotations

import ifaddr


def own_address() -> str | None:
    """Return a non-loopback address of this machine, if it has one: a caller of it has it as its own address."""
    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return next((ip for ip in own if not ip.startswith("127.")), None)
