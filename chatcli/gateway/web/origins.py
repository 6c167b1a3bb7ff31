"""The server's own names, and the pages that may call it: checks of ``Host`` and ``Origin``.

A page of someone else's reaches a server in two ways: it calls it, and then ``Origin`` names that page; or its own name
is made to lead to the server's address (DNS rebinding), and then ``Host`` has that name. Addresses need no list: a page
at an address comes from the machine that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from chatcli.protocol.values.address import SCHEMES, is_loopback
from chatcli.protocol.values.authority import Authority, is_ip, parse_authority

_LOCAL: Final = "localhost"
_ORIGIN: Final = re.compile(r"(https?)://(.+)")


class Origins:
    """The server's own names.

    Args:
        names: host names under which the server is reached, each followed by ``:PORT`` if pages come from another port
            than the server's. Those that cannot be a name are ignored.
        port: the server's port.
    """

    def __init__(self, names: Iterable[str], port: int) -> None:
        own = [authority for name in names if (authority := parse_authority(name)) is not None]
        self._hosts = frozenset(authority.host for authority in own)
        # A page at localhost may be one of another server, on the machine of the browser.
        self._pages = frozenset(
            (host, at) for host, own_port in own if not _is_local(host) for at in (port, own_port or port)
        )

    def host_is_own(self, host_header: str) -> bool:
        """Return whether a ``Host`` names this server, at any port: tunnels and proxies have their own."""
        authority = parse_authority(host_header)
        return authority is not None and self._is_own(authority.host)

    def origin_is_own(self, origin: str, host_header: str) -> bool:
        """Return whether a page of this server has sent a request.

        Args:
            origin: the ``Origin`` of the request.
            host_header: its ``Host``.
        """
        found = _ORIGIN.fullmatch(origin)
        page = None if found is None else parse_authority(found[2])
        if found is None or page is None:
            return False
        default = SCHEMES[found[1]]
        port = default if page.port is None else page.port
        if (page.host, port) in self._pages and _fits(found[1], port):
            return True
        called = parse_authority(host_header)
        if called is None or called.host != page.host or not self._is_own(called.host):
            return False
        return port == (default if called.port is None else called.port)

    def page_is_own(self, origin: str, host_header: str) -> bool:
        """Return whether an origin is one of this server's, spelled as browsers do (``location.origin``).

        There is one spelling of each origin, so that nothing that was signed can be read in two ways.

        Args:
            origin: the origin, as a page states it.
            host_header: the ``Host`` of the request that the page has sent.
        """
        return _spelling(origin) == origin and self.origin_is_own(origin, host_header)

    def _is_own(self, host: str) -> bool:
        return host in self._hosts or _is_local(host) or is_ip(host)


def _is_local(host: str) -> bool:
    """Return whether a host is the caller's own machine."""
    return host == _LOCAL or host.endswith(f".{_LOCAL}") or is_loopback(host)


def _spelling(origin: str) -> str | None:
    """Return an origin as browsers spell it: in lower case and without the usual port; None if it is none."""
    found = _ORIGIN.fullmatch(origin)
    page = None if found is None else parse_authority(found[2])
    if found is None or page is None:
        return None
    port = None if page.port == SCHEMES[found[1]] else page.port
    return f"{found[1]}://{Authority(page.host, port)}"


def _fits(scheme: str, port: int) -> bool:
    """Return whether a page of a scheme can come from a port: no page is read without TLS from the port of https."""
    return port not in SCHEMES.values() or port == SCHEMES[scheme]
