"""State that all connections by HTTP share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from chatcli.gateway.web.forwarded import is_believed
from chatcli.gateway.web.origins import Origins
from chatcli.gateway.web.streaming import Renderers
from chatcli.server.purse import Purse
from chatcli.server.security.prices import PROBE, PROBES

if TYPE_CHECKING:
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.metrics import Metrics
    from chatcli.server.slices import InThread
    from chatcli.server.web.page.files import LoadedPage


@dataclass(slots=True, kw_only=True)
class Site:
    """State that all connections by HTTP share.

    Attributes:
        hub: the hub that sessions belong to.
        handlers: the handler of each frame that a client may send once it is logged in.
        metrics: what is counted.
        in_thread: runs a function in another thread.
        page: the page of the chat; None if there is none.
        renderers: make streams of the lines of the server, once for all who get the same.
        insecure: whether callers from other machines may do without TLS.
        origins: the server's own names; others take their place when the certificate is read again.
        proxies: those who are believed on whose behalf they call.
        held: bytes of all bodies that have yet to come whole.
    """

    hub: Hub
    handlers: Mapping[type, Handler]
    metrics: Metrics
    in_thread: InThread
    page: LoadedPage | None = None
    renderers: Renderers = field(default_factory=Renderers)
    insecure: bool = False
    origins: Origins = field(default_factory=lambda: Origins((), 0))
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    held: int = 0
    _probes: Purse | None = field(default=None, init=False)  # None until it is needed
    _second: int = field(default=-1, init=False)  # of the date below, since 1970
    _date: str = field(default="", init=False)

    def date(self) -> str:
        """Return the present time as answers have it (RFC 9110, section 5.6.7)."""
        second = self.hub.clock() // 1000
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date

    def spares_probe(self) -> bool:
        """Return whether one more caller who cannot pay may ask whether the server is well.

        It shares its address with all who come through the same forwarder. For everybody together there are a few.
        """
        now = self.hub.rate_limits.clock()
        if self._probes is None:
            self._probes = Purse(PROBES, now)
        return self._probes.wait(now) == 0.0 and not self._probes.pay(0, PROBE)

    def believes(self, host: str) -> bool:
        """Return whether an address is that of a proxy which is believed on whose behalf it calls."""
        return is_believed(host, self.proxies)

    def counts(self, caller: str) -> bool:
        """Return whether the connections under an address are limited: a believed proxy's are not.

        Those for whom it calls are, as soon as it has said who that is.
        """
        return not self.believes(caller)
