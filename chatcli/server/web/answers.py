"""Answers to the requests on one connection: whole ones, streams, errors, each of them counted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web.answers import TEXT, Fault, Headers
from chatcli.server.web.visit import Visit

if TYPE_CHECKING:
    from chatcli.gateway.web.exchange import Exchange
    from chatcli.server.connection.opening import Opening
    from chatcli.server.connection.session import Session
    from chatcli.server.web.lingering import LingeringWire
    from chatcli.server.web.site import Site

logger = logging.getLogger(__name__)

_NO_ROUTE: Final = "none"


class Answers:
    """Answers requests, one after the other: an :class:`~chatcli.server.web.responders.Answering`.

    Args:
        site: everything that such connections share.
        opening: the connection.
        exchange: its HTTP.
        wire: what carries it.
        secure: whether it is within TLS.
        believed: whether a proxy calls that is believed.
        on_end: called when an answer is complete.
        on_failure: called when an answer has failed by a mistake of ours.

    Attributes:
        opening: as given.
        secure: as given.
        believed: as given.
    """

    __slots__ = (
        "_exchange", "_on_end", "_on_failure", "_route", "_site", "_visit", "_wire", "believed", "opening", "secure",
    )  # fmt: skip

    def __init__(
        self,
        site: Site,
        opening: Opening,
        exchange: Exchange,
        wire: LingeringWire,
        *,
        secure: bool,
        believed: bool,
        on_end: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        self._site = site
        self._exchange = exchange
        self._wire = wire
        self._on_end = on_end
        self._on_failure = on_failure
        self._route = _NO_ROUTE  # of the present request
        self._visit: Visit | None = None  # made for the first request that needs it
        self.opening = opening
        self.secure = secure
        self.believed = believed

    def begin(self, route: str = _NO_ROUTE) -> None:
        """Count what follows as the answer to a request of a route."""
        self._route = route

    # The session that requests share

    @property
    def visit(self) -> Visit:
        """The session that requests share which say something, one after the other."""
        if self._visit is None:
            self._visit = Visit(self._site, self)
        return self._visit

    @property
    def session(self) -> Session | None:
        """That session, if there is one."""
        return None if self._visit is None else self._visit.session

    def leave(self) -> None:
        """End that session."""
        if self._visit is not None:
            self._visit.end()

    def tick(self, seconds: float) -> None:
        """Check the deadlines of that session."""
        if self._visit is not None:
            self._visit.tick(seconds)

    # Answers

    @property
    def unsent(self) -> int:
        """Bytes that the socket has yet to take."""
        return self._wire.unsent

    def answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: Headers = ()) -> None:
        """Answer the present request as a whole."""
        self.count(status)
        self._wire.write(self._exchange.answer(status, content_type, body, headers))
        self._on_end()

    def answer_text(self, status: HTTPStatus, text: str, headers: Headers = ()) -> None:
        """Answer the present request with a line of text."""
        self.answer(status, TEXT, f"{text}\n".encode(), headers)

    def refuse(self, fault: Fault) -> None:
        """Answer the present request with an error."""
        self.write_error(fault)
        self._on_end()

    def write_error(self, fault: Fault) -> None:
        """Send an error as the answer, if there is none yet. What follows is decided by who calls this."""
        if answer := self._exchange.refuse(fault):
            self.count(fault.status)
            self._wire.write(answer)

    def fail(self, error: Exception) -> None:
        """Log an exception, answer the present request with an error of the server, and close."""
        logger.error("A request of %s (HTTP) failed.", self.opening, exc_info=error)
        self._on_failure()

    def start_stream(self, content_type: str, headers: Headers = (), *, last: bool = False) -> None:
        """Begin an answer of unknown length, after which the connection is closed if it is the last one."""
        self.count(HTTPStatus.OK)
        self._exchange.closing |= last
        self.leave()
        self._wire.write(self._exchange.start_stream(content_type, headers))

    def send_part(self, data: bytes) -> None:
        """Send a part of that answer."""
        self._wire.write(self._exchange.part(data))

    def end_stream(self) -> None:
        """End that answer."""
        self._wire.write(self._exchange.end_stream())
        self._on_end()

    def break_off(self) -> None:
        """Close the connection without an end of that answer, so that the caller knows that there was more."""
        self._exchange.closing = True
        self._on_end()

    def switch(self, headers: Headers) -> bytes:
        """Send the answer that switches to another protocol; return the bytes that have come in that already."""
        answer, rest = self._exchange.switch(headers)
        self.count(HTTPStatus.SWITCHING_PROTOCOLS)
        self._wire.write(answer)
        return rest

    def count(self, status: HTTPStatus) -> None:
        """Count an answer."""
        self._site.hub.counts.requests[self._route, status.value] += 1
