"""The address of a caller whom proxies forward: ``Forwarded`` (RFC 7239) and ``X-Forwarded-For``.

Each proxy adds the address of its own caller at the right. What is further to the left has been written by that caller,
so it is believed only if that is a proxy that is believed, too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from chatcli.protocol.values.authority import is_ip, parse_authority

Networks = Sequence[IPv4Network | IPv6Network]

_FURTHEST: Final = 20  # proxies, one after the other
_VALUE: Final = r'(?:[^\s",;=]+|"[^",;\\]*")'
_ELEMENT: Final = re.compile(rf"\w+={_VALUE}(?:;\w+={_VALUE})*", re.ASCII)
_FOR: Final = re.compile(rf"(?:^|;)for=({_VALUE})", re.IGNORECASE | re.ASCII)


def caller_address(peer: str, headers: Mapping[str, str], proxies: Networks) -> str:
    """Return the address from which a request comes: that of the connection, unless a believed proxy has that.

    Args:
        peer: the address at the other end of the connection.
        headers: those of the request, by their names in small letters; several of one name are separated by commas.
        proxies: the proxies that are believed.
    """
    if not is_believed(peer, proxies):
        return peer
    named = [header for name in ("forwarded", "x-forwarded-for") if (header := headers.get(name)) is not None]
    found = {_caller(header, proxies) for header in named}
    # Of two that differ a proxy has written one, and its caller the other.
    caller = found.pop() if len(found) == 1 else None
    return peer if caller is None else str(caller)


def is_believed(peer: str, proxies: Networks) -> bool:
    """Return whether a proxy that is believed has an address."""
    address = _address(peer.partition("%")[0]) if proxies else None
    return address is not None and _is_in(address, proxies)


def _caller(header: str, proxies: Networks) -> IPv4Address | IPv6Address | None:
    """Return the last address that is not a proxy's, or else the first; None if one on the way is not an address."""
    caller = None
    for element in reversed(header.split(",")[-_FURTHEST:]):
        caller = _address(_named(element.strip()))
        if caller is None or not _is_in(caller, proxies):
            return caller
    return caller


def _named(element: str) -> str:
    """Return the address in one part of a header, as it is written."""
    if "=" not in element:
        return element
    found = _FOR.findall(element) if _ELEMENT.fullmatch(element) else []
    return found[0].strip('"') if len(found) == 1 else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, perhaps in brackets and with a port."""
    authority = parse_authority(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    if authority is None or not is_ip(authority.host):
        return None
    address = ipaddress.ip_address(authority.host)
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_in(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
