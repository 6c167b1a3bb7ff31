"""Checks of requests before anything is done for them: how they came, and on whose behalf."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.routes import Kind
from chatcli.protocol.values.address import WEBSOCKET_PATH

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.gateway.web.origins import Origins

#: What every page may ask for: it says nothing of anybody.
_OPEN: Final = (Kind.PAGE, Kind.HEALTH)


def check_host(head: Head, origins: Origins) -> None:
    """Raise unless a request is for this server: the page of a name that leads here says its own (DNS rebinding).

    A program may open a WebSocket under any name, as it may a connection: pages give their ``Origin`` there (RFC 6455,
    section 4.1), and then the name counts.

    Raises:
        Fault: it is for another one.
    """
    host = head.headers.get("host")
    if host is None and head.version == "1.0":
        return
    upgrades = head.path == WEBSOCKET_PATH and head.headers.get("upgrade", "").lower() == "websocket"
    if host is not None and upgrades and "origin" not in head.headers:
        return
    if host is None or not origins.host_is_own(host):
        text = (
            'This server does not go by the name in "Host": ask for it by its own name or address, or have its '
            'operator add the name with "chatcli serve --web-name NAME".'
        )
        raise Fault(HTTPStatus.MISDIRECTED_REQUEST, text)


def check_origin(head: Head, kind: Kind, origins: Origins) -> None:
    """Raise if the page of another server has sent a request.

    Raises:
        Fault: it has.
    """
    if head.method in ("GET", "HEAD") and kind in _OPEN:
        return
    origin = head.headers.get("origin")
    own = origin is None or origins.origin_is_own(origin, head.headers.get("host", ""))
    # The page that a file belongs to has its origin; of the same site are those of other servers on one machine, too.
    others = ("cross-site", "same-site") if kind is Kind.APP else ("cross-site",)
    if not own or head.headers.get("sec-fetch-site", "").lower() in others:
        text = (
            "The page of another server has sent this: only pages of this server may. If it is this server under "
            'another name, its operator adds that with "chatcli serve --web-name NAME".'
        )
        raise Fault(HTTPStatus.FORBIDDEN, text)


def without_tls(head: Head, kind: Kind) -> Fault:
    """Return the answer to a request that came without TLS from another machine; its host has been checked."""
    host = head.headers.get("host")
    if head.method in ("GET", "HEAD") and kind is Kind.PAGE and host is not None:
        where = f"https://{host}{head.path}" + (f"?{head.query}" if head.query else "")
        return Fault(HTTPStatus.PERMANENT_REDIRECT, f"This server speaks TLS: {where}", [("Location", where)])
    text = (
        "From another machine this server accepts TLS only: use https. Everyone on the way could read what this "
        "request carried: revoke its token, and make another one."
    )
    return Fault(HTTPStatus.FORBIDDEN, text)
