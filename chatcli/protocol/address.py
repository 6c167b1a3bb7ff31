"""Where a server is: ``HOST``, ``HOST:PORT``, ``[::1]:PORT``."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from chatcli.errors import InputError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080


class Address(NamedTuple):
    """A host name or IP address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Read an address; an IPv6 address with a port stands in brackets.

    Raises:
        InputError: the host is missing or the port is not a number from 1 to 65535.
    """
    text = text.strip()
    if "://" in text:
        raise InputError(f'"{text}" is not an address; write HOST or HOST:PORT, without "{text.partition("//")[0]}//".')
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InputError(f'"{text}" is not an address; an IPv6 address is written "[::1]:8080".')
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host or host.startswith("#") or any(char.isspace() for char in host):
        raise InputError(f'"{text}" is not an address; write HOST or HOST:PORT, as in "127.0.0.1:8080".')
    return Address(host, _port(port) if port else default_port)


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Return whether an IP address is one that a machine has for itself; a name never is."""
    import ipaddress  # noqa: PLC0415 (`send` must start fast, and does not ask)

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise InputError(f'"{text}" is not a port; a port is a number from 1 to 65535.')
    return int(text)
