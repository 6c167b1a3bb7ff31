"""Everything that the connections of callers by HTTP share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Protocol, TypeVar

from chatcli.gateway.web.origins import Origins
from chatcli.gateway.web.streaming import Renderers

if TYPE_CHECKING:
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.metrics import Metrics

Result = TypeVar("Result")


class InThread(Protocol):
    """Runs a function in another thread."""

    def __call__(self, function: Callable[[], Result], on_done: Callable[[Result], None]) -> None:
        """Run a function that raises nothing, and pass on its result in this thread."""


@dataclass(slots=True, kw_only=True)
class Site:
    """Everything that the connections of callers by HTTP share.

    Attributes:
        hub: the hub that sessions belong to.
        handlers: the handler of each frame that a client may send once it is logged in.
        metrics: what is counted.
        in_thread: runs a function in another thread.
        renderers: make streams of the lines of the server, once for all who get the same.
        insecure: whether callers from other machines may do without TLS.
        origins: the server's own names; others take their place when the certificate is read again.
        proxies: those who are believed on whose behalf they call.
    """

    hub: Hub
    handlers: Mapping[type, Handler]
    metrics: Metrics
    in_thread: InThread
    renderers: Renderers = field(default_factory=Renderers)
    insecure: bool = False
    origins: Origins = field(default_factory=lambda: Origins((), 0))
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    _second: int = field(default=-1, init=False)  # of the date below, since 1970
    _date: str = field(default="", init=False)

    def date(self) -> str:
        """Return the present time as answers have it (RFC 9110, section 5.6.7)."""
        second = self.hub.clock() // 1000
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date

    def believes(self, host: str) -> bool:
        """Return whether an address is that of a proxy which is believed on whose behalf it calls."""
        if not self.proxies:
            return False
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self.proxies)
