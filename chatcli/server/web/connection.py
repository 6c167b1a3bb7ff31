"""A connection of a caller by HTTP: its requests in turn, their deadlines, and the way to a WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web import routes
from chatcli.gateway.web.checks import check_host, check_origin, without_tls
from chatcli.gateway.web.exchange import MOST_HEAD, TEXT, Body, Exchange, Fault, Head, Headers
from chatcli.gateway.web.forwarded import caller_address
from chatcli.gateway.web.routes import Kind
from chatcli.gateway.web.statuses import fault
from chatcli.gateway.websocket import WebSocket, accept
from chatcli.protocol import codes
from chatcli.protocol.values.address import Address, is_loopback
from chatcli.server.connection.flow_control import Pause
from chatcli.server.security.account import Account
from chatcli.server.security.prices import KIB, READ, REQUEST, REQUEST_PORTION, WASTE
from chatcli.server.security.rate_limits import by_http
from chatcli.server.web.deadlines import IDLE, LINGER, RequestDeadlines
from chatcli.server.web.table import responder
from chatcli.server.web.visit import Visit

if TYPE_CHECKING:
    from chatcli.server.connection.opening import Opening
    from chatcli.server.connection.session import Session
    from chatcli.server.model import Token, User
    from chatcli.server.web.responders import Responder
    from chatcli.server.web.site import Site

logger = logging.getLogger(__name__)

_NO_ROUTE: Final = "none"
#: What other machines may ask for without TLS. In a tunnel there is TLS inside; lines in a WebSocket are refused later.
_ALSO_PLAIN: Final = (Kind.HEALTH, Kind.WEBSOCKET)
_LONGEST_MESSAGE: Final = 128 * 1024  # bytes of a message of a WebSocket, unless frames may be longer

_MOST_IGNORED: Final = 4 * 1024 * 1024  # bytes that are read and dropped while a caller takes its last answer
_ANY: Final = ~Pause(0)
_OURS: Final = Fault(
    HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong in the server: its operator finds the reason in its log."
)

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

    #: What an account asks its payer: requests are paid for by the connection and by its address, whoever sends them.
    user: User | None = None
    token: Token | None = None
    welcomed = True
    __slots__ = (
        "_account", "_at_eof", "_believed", "_closed", "_deadlines", "_deaf", "_exchange", "_ignored", "_lingering",
        "_opening", "_peer", "_responder", "_route", "_scheduled", "_secure", "_site", "_upgrade", "_visit",
        "_wire", "caller", "flow",
    )  # fmt: skip

    def __init__(self, site: Site, opening: Opening, *, secure: bool, upgrade: Upgrade) -> None:
        self._site = site
        self._opening = opening
        self._peer = opening.peer  # at the other end of the socket
        self._believed = site.believes(opening.peer.host)
        self._wire = opening.wire
        self._secure = secure
        self._upgrade = upgrade
        self._exchange = Exchange()
        self._responder: Responder | None = None  # answers the present request
        self._route = _NO_ROUTE  # of the present request, for the metrics
        self._visit: Visit | None = None  # made for the first request that needs it
        self._deadlines = RequestDeadlines(opening.age)
        self._account = Account(self, site.hub.rate_limits)
        self._scheduled = False  # to go on
        self._at_eof = False  # the caller sends nothing more
        self._deaf = False  # what the caller sends is ignored
        self._closed = False  # nothing more is sent
        self._lingering = False  # the caller has yet to take the last answer
        self._ignored = 0  # bytes that have come meanwhile
        self.flow = opening.flow
        self.caller = opening.caller
        if not self._believed and (refusal := self._count_as(by_http(self._peer.host))) is not None:
            self._refuse(refusal, last=True)

    def __str__(self) -> str:
        return f"{self._opening.peer} (HTTP)"

    def _count_as(self, caller: str) -> Fault | None:
        """Count the connection under another address from now on; return a fault if that has too many."""
        limits = self._site.hub.rate_limits
        if caller == self.caller:
            return None
        if not limits.add_connection(caller):
            return fault(codes.TOO_MANY, "Your address has too many connections open: close some first.")
        limits.remove_connection(self.caller)
        self.caller = self._opening.caller = caller
        return None

    # What comes from below

    def received(self, data: bytes) -> None:
        """Process bytes from the caller."""
        if self._lingering:
            self._ignored += len(data)
            if self._ignored > _MOST_IGNORED:
                self._wire.abort()
        if self._deaf:
            return
        if self._exchange.idle:
            self._deadlines.restart()
        self._deadlines.gap = 0.0
        self._exchange.receive(data)
        self._account.charge(READ + len(data) / KIB)
        if not self._scheduled:
            self._safely(self._advance)

    def finished(self) -> None:
        """Answer what has come, then close: the caller sends nothing more."""
        self._at_eof = True
        if self._lingering:
            self._hang_up()
        else:
            self._safely(self._end_input)

    def _end_input(self) -> None:
        if self._responder is None:
            if not self._scheduled and not self.flow.blocked:
                self._finish_input()
        elif self._exchange.reading:
            self._finish_input()
        elif not self._responder.outlives_input:
            self._close()

    def _finish_input(self) -> None:
        """Close: nothing more comes, and all that came whole is answered."""
        if self._exchange.reading:
            self._refuse(Fault(HTTPStatus.BAD_REQUEST, "The request ended early."), last=True)
        else:
            self._close()

    def lost(self) -> None:
        """Forget the connection, which is gone."""
        self._closed = self._deaf = True
        self._lingering = False
        self._exchange.stop()
        self._safely(self._leave)
        self.flow.close()

    def _safely(self, function: Callable[[], None]) -> None:
        """Call a function; if it fails, only this connection ends."""
        try:
            function()
        except Exception:
            logger.exception("A request of %s failed.", self)
            self._fail()

    def fail(self, error: Exception) -> None:
        """Log an exception, answer the present request with an error of the server, and close."""
        logger.error("A request of %s failed.", self, exc_info=error)
        self._fail()

    def _fail(self) -> None:
        if self._closed:
            return
        begun = self._exchange.streaming  # whatever followed, the caller would take it for the rest of the answer
        if self._exchange.owing:
            self._count(_OURS.status)
            self._exchange.closing = True
            self._write(self._exchange.refuse(_OURS))
        try:
            self._close()
        except Exception:
            logger.exception("A request of %s could not be cancelled.", self)
        if begun or not self._closed:
            self._wire.abort()

    def _advance(self) -> None:
        """Process the next request, or what has come of it. Others are served before the one after it."""
        if self._deaf or self.flow.blocked:
            return
        more = True
        try:
            event = self._exchange.next()
            more = event is not None
            if isinstance(event, Head):
                self._account.charge(REQUEST)
                self._begin(event)
                event = self._exchange.next() if self._responder is not None else None
            if isinstance(event, Body) and self._responder is not None:
                self._responder.respond(event.data)
        except Fault as refusal:
            self._cancel()
            self._refuse(refusal)
        if not self._deaf:
            self._plan(more=more or self._exchange.busy)

    def _plan(self, *, more: bool) -> None:
        """Go on later, if there may be more to process; read nothing while there is.

        Args:
            more: whether something was processed, or a part of it.
        """
        if self._exchange.busy:
            self._account.charge(REQUEST_PORTION)
        if more and self._exchange.waiting and (self._responder is None or self._exchange.busy):
            self.flow.pause(Pause.BACKLOG)
            self._schedule()
        elif self._responder is not None and self._exchange.waiting > MOST_HEAD:
            self.flow.pause(Pause.BACKLOG)
        else:
            self.flow.resume(Pause.BACKLOG)
            if self._at_eof and self._responder is None and not self._scheduled:
                self._finish_input()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._site.hub.later(0, self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        self._safely(self._advance)

    def _begin(self, head: Head) -> None:
        """Begin with a request.

        Raises:
            Fault: it is refused.
        """
        self._identify(head)
        check_host(head, self._site.origins)
        route = routes.find(head)
        self._route = route.kind.name.lower()
        if self._readable and route.kind not in _ALSO_PLAIN:
            raise without_tls(head, route.kind)
        check_origin(head, route.kind, self._site.origins)
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

    @property
    def _readable(self) -> bool:
        """Whether others on the way may read what comes. A believed proxy has seen to that."""
        private = self._secure or self._believed or self._site.insecure
        return not private and not is_loopback(self._peer.host)

    def _identify(self, head: Head) -> None:
        """Find out on whose behalf a believed proxy calls: that address counts for the request, and what it opens.

        Raises:
            Fault: it has too many connections.
        """
        if not self._believed:
            return
        host = caller_address(self._peer.host, head.headers, self._site.proxies)
        self._opening.peer = Address(host, self._peer.port)
        if (refusal := self._count_as(by_http(self._opening.peer.host))) is not None:
            raise refusal

    def _open_websocket(self, head: Head) -> None:
        """Answer the request for a WebSocket, and go on with that.

        Raises:
            Fault: the request is not right.
        """
        answer, rest = self._exchange.switch(accept(head))
        self._count(HTTPStatus.SWITCHING_PROTOCOLS)
        self._deaf = True
        self.flow.resume(Pause.BACKLOG)
        self._write(answer)
        # Where nothing vouches for the way from end to end, no key can be proved; within a tunnel there is TLS again.
        if not self._secure and not self._site.insecure:
            self._opening.channel = None
        self._opening.readable = self._readable
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
    def secure(self) -> bool:
        """Whether the connection is within TLS."""
        return self._secure

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
        self._schedule()

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
        self._schedule()  # later: the caller of this is in the middle of something else

    def _finish(self) -> None:
        """Be ready for the next request, or close."""
        self._responder = None
        self._route = _NO_ROUTE
        self._deadlines.restart()
        if self._exchange.closing:
            self._close()

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
        return self._account

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""
        return self._closed

    def hold(self) -> None:
        """Process nothing from the caller until it can pay."""
        self.flow.pause(Pause.ALLOWANCE)

    def release(self) -> None:
        """Process what the caller sends again: it can pay."""
        self.flow.resume(Pause.ALLOWANCE)
        if not self._deaf:
            self._schedule()

    def pay_for_waste(self, size: int) -> None:
        """Pay for bytes of TLS that carried nothing."""
        self._account.charge(size / WASTE)

    def pause_writing(self) -> None:
        """Stop what is sent: the socket is full."""
        self.flow.pause(Pause.UNSENT)
        if self._responder is not None:
            self._safely(self._responder.pause_writing)

    def resume_writing(self) -> None:
        """Go on: the socket takes more."""
        self.flow.resume(Pause.UNSENT)
        if self._responder is not None:
            self._safely(self._responder.resume_writing)

    def stop_reading(self) -> None:
        """Process nothing more from the caller: the server is about to stop."""
        self._deaf = True
        if session := self.session:
            session.stop_reading()

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""
        self._account.reset()
        if self._visit is not None:
            self._visit.tick(seconds)
        deadlines, limits = self._deadlines, self._site.hub.limits
        unsent = self.unsent
        deadlines.tick(seconds, unsent, held=not self._closed and (self.flow.paused or self._waits_for(unsent)))
        if self._closed:
            if self._lingering and deadlines.age > LINGER:
                self._hang_up()
            elif deadlines.age > limits.closing:
                self._wire.abort()
        elif deadlines.stalled > limits.stalled:
            self._wire.abort()
        elif self._exchange.reading:
            if deadlines.late(limits.handshake if self._responder is None else None):
                text = "The request did not come whole in time."
                self._refuse(Fault(HTTPStatus.REQUEST_TIMEOUT, text), last=True)
        elif self._responder is not None:
            responder = self._responder
            self._safely(lambda: responder.tick(seconds))
        elif deadlines.age > IDLE:
            self._close()

    def _waits_for(self, unsent: int) -> bool:
        """Return whether the caller is busy with the last answer, and not yet idle."""
        return bool(unsent) and self._exchange.idle

    def close(self, code: str, text: str) -> None:
        """Answer what is open with the reason, and close."""
        if self._lingering:
            self._hang_up()
        if self._closed:
            return
        if self._exchange.streaming and self.session is not None:
            self.session.close(code, text)  # which says so in the stream, and ends that
        elif self._responder is not None or self._exchange.reading:
            self._cancel()
            self._refuse(fault(code, text), last=True)
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
        self._deadlines.restart()
        self._lingering = self._exchange.lingering and not self._at_eof
        self._exchange.stop()
        self.flow.resume(_ANY)
        self.flow.close()
        if not self._lingering:
            self._hang_up()

    def _hang_up(self) -> None:
        self._lingering = False
        self._deadlines.restart()
        try:
            self._wire.close()
        except OSError:
            self._wire.abort()

    def abort(self) -> None:
        """Close at once."""
        self._wire.abort()
