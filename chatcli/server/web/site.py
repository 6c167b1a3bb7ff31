"""Everything that the connections of callers by HTTP share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcli.server.handlers.table import Handler
    from chatcli.server.hub import Hub
    from chatcli.server.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that the connections of callers by HTTP share.

    Attributes:
        hub: the hub that sessions belong to.
        handlers: the handler of each frame that a client may send once it is logged in.
        metrics: what is counted.
        insecure: whether callers from other machines may do without TLS.
    """

    hub: Hub
    handlers: Mapping[type, Handler]
    metrics: Metrics
    insecure: bool = False
