"""Admission: whether a request by HTTP is let in, and under whose address it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.gateway.web import routes
from chatcli.gateway.web.checks import check_host, check_origin, without_tls
from chatcli.gateway.web.forwarded import caller_address
from chatcli.gateway.web.routes import Kind, Route
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol.values.address import Address, is_loopback
from chatcli.server.security.rate_limits import by_http

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.server.connection.opening import Opening, OwnsPage
    from chatcli.server.web.site import Site

#: What other machines may ask for without TLS. In a tunnel there is TLS inside; lines in a WebSocket are refused later.
_ALSO_PLAIN: Final = (Kind.HEALTH, Kind.WEBSOCKET)


class Admission:
    """Lets in the requests on one connection, each on behalf of its sender.

    The address of the caller is kept in the opening, which what is opened by a request inherits.

    Args:
        site: everything that such connections share.
        opening: the connection.
        secure: whether it is within TLS.

    Attributes:
        believed: whether a proxy calls that is believed.
    """

    __slots__ = ("_opening", "_peer", "_secure", "_site", "believed")

    def __init__(self, site: Site, opening: Opening, *, secure: bool) -> None:
        self._site = site
        self._opening = opening
        self._secure = secure
        self._peer = opening.peer  # at the other end of the socket
        self.believed = site.believes(opening.peer.host)

    def count(self) -> None:
        """Count the connection under the address of its caller, unless its requests will say whose that is.

        Raises:
            Fault: that address has too many connections.
        """
        if not self.believed:
            self._count_as(by_http(self._peer.host))

    def _count_as(self, caller: str) -> None:
        """Count the connection under another address from now on.

        Raises:
            Fault: that has too many.
        """
        limits = self._site.hub.rate_limits
        if caller == self._opening.caller:
            return
        if self._site.counts(caller) and not limits.add_connection(caller):
            raise fault(codes.TOO_MANY, "Your address has too many connections open: close some first.")
        if self._site.counts(self._opening.caller):
            limits.remove_connection(self._opening.caller)
        self._opening.caller = caller

    def identify(self, head: Head) -> Route:
        """Return the meaning of a request that is for this server, and count it under the address of its caller.

        Raises:
            Fault: it is for another server, or has no meaning, or its caller has too many connections.
        """
        if self.believed:
            host = caller_address(self._peer.host, head.headers, self._site.proxies)
            self._opening.peer = Address(host, self._peer.port)
            self._count_as(by_http(host))
        check_host(head, self._site.origins)
        return routes.find(head, chat=self._site.page is not None)

    def check(self, head: Head, kind: Kind) -> None:
        """Raise unless a request has come in a way that is good enough for what it asks for.

        Raises:
            Fault: it has not.
        """
        if self._readable and kind not in _ALSO_PLAIN:
            raise without_tls(head, kind)
        if self._plain and self._site.page is not None and kind is Kind.PAGE and head.wants_html and not head.forwarded:
            raise without_tls(head, kind)  # browsers let no page use keys otherwise, whatever the operator allows
        check_origin(head, kind, self._site.origins)

    @property
    def _readable(self) -> bool:
        """Whether others on the way may read what comes, and the operator has not allowed that."""
        return self._plain and not self._site.insecure

    @property
    def _plain(self) -> bool:
        """Whether others on the way may read what comes. A believed proxy has seen to that."""
        return not (self._secure or self.believed or is_loopback(self._peer.host))

    def hand_over(self, head: Head) -> None:
        """Prepare the opening for the first word in a WebSocket that a request has opened."""
        # Where nothing vouches for the way from end to end, no key can be proved; within a tunnel there is TLS again.
        if not self._secure and not self._site.insecure:
            self._opening.channel = None
        if "origin" in head.headers:  # as every page has it; that it is an own one has been checked
            self._opening.owns_page = self._owns_page(head.headers.get("host", ""))
        self._opening.readable = self._readable
        self._opening.age = 0.0

    def _owns_page(self, host_header: str) -> OwnsPage:
        site = self._site  # whose names may change
        return lambda origin: site.origins.page_is_own(origin, host_header)
