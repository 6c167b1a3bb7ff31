"""A connection of a caller by HTTP: its requests in turn, their deadlines, and the way to a WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web import routes
from chatcli.gateway.web.exchange import MOST_HEAD, TEXT, Body, Exchange, Fault, Head, Headers
from chatcli.gateway.web.routes import Kind
from chatcli.gateway.websocket import WebSocket, accept
from chatcli.protocol import codes
from chatcli.protocol.values.address import is_loopback
from chatcli.server.connection.flow_control import Pause
from chatcli.server.security.rate_limits import by_http
from chatcli.server.web.table import responder
from chatcli.server.web.visit import Visit

if TYPE_CHECKING:
    from chatcli.server.connection.opening import Opening
    from chatcli.server.connection.session import Session
    from chatcli.server.security.account import Account
    from chatcli.server.web.responders import Responder
    from chatcli.server.web.site import Site

logger = logging.getLogger(__name__)

_REQUEST: Final = 30.0  # seconds for a whole request
_GAP: Final = 10.0  # seconds without a byte of it
_IDLE: Final = 60.0  # seconds between two requests
_NO_ROUTE: Final = "none"
#: What other machines may ask for without TLS. In a tunnel there is TLS inside; lines in a WebSocket are refused later.
_ALSO_PLAIN: Final = (Kind.HEALTH, Kind.WEBSOCKET)
_LONGEST_MESSAGE: Final = 128 * 1024  # bytes of a message of a WebSocket, unless frames may be longer

#: Goes on with a WebSocket in the place of HTTP; gets also the bytes that have come for it already.
Upgrade = Callable[["Opening", WebSocket, bytes], None]


class HttpConnection:
    """HTTP on one connection.

    It stands where an opening stood and a session may stand: the end of the connection that the hub and the socket
    know, and the receiver on top of all layers.

    Args:
        site: everything that such connections share.
        opening: the connection until now.
        secure: whether it is within TLS.
        upgrade: called where a WebSocket follows.

    Attributes:
        caller: the address under which the limits of each address count.
        flow: flow control of the connection.
    """

    __slots__ = (
        "_age", "_closed", "_deaf", "_exchange", "_gap", "_opening", "_responder", "_route", "_secure", "_site",
        "_upgrade", "_visit", "_wire", "caller", "flow",
    )  # fmt: skip

    def __init__(self, site: Site, opening: Opening, *, secure: bool, upgrade: Upgrade) -> None:
        self._site = site
        self._opening = opening
        self._wire = opening.wire
        self._secure = secure
        self._upgrade = upgrade
        self._exchange = Exchange()
        self._responder: Responder | None = None  # answers the present request
        self._route = _NO_ROUTE  # of the present request, for the metrics
        self._visit: Visit | None = None  # made for the first request that needs it
        self._age = opening.age  # seconds since the request began, or since the last one was answered
        self._gap = 0.0  # seconds since the last byte of it
        self._closed = self._deaf = False
        self.flow = opening.flow
        self.caller = opening.caller
        self._count_as(by_http(opening.peer.host))

    def __str__(self) -> str:
        return f"{self._opening.peer} (HTTP)"

    def _count_as(self, caller: str) -> None:
        """Count the connection under another address from now on, unless that has too many."""
        limits = self._site.hub.rate_limits
        if caller == self.caller:
            return
        if not limits.add_connection(caller):
            self._deaf = True
            text = "Your address has too many connections open: close some first."
            self._refuse(Fault(HTTPStatus.TOO_MANY_REQUESTS, text, [("Retry-After", "60")]), last=True)
            return
        limits.remove_connection(self.caller)
        self.caller = self._opening.caller = caller

    # What comes from below

    def received(self, data: bytes) -> None:
        """Process bytes from the caller."""
        if self._deaf:
            return
        self._gap = 0.0
        self._exchange.receive(data)
        self._advance()

    def finished(self) -> None:
        """Answer what is open, then close: the caller sends nothing more."""
        if self._responder is None or not self._responder.outlives_input:
            self._close()
        else:
            self._exchange.closing = True

    def lost(self) -> None:
        """Forget the connection, which is gone."""
        self._closed = self._deaf = True
        self._exchange.stop()
        self._leave()
        self.flow.close()

    def _advance(self) -> None:
        """Process what has come, one request after the other."""
        try:
            while self._responder is None and not self._deaf and (event := self._exchange.next()) is not None:
                assert isinstance(event, Head)  # noqa: S101 (nobody has asked for a body)
                self._begin(event)
            if self._responder is not None and (event := self._exchange.next()) is not None:
                assert isinstance(event, Body)  # noqa: S101 (its head came before)
                self._age = 0.0
                self._responder.respond(event.data)
        except Fault as fault:
            self._cancel()
            self.refuse(fault)
        if self._exchange.waiting > MOST_HEAD:
            self.flow.pause(Pause.BACKLOG)

    def _begin(self, head: Head) -> None:
        """Begin with a request.

        Raises:
            Fault: it is refused.
        """
        route = routes.find(head)
        self._route = route.kind.name.lower()
        self._check(head, route)
        if route.kind is Kind.WEBSOCKET:
            self._open_websocket(head)
            return
        answering = responder(self._site, self, route, head)
        if answering.most_body and head.has_body:
            self._responder = answering
            if going_on := self._exchange.read_body(answering.most_body):
                self._write(going_on)
        else:
            self._responder = answering
            answering.respond(b"")

    def _check(self, head: Head, route: routes.Route) -> None:
        """Raise unless a request may come this way.

        Raises:
            Fault: it may not.
        """
        local = is_loopback(self._opening.peer.host)
        if self._secure or local or self._site.insecure or route.kind in _ALSO_PLAIN:
            return
        if head.method in ("GET", "HEAD") and route.kind is Kind.PAGE and "host" in head.headers:
            where = f"https://{head.headers['host']}{head.path}"
            raise Fault(HTTPStatus.PERMANENT_REDIRECT, f"This server speaks TLS: {where}", [("Location", where)])
        text = (
            "From another machine this server accepts TLS only: use https. Everyone on the way could read what this "
            "request carried: revoke its token, and make another one."
        )
        raise Fault(HTTPStatus.FORBIDDEN, text)

    def _open_websocket(self, head: Head) -> None:
        """Answer the request for a WebSocket, and go on with that.

        Raises:
            Fault: the request is not right.
        """
        answer, rest = self._exchange.switch(accept(head))
        self._count(HTTPStatus.SWITCHING_PROTOCOLS)
        self._deaf = True
        self._write(answer)
        # Where nothing vouches for the way from end to end, no key can be proved; within a tunnel there is TLS again.
        if not self._secure and not self._site.insecure:
            self._opening.channel = None
        self._opening.age = 0.0
        self._upgrade(self._opening, WebSocket(max(self._site.hub.limits.frame, _LONGEST_MESSAGE)), rest)

    # What responders call

    @property
    def opening(self) -> Opening:
        """The connection as sessions inherit it."""
        return self._opening

    @property
    def visit(self) -> Visit:
        """The session that requests share which say something, one after the other."""
        if self._visit is None:
            self._visit = Visit(self._site, self)
        return self._visit

    @property
    def unsent(self) -> int:
        """Bytes that the socket has yet to take."""
        return self._wire.get_write_buffer_size()

    def answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: Headers = ()) -> None:
        """Answer the present request as a whole."""
        self._count(status)
        self._write(self._exchange.answer(status, content_type, body, headers))
        self._done()

    def answer_text(self, status: HTTPStatus, text: str, headers: Headers = ()) -> None:
        """Answer the present request with a line of text."""
        self.answer(status, TEXT, f"{text}\n".encode(), headers)

    def refuse(self, fault: Fault) -> None:
        """Answer the present request with an error."""
        self._refuse(fault)
        if self._responder is None:
            self._site.hub.later(0, self._go_on)

    def start_stream(self, content_type: str, headers: Headers = (), *, last: bool = False) -> None:
        """Begin an answer of unknown length, after which the connection is closed if it is the last one."""
        self._count(HTTPStatus.OK)
        self._exchange.closing |= last
        if self._visit is not None:
            self._visit.end()
        self._write(self._exchange.start_stream(content_type, headers))

    def send_part(self, data: bytes) -> None:
        """Send a part of that answer."""
        self._write(self._exchange.part(data))

    def end_stream(self) -> None:
        """End that answer."""
        self._write(self._exchange.end_stream())
        self._done()

    def break_off(self) -> None:
        """Close the connection without an end of that answer, so that the caller knows that there was more."""
        self._exchange.closing = True
        self._finish()

    def _refuse(self, fault: Fault, *, last: bool = False) -> None:
        self._exchange.closing |= last
        if answer := self._exchange.refuse(fault):
            self._count(fault.status)
            self._write(answer)
        self._finish()

    def _done(self) -> None:
        self._finish()
        # Later: the caller of this is in the middle of something else.
        self._site.hub.later(0, self._go_on)

    def _finish(self) -> None:
        """Be ready for the next request, or close."""
        self._responder = None
        self._route = _NO_ROUTE
        self._age = self._gap = 0.0
        if self._exchange.closing:
            self._close()

    def _go_on(self) -> None:
        if not self._closed and self._responder is None:
            self.flow.resume(Pause.BACKLOG)
            self._advance()

    def _count(self, status: HTTPStatus) -> None:
        self._site.hub.counts.requests[self._route, status.value] += 1

    def _write(self, data: bytes) -> None:
        if data and not self._closed:
            # A transport may be closed a moment before anybody learns of it.
            try:
                self._wire.write(data)
            except RuntimeError:
                pass
            except OSError:  # TLS below is in a state in which nothing can be sent
                self._wire.abort()

    # What the socket and the hub call

    @property
    def session(self) -> Session | None:
        """The session of the present request, or of the requests so far, if there is one."""
        if self._responder is not None and self._responder.session is not None:
            return self._responder.session
        return None if self._visit is None else self._visit.session

    @property
    def account(self) -> Account:
        """The account of the connection."""
        return self._opening.account

    def pay_for_waste(self, size: int) -> None:
        """Pay for bytes of TLS that carried nothing."""
        self._opening.pay_for_waste(size)

    def pause_writing(self) -> None:
        """Stop what is sent: the socket is full."""
        self.flow.pause(Pause.UNSENT)
        if self._responder is not None:
            self._responder.pause_writing()

    def resume_writing(self) -> None:
        """Go on: the socket takes more."""
        self.flow.resume(Pause.UNSENT)
        if self._responder is not None:
            self._responder.resume_writing()

    def stop_reading(self) -> None:
        """Process nothing more from the caller: the server is about to stop."""
        self._deaf = True
        if session := self.session:
            session.stop_reading()

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        self._age += seconds
        self._gap += seconds
        if self._visit is not None:
            self._visit.tick(seconds)
        if self._closed:
            if self._age > self._site.hub.limits.closing:
                self._wire.abort()
        elif self._exchange.reading:
            limit = self._site.hub.limits.handshake if self._responder is None else _REQUEST
            if self._age > limit or self._gap > _GAP:
                text = "The request did not come whole in time."
                self._refuse(Fault(HTTPStatus.REQUEST_TIMEOUT, text), last=True)
        elif self._responder is not None:
            self._responder.tick(seconds)
        elif self._age > _IDLE:
            self._close()

    def close(self, code: str, text: str) -> None:
        """Answer what is open with the reason, and close."""
        if self._closed:
            return
        if self._exchange.streaming and self.session is not None:
            self.session.close(code, text)  # which says so in the stream, and ends that
        elif self._responder is not None or self._exchange.reading:
            self._cancel()
            status = HTTPStatus.SERVICE_UNAVAILABLE if code == codes.STOPPING else HTTPStatus.FORBIDDEN
            self._refuse(Fault(status, text, [("Retry-After", "5")]), last=True)
        else:
            self._close()

    def _cancel(self) -> None:
        answering, self._responder = self._responder, None
        if answering is not None:
            answering.cancel()

    def _leave(self) -> None:
        """Drop the answer, and the session."""
        self._cancel()
        if self._visit is not None:
            self._visit.end()

    def _close(self) -> None:
        if self._closed:
            return
        self._leave()
        self._closed = self._deaf = True
        self._age = 0.0
        self._exchange.stop()
        self.flow.close()
        try:
            self._wire.close()
        except OSError:
            self._wire.abort()

    def abort(self) -> None:
        """Close at once."""
        self._wire.abort()
