"""Routes: which request means what."""

from __future__ import annotations

import enum
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import unquote

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.protocol.values.address import WEBSOCKET_PATH


class Kind(enum.Enum):
    """The meaning of a request."""

    PAGE = "the page of the chat, or the one that says what this is"
    APP = "a file of the page of the chat"
    HEALTH = "whether the server is well"
    METRICS = "what the server counts"
    WEBSOCKET = "the beginning of a WebSocket"
    PUBLISH = "a message to a room or a person"
    EVENTS = "the messages of one conversation, or of all, as Server-Sent Events"
    LINES = "the same as lines of JSON"
    HOOK = "a webhook"
    ASK = "a question"
    ANSWER = "the answer to a question"


class Route(NamedTuple):
    """The meaning of a request.

    Attributes:
        kind: its kind.
        name: the room or the person that it is about, as in ``#ops`` or ``bob``, or empty for everything; the token of
            a webhook; the number of a question; the digest and the name of a file.
    """

    kind: Kind
    name: str = ""


_GET: Final = ("GET", "HEAD")
#: Paths with a meaning of their own, and their methods.
_FIXED: Final = {
    "/": (Kind.PAGE, _GET),
    "/healthz": (Kind.HEALTH, _GET),
    "/metrics": (Kind.METRICS, _GET),
    WEBSOCKET_PATH: (Kind.WEBSOCKET, ("GET",)),
    "/-/ask": (Kind.ASK, ("POST",)),
    "/-/hook": (Kind.HOOK, ("POST",)),
    "/-/events": (Kind.EVENTS, _GET),
    "/-/lines": (Kind.LINES, _GET),
}
#: Beginnings of paths whose rest is a name.
_BELOW: Final = {
    "/-/hook/": (Kind.HOOK, ("POST",)),
    "/-/ask/": (Kind.ANSWER, ("GET",)),
    "/-/app/": (Kind.APP, _GET),
}
#: Words that may follow a name.
_STREAMS: Final = {"events": Kind.EVENTS, "lines": Kind.LINES}


def find(head: Head, *, chat: bool) -> Route:
    """Return the meaning of a request.

    Args:
        head: the request.
        chat: whether there is the page of the chat.

    Raises:
        Fault: it has none, or not with its method.
    """
    fixed = _FIXED.get(head.path)
    if fixed is not None:
        kind, methods = fixed
        return _permitted(head, Route(kind), methods)
    for beginning, (kind, methods) in _BELOW.items():
        if head.path.startswith(beginning) and (chat or kind is not Kind.APP):
            return _permitted(head, Route(kind, head.path.removeprefix(beginning)), methods)
    first, *others = head.path.removeprefix("/").split("/")  # before it is decoded: a name may have a slash
    if not first or first == "-" or len(others) > 1:
        raise _unknown()
    name = _name(first)
    if not others:
        if chat and head.wants_html and head.method in _GET:
            return Route(Kind.PAGE, name)
        return _permitted(head, Route(Kind.PUBLISH, name), ("POST",))
    if others[0] not in _STREAMS:
        raise _unknown()
    return _permitted(head, Route(_STREAMS[others[0]], name), _GET)


def _name(part: str) -> str:
    """Return the room or the person that a part of a path names: ``ops`` and ``%23ops`` are ``#ops``, ``@bob`` is bob.

    Raises:
        Fault: it is not encoded in UTF-8, or names nothing.
    """
    try:
        text = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise Fault(HTTPStatus.BAD_REQUEST, "A path is encoded in UTF-8.") from None
    if text in ("@", "#"):
        raise _unknown()
    if text.startswith("@"):
        return text[1:]
    return text if text.startswith("#") else f"#{text}"


def _permitted(head: Head, route: Route, methods: tuple[str, ...]) -> Route:
    """Return the route if a request has one of its methods.

    Raises:
        Fault: it has another one.
    """
    if head.method not in methods:
        allowed = ", ".join(methods)
        text = f"This path takes {allowed} only."
        raise Fault(HTTPStatus.METHOD_NOT_ALLOWED, text, [("Allow", allowed)])
    return route


def _unknown() -> Fault:
    text = (
        'There is nothing here: "POST /ops" says something in #ops, "POST /@bob" to bob, and "GET /ops/events" listens.'
    )
    return Fault(HTTPStatus.NOT_FOUND, text)
