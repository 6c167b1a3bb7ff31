"""The responder of each request."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from chatcli.gateway.web.routes import Kind
from chatcli.server.web.asking import Asking, Awaiting
from chatcli.server.web.hooks import Hooking
from chatcli.server.web.publishing import Publishing
from chatcli.server.web.responders import Chat, Health, Root
from chatcli.server.web.scraping import Scrape
from chatcli.server.web.streaming import Stream

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.gateway.web.routes import Route
    from chatcli.server.web.responders import Answering, Responder
    from chatcli.server.web.site import Site


def responder(  # noqa: C901, PLR0911 (a table)
    site: Site, connection: Answering, route: Route, head: Head
) -> Responder:
    """Return the responder for a request.

    Raises:
        Fault: the request is refused.
    """
    match route.kind:
        case Kind.PAGE:
            return _page(site, connection, head)
        case Kind.APP:
            assert site.page is not None  # noqa: S101 (there would be no such route)
            return Chat(site.page, connection, lambda files: files.file(head, route.name))
        case Kind.HEALTH:
            return Health(site, connection)
        case Kind.METRICS:
            return Scrape(site, connection, head)
        case Kind.PUBLISH:
            return Publishing(connection, head, route.name, site.hub.limits.frame)
        case Kind.HOOK:
            return Hooking(site, connection, head, route.name)
        case Kind.EVENTS | Kind.LINES:
            return Stream(site, connection, route, head)
        case Kind.ASK:
            return Asking(site, connection, head)
        case Kind.ANSWER:
            return Awaiting(site, connection, head, route.name)
        case Kind.WEBSOCKET:
            raise AssertionError("A WebSocket follows a request, and answers none.")
        case _:
            assert_never(route.kind)


def _page(site: Site, connection: Answering, head: Head) -> Responder:
    """Return the responder with the page of the chat for browsers; with the one that says what this is for others."""
    if site.page is None or not head.wants_html:
        return Root(site, connection, head)
    return Chat(site.page, connection, lambda files: files.page(head))
