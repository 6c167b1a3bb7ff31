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
from chatcli.server.connection.flow_control import Pause
from chatcli.server.handlers import auth, tokens
from chatcli.server.hub import HubConnection

if TYPE_CHECKING:
    from chatcli.server.connection.flow_control import FlowControl
    from chatcli.server.feed import Feed
    from chatcli.server.handlers.auth import Claimant

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

    __slots__ = ("_claimant", "_session")

    def __init__(self, session: Newcomer) -> None:
        self._session = session
        self._claimant: Claimant | None = None  # since the challenge, and until the client has answered it

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
        try:
            self._welcome(hello)
        except Refused:
            session.hub.tokens.close(token, session)
            session.user = session.token = None
            raise

    def _prove(self, frame: f.Prove) -> None:
        session = self._session
        claimant, self._claimant = self._claimant, None  # a nonce is good for one try
        assert claimant is not None  # noqa: S101 (it is set on the way into this state)

        def written(error: StoreError | None) -> None:
            self._written(claimant.hello, error)

        try:
            session.user, pending = auth.authenticate(session.hub, session, claimant, frame.signature, written)
        except Refused as refusal:
            if refusal.code == codes.BAD_PROOF:
                self._turn_away(refusal)
                return
            raise
        if pending:
            session.flow.pause(Pause.SUSPENDED)
        else:
            self._welcome(claimant.hello)

    def _written(self, hello: f.Hello, error: StoreError | None) -> None:
        session = self._session
        if session.closed:
            return
        session.flow.resume(Pause.SUSPENDED)
        if error is not None:
            self._turn_away(refusals.cannot_write("nobody new can log in"))
            return
        if not session.require_user().has(session.key):
            session.close(codes.KICKED, auth.REVOKED)
            return
        try:
            self._welcome(hello)
        except Refused as refused:
            session.move(f.Error)
            session.refuse(hello, refused)
        session.resume()

    def _turn_away(self, refusal: Refused) -> None:
        """Close the connection: the client is not let in."""
        self._session.hub.counts.refused[refusal.code] += 1
        self._session.close(refusal.code, str(refusal))

    def _welcome(self, hello: f.Hello) -> None:
        session, hub, user = self._session, self._session.hub, self._session.user
        joins = user is not None and hello.purpose == "join" and not session.leaving
        if user is not None and joins:
            session.user = None  # until there is a place for another join
            auth.register_join(hub, session, user, hello)
            session.user = user
        session.move(f.Welcome)
        follows = user is not None and hello.purpose in ("join", "listen")
        feed = hub.open_feed(session, user, hello) if user is not None and follows else None
        limits = f.Limits(hub.limits.text, hub.limits.frame, int(hub.limits.silence))
        welcome = f.Welcome("", hub.log.head, hub.log.head if feed is None else feed.position, _SOFTWARE, limits)
        welcome.revision = f.REVISION
        welcome.epoch, welcome.shared = hub.log.epoch, hub.log.shared(hello.epoch) or 0
        if user is not None:
            user.sessions.append(session)
            welcome.user = user.name
            if session.token is None or (session.token.scope in ("read", "all") and session.token.places is None):
                welcome.rooms = [room.name for room in user.rooms]
                welcome.invited = [room.name for room in hub.invitations.of(user)]
                welcome.read = user.read
                if feed is not None and session.revision >= 1:
                    welcome.reads = hub.read_positions(user)
        if session.token is not None:
            tokens.describe(hub, session.token, welcome)
        session.send(encode(welcome))
        if user is not None and joins:
            hub.presence.join(user)
        logger.info("%s is in", session)
        session.welcome(feed)
