"""The names under which browsers and proxies reach this server."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping

from chatcli.codespaces import codespace
from chatcli.protocol.values.address import SCHEMES
from chatcli.protocol.values.authority import parse_authority


def own_names(
    certificate_names: Iterable[str], web_names: Iterable[str], environ: Mapping[str, str], port: int
) -> list[str]:
    """Return the server's own names, for :class:`chatcli.gateway.web.origins.Origins`.

    They come from the certificate, from the operator, and from this machine, which is not asked for more than its own
    name: nothing is looked up. Names with a wildcard are left out: others may have names that it fits.

    Args:
        certificate_names: the names in the server's certificate.
        web_names: the names that the operator gives. Without a port they are reached at that of https, too.
        environ: the variables of this process.
        port: the server's port.
    """
    https = SCHEMES["https"]
    machine = socket.gethostname()
    local = [] if "." in machine else [f"{machine}.local"]
    names = [*certificate_names, machine, *local, *web_names]
    names += [f"{name}:{https}" for name in web_names if (found := parse_authority(name)) and found.port is None]
    forwarded = codespace(environ)
    if forwarded is not None:
        names.append(f"{forwarded.host(port)}:{https}")
    return list(dict.fromkeys(names))
