"""A host and perhaps a port, as ``Host`` and ``Origin`` have them (RFC 9110, section 7.2), and as people write them.

The reading is strict: whatever could be understood in two ways is none.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from chatcli.errors import InputError
from chatcli.protocol.values.address import canonical_host
from chatcli.protocol.values.text import printable_line

_LONGEST: Final = 253  # characters of a name (RFC 1035, section 2.3.4)
_PORTS: Final = range(1, 1 << 16)
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
_WRITTEN: Final = re.compile(r"(\[[^]]*\]|[^:\[\]]+)(?::([0-9]+))?")


class Authority(NamedTuple):
    """A host in its canonical spelling, and a port if one was given."""

    host: str
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_authority(text: str) -> Authority | None:
    """Return the host and the port of a header; None unless it is exactly one of each, or a host alone."""
    found = _AUTHORITY.fullmatch(text)
    host = None if found is None else _host(found[1].lower())
    if found is None or host is None:
        return None
    port = None if found[2] is None else int(found[2])
    return Authority(host, port) if port is None or port in _PORTS else None


def parse_web_name(text: str) -> Authority:
    """Return a name under which browsers reach a server, written by a person.

    Raises:
        InputError: it is none.
    """
    found = _WRITTEN.fullmatch(text.strip())
    authority = None if found is None else _written(found[1], found[2])
    if authority is None:
        advice = f', without "{text.partition("//")[0].strip()}//"' if "//" in text else ""
        shown = printable_line(text)
        raise InputError(f'"{shown}" is not a name of a server; write NAME or NAME:PORT{advice}, as in "chat.example".')
    return authority


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, in the usual spelling and without an interface."""
    import ipaddress  # noqa: PLC0415 (only servers ask)

    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _host(text: str) -> str | None:
    """Return a host in its canonical spelling, or None if it is neither a name nor an address."""
    if text.startswith("["):
        bare = text[1:-1]
        return _canonical(bare) if ":" in bare and is_ip(bare) else None
    name = text.removesuffix(".")
    return name if len(name) <= _LONGEST and _NAME.fullmatch(name) else None


def _written(host: str, port: str | None) -> Authority | None:
    name = host if host.startswith("[") else _canonical(host)
    return None if name is None else parse_authority(name if port is None else f"{name}:{port}")


def _canonical(host: str) -> str | None:
    try:
        return canonical_host(host)
    except ValueError:
        return None
