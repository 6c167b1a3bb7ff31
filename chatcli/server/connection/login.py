"""Logs a client in: hello, challenge, proof, welcome."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from chatcli import __version__
from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import key_text
from chatcli.server import refusals
from chatcli.server.arrival import resumption
from chatcli.server.connection.flow_control import Pause
from chatcli.server.facts import REVOKED
from chatcli.server.handlers import admission, auth, tokens
from chatcli.server.hub import HubConnection

if TYPE_CHECKING:
    from chatcli.server.arrival.seats import Seat
    from chatcli.server.connection.flow_control import FlowControl
    from chatcli.server.feed import Feed
    from chatcli.server.handlers.auth import Claimant
    from chatcli.server.model import User

logger = logging.getLogger(__name__)

_SOFTWARE = f"chatcli/{__version__}"


class Newcomer(HubConnection, Protocol):
    """The session, as its login sees it."""

    @property
    def flow(self) -> FlowControl:
        """Its flow control."""

    @property
    def leaving(self) -> bool:
        """Whether the client has said goodbye already."""

    def move(self, kind: type[f.ServerFrame]) -> None:
        """Move to the state to which sending a frame of this kind leads."""

    def welcome(self, feed: Feed | None) -> None:
        """Serve the client from now on."""

    def resume(self) -> None:
        """Process what waits."""

    def refuse(self, frame: f.ClientFrame, refusal: Refused) -> None:
        """Answer a frame with the reason why it is refused."""


class Login:
    """Logs a client in.

    Args:
        session: the client's session.
    """

    __slots__ = ("_claimant", "_session", "_waiting")

    def __init__(self, session: Newcomer) -> None:
        self._session = session
        self._claimant: Claimant | None = None  # since the challenge, and until the client has answered it
        self._waiting = False  # for the log, or for a seat

    def receive(self, frame: f.ClientFrame) -> None:
        """Process a frame that is legal before the welcome.

        Raises:
            Refused: the client is not let in like this, and may try again.
        """
        try:
            match frame:
                case f.Hello():
                    self._hello(frame)
                case f.Prove():
                    self._prove(frame)
        except Refused:
            self._session.move(f.Error)  # which follows
            raise

    def _hello(self, hello: f.Hello) -> None:
        session = self._session
        if hello.token:
            self._show_token(hello)
            return
        self._claimant = claimant = auth.challenge(session.hub, session, hello)
        session.purpose = hello.purpose
        session.shares_receipts = hello.receipts
        session.revision = hello.revision
        if claimant is None:
            self._welcome(hello)
        else:
            session.send(encode(f.Challenge(key_text(claimant.nonce), _SOFTWARE, session.hub.server_key)))
            session.move(f.Challenge)

    def _show_token(self, hello: f.Hello) -> None:
        session = self._session
        try:
            token = tokens.admit(session.hub, session, hello)
        except Refused as refusal:
            if refusal.code == codes.BAD_TOKEN:
                self._turn_away(refusal)
                return
            raise
        session.purpose = hello.purpose
        session.shares_receipts = hello.receipts
        session.revision = hello.revision
        session.user, session.token = token.user, token
        session.hub.tokens.open(token, session)
        self._welcome(hello)

    def _prove(self, frame: f.Prove) -> None:
        session = self._session
        claimant, self._claimant = self._claimant, None  # a nonce is good for one try
        assert claimant is not None  # noqa: S101 (it is set on the way into this state)

        def finish(user: User | None, error: Refused | StoreError | None) -> None:
            self._finish(claimant.hello, user, error)

        try:
            session.user = admission.authenticate(session.hub, session, claimant, frame.signature, finish)
        except Refused as refusal:
            if refusal.code == codes.BAD_PROOF:
                self._turn_away(refusal)
                return
            raise
        if session.user is None:
            session.flow.pause(Pause.SUSPENDED)
        else:
            self._welcome(claimant.hello)

    def _finish(self, hello: f.Hello, user: User | None, error: Refused | StoreError | None) -> None:
        """Go on once the log has the name and the key, or has refused them."""
        session = self._session
        if session.closed:
            return
        session.flow.resume(Pause.SUSPENDED)
        session.user = user
        if isinstance(error, StoreError):
            self._turn_away(refusals.cannot_write("nobody new can log in"))
            return
        if error is not None:
            self._refuse(hello, error)
        else:
            self._welcome(hello)
        session.resume()

    def _turn_away(self, refusal: Refused) -> None:
        """Close the connection: the client is not let in."""
        self._session.hub.counts.refused[refusal.code] += 1
        self._session.close(refusal.code, str(refusal))

    def _welcome(self, hello: f.Hello) -> None:
        """Let the client in once the log is as far as its place, and it has a seat if it needs one."""
        session, hub = self._session, self._session.hub
        self._waiting = True
        hub.when_reached(resumption.required(hello, hub.log), lambda: self._find_seat(hello))
        if self._waiting:
            session.flow.pause(Pause.SUSPENDED)

    def _find_seat(self, hello: f.Hello) -> None:
        session, user = self._session, self._session.user
        if user is not None and hello.purpose == "join" and not session.leaving:
            session.hub.seats.ask(session, user, hello, lambda answer: self._seated(hello, answer))
        else:
            self._seated(hello, None)

    def _seated(self, hello: f.Hello, answer: Seat | Refused | None) -> None:
        session, self._waiting = self._session, False
        if session.closed:
            return
        has_waited = Pause.SUSPENDED in session.flow
        session.flow.resume(Pause.SUSPENDED)
        user = session.user
        if has_waited and user is not None and session.token is None and not user.has(session.key):
            session.close(codes.KICKED, REVOKED)
            return
        if isinstance(answer, Refused):
            self._refuse(hello, answer)
        else:
            self._let_in(hello, None if session.leaving else answer)
        if has_waited:
            session.resume()

    def _refuse(self, hello: f.Hello, refusal: Refused) -> None:
        session = self._session
        if session.token is not None:
            session.hub.tokens.close(session.token, session)
        session.user = session.token = None
        session.move(f.Error)
        session.refuse(hello, refusal)

    def _let_in(self, hello: f.Hello, seat: Seat | None) -> None:
        session, hub, user = self._session, self._session.hub, self._session.user
        if seat is not None:
            seat.occupy()
        session.move(f.Welcome)
        start = resumption.find(hello, hub.log, 0 if user is None else user.received)
        follows = user is not None and hello.purpose in ("join", "listen")
        feed = hub.open_feed(session, user, start, hello.newest) if user is not None and follows else None
        limits = f.Limits(hub.limits.text, hub.limits.frame, int(hub.limits.silence))
        welcome = f.Welcome("", hub.log.head, hub.log.head if feed is None else feed.position, _SOFTWARE, limits)
        welcome.revision = f.REVISION
        welcome.epoch, welcome.shared = hub.log.epoch, start.shared
        if user is not None:
            user.sessions.append(session)
            self._describe_user(user, welcome, has_feed=feed is not None)
        if session.token is not None:
            tokens.describe(hub, session.token, welcome)
        session.send(encode(welcome))
        if user is not None and seat is not None:
            hub.presence.join(user)
        logger.info("%s is in", session)
        session.welcome(feed)

    def _describe_user(self, user: User, welcome: f.Welcome, *, has_feed: bool) -> None:
        """Say in a welcome what the user belongs to, and has read."""
        session, hub = self._session, self._session.hub
        welcome.user = user.name
        if session.token is None or (session.token.scope in ("read", "all") and session.token.places is None):
            welcome.rooms = [room.name for room in user.rooms]
            welcome.invited = [room.name for room in hub.invitations.of(user)]
            welcome.read = user.read
            if has_feed and session.revision >= 1:
                welcome.reads = hub.read_positions(user)
