"""A connection of a caller by HTTP: its requests in turn, their deadlines, and the way to a WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.exchange import Body, Exchange
from chatcli.gateway.web.heads import MOST_HEAD, Head
from chatcli.gateway.web.routes import Kind
from chatcli.gateway.web.statuses import fault
from chatcli.gateway.websocket import WebSocket, accept
from chatcli.protocol import codes
from chatcli.server.connection.flow_control import Pause
from chatcli.server.security.account import Account
from chatcli.server.security.prices import KIB, READ, REQUEST, REQUEST_PORTION, WASTE
from chatcli.server.web.admission import Admission
from chatcli.server.web.answers import Answers
from chatcli.server.web.deadlines import IDLE, LOADED, RequestDeadlines
from chatcli.server.web.lingering import LingeringWire
from chatcli.server.web.table import responder

if TYPE_CHECKING:
    from chatcli.server.connection.opening import Opening
    from chatcli.server.connection.session import Session
    from chatcli.server.model import Token, User
    from chatcli.server.web.responders import Responder
    from chatcli.server.web.site import Site

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE: Final = 128 * 1024  # bytes of a message of a WebSocket, unless frames may be longer

_LOADING: Final = (Kind.PAGE, Kind.APP)
_ANY: Final = ~Pause(0)
_OURS: Final = Fault(
    HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong in the server: its operator finds the reason in its log."
)
_LATE: Final = Fault(HTTPStatus.REQUEST_TIMEOUT, "The request did not come whole in time.")
_UNPAID: Final = "Too much came from you or from your address lately: wait."
_CROWDED: Final = "The server has too many long requests under way: try again later."

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
        flow: flow control of the connection.
    """

    #: What an account asks its payer: requests are paid for by the connection and by its address, whoever sends them.
    user: User | None = None
    token: Token | None = None
    welcomed = True
    __slots__ = (
        "_account", "_admission", "_answers", "_at_eof", "_deadlines", "_deaf", "_exchange", "_held", "_opening",
        "_responder", "_scheduled", "_site", "_upgrade", "_wire", "flow",
    )  # fmt: skip

    def __init__(self, site: Site, opening: Opening, *, secure: bool, upgrade: Upgrade) -> None:
        self._site = site
        self._opening = opening
        self._wire = LingeringWire(opening.wire)
        self._upgrade = upgrade
        self._exchange = Exchange(site.date)
        self._admission = Admission(site, opening, secure=secure)
        self._answers = Answers(
            site,
            opening,
            self._exchange,
            self._wire,
            secure=secure,
            believed=self._admission.believed,
            on_end=self._answered,
            on_failure=self._fail,
        )
        self._responder: Responder | None = None  # answers the present request
        self._deadlines = RequestDeadlines(opening.age)
        self._account = Account(self, site.hub.rate_limits)
        self._held = 0  # bytes of its body that are counted among those of all connections
        self._scheduled = False  # to go on
        self._at_eof = False  # the caller sends nothing more
        self._deaf = False  # what the caller sends is ignored
        self.flow = opening.flow
        try:
            self._admission.count()
        except Fault as refusal:
            self._refuse(refusal, last=True)

    def __str__(self) -> str:
        return f"{self._opening.peer} (HTTP)"

    # What comes from below

    def received(self, data: bytes) -> None:
        """Process bytes from the caller."""
        self._wire.drop(len(data))
        if self._deaf:
            return
        if self._exchange.idle:
            self._deadlines.restart()
        self._deadlines.gap = 0.0
        self._exchange.receive(data)
        self._account.charge(READ + len(data) / KIB)
        if self._account.overdrawn:
            self.flow.pause(Pause.ALLOWANCE)  # again, if it was idle
        if not self._scheduled:
            self._safely(self._advance)

    def finished(self) -> None:
        """Answer what has come, then close: the caller sends nothing more."""
        self._at_eof = True
        if self._wire.lingering:
            self._wire.hang_up()
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
        self._deaf = True
        self._wire.lost()
        self._exchange.stop()
        self._count_body()
        self._safely(self._leave)
        self.flow.close()

    def _safely(self, function: Callable[[], None]) -> None:
        """Call a function; if it fails, only this connection ends."""
        try:
            function()
        except Exception:
            logger.exception("A request of %s failed.", self)
            self._fail()

    def _fail(self) -> None:
        if self._wire.closed:
            return
        begun = self._exchange.streaming  # whatever followed, the caller would take it for the rest of the answer
        if self._exchange.owing:
            self._exchange.closing = True
            self._answers.write_error(_OURS)
        try:
            self._close()
        except Exception:
            logger.exception("A request of %s could not be cancelled.", self)
        if begun or not self._wire.closed:
            self._wire.abort()

    def _advance(self) -> None:
        """Process the next request, or what has come of it. Others are served before the one after it."""
        if self._deaf or not self._may_go_on():
            return
        more = True
        try:
            event = self._exchange.next()
            more = event is not None
            if isinstance(event, Head):
                self._account.charge(REQUEST)
                self._begin(event)
                event = self._exchange.next() if self._responder is not None else None
            if self._count_body() > 0:
                self._check_room(0)
            if isinstance(event, Body) and self._responder is not None:
                self._responder.respond(event.data)
        except Fault as refusal:
            self._refuse(refusal)
        if not self._deaf:
            self._plan(more=more or self._exchange.busy)

    def _may_go_on(self) -> bool:
        """Return whether to process what has come; refuse a body that comes while its caller cannot pay for it."""
        if not self.flow.blocked:
            return True
        if self._responder is None and self._exchange.pushing:
            self._refuse(self._unpaid(), last=True)
            return False
        return self._responder is None and self._exchange.probing and self._site.spares_probe()

    def _unpaid(self) -> Fault:
        return fault(codes.TOO_MANY, _UNPAID, wait=self._account.debt())

    def _count_body(self) -> int:
        """Count the body among those of all connections; return by how many bytes it has grown."""
        grown = self._exchange.held - self._held
        self._held += grown
        self._site.held += grown
        return grown

    def _check_room(self, more: int) -> None:
        """Raise unless there is memory for more of a body.

        Args:
            more: bytes that have yet to come.

        Raises:
            Fault: there is not.
        """
        if self._site.held + more > self._site.hub.limits.bodies:
            raise fault(codes.FULL, _CROWDED)

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
        route = self._admission.identify(head)
        self._answers.begin(route.kind.name.lower())
        self._deadlines.idle = LOADED if route.kind in _LOADING else IDLE
        self._admission.check(head, route.kind)
        if route.kind is Kind.WEBSOCKET:
            self._open_websocket(head)
            return
        self._responder = answering = responder(self._site, self._answers, route, head)
        if answering.most_body and not answering.admit():
            return
        if answering.most_body and head.has_body:
            self._check_room(min(int(head.headers.get("content-length", "0")), answering.most_body))
            if going_on := self._exchange.read_body(answering.most_body):
                self._wire.write(going_on)
        else:
            answering.respond(b"")

    def _open_websocket(self, head: Head) -> None:
        """Answer the request for a WebSocket, and go on with that.

        Raises:
            Fault: the request is not right.
        """
        rest = self._answers.switch(accept(head))
        self._deaf = True
        self.flow.resume(Pause.BACKLOG)
        self._admission.hand_over(head)
        self._upgrade(self._opening, WebSocket(max(self._site.hub.limits.frame, _LONGEST_MESSAGE)), rest)

    # How a request ends

    def _refuse(self, refusal: Fault, *, last: bool = False) -> None:
        self._cancel()
        self._exchange.closing |= last
        self._answers.write_error(refusal)
        self._finish()

    def _answered(self) -> None:
        self._finish()
        self._schedule()  # later: the caller of this is in the middle of something else

    def _finish(self) -> None:
        """Be ready for the next request, or close."""
        self._responder = None
        self._count_body()
        self._answers.begin()
        self._deadlines.restart()
        if self._exchange.closing:
            self._close()
        elif self._exchange.idle:
            self.flow.resume(Pause.ALLOWANCE)  # what comes next may be a probe of the health, which need not pay

    # What the socket and the hub call

    @property
    def session(self) -> Session | None:
        """The session of the present request, or of the requests so far, if there is one."""
        if self._responder is not None and self._responder.session is not None:
            return self._responder.session
        return self._answers.session

    @property
    def account(self) -> Account:
        """The account of the connection."""
        return self._account

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""
        return self._wire.closed

    @property
    def caller(self) -> str:
        """The address under which the limits of each address count."""
        return self._opening.caller

    @property
    def unsent(self) -> int:
        """Bytes that the socket has yet to take."""
        return self._wire.unsent

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
        self._answers.tick(seconds)
        self._wire.tick(seconds, self._site.hub.limits.closing)
        if not self._wire.closed:
            self._check_deadlines(seconds)

    def _check_deadlines(self, seconds: float) -> None:
        deadlines, limits = self._deadlines, self._site.hub.limits
        unsent = self.unsent
        unpaid = Pause.ALLOWANCE in self.flow
        deadlines.tick(seconds, unsent, held=self.flow.paused or self._waits_for(unsent), unpaid=unpaid)
        if deadlines.stalled > limits.stalled:
            self._wire.abort()
        elif self._exchange.reading:
            if deadlines.late(limits.handshake if self._responder is None else None):
                self._refuse(self._unpaid() if unpaid else _LATE, last=True)
        elif self._responder is not None:
            responder = self._responder
            self._safely(lambda: responder.tick(seconds))
        elif deadlines.age > deadlines.idle:
            self._close()

    def _waits_for(self, unsent: int) -> bool:
        """Return whether the caller is busy with the last answer, and not yet idle."""
        return bool(unsent) and self._exchange.idle

    def close(self, code: str, text: str) -> None:
        """Answer what is open with the reason, and close."""
        if self._wire.lingering:
            self._wire.hang_up()
        if self._wire.closed:
            return
        if self._responder is not None and self.session is not None:
            # The responder hears what has yet to be sent, such as that a message is on disk, and then the farewell. A
            # stream says that itself, and ends when it is taken.
            self._exchange.closing = True
            self.session.close(code, text)
            if self._wire.closed or self._exchange.streaming:
                return
        if self._responder is not None or self._exchange.reading:
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
        self._answers.leave()

    def _close(self) -> None:
        if self._wire.closed:
            return
        self._leave()
        self._deaf = True
        linger = self._exchange.lingering and not self._at_eof
        self._wire.end(linger=linger)
        self._exchange.stop()
        self._count_body()
        self.flow.resume(_ANY)
        self.flow.close()
        if not linger:
            self._wire.hang_up()

    def abort(self) -> None:
        """Close at once."""
        self._wire.abort()
