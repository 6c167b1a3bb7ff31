"""Streams: the messages of a user, or of one of their conversations, as they come."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.errors import ChatError, Refused
from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.routes import Kind
from chatcli.gateway.web.statuses import fault
from chatcli.gateway.web.stream_query import Position, StreamQuery, understand
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import server_frames
from chatcli.protocol.values.names import is_room
from chatcli.server.arrival import resumption
from chatcli.server.connection.flow_control import Pause
from chatcli.server.handlers import tokens
from chatcli.server.model import Room
from chatcli.server.web.session import open_on
from chatcli.server.web.visit import check_allowance
from chatcli.store.queries import HistoryQuery, Page
from chatcli.store.records import RELEASED

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.gateway.web.routes import Route
    from chatcli.gateway.web.streaming import Renderer
    from chatcli.server.connection.session import Session
    from chatcli.server.model import Token, User
    from chatcli.server.web.responders import Answering
    from chatcli.server.web.site import Site

_QUIET: Final = 20.0  # seconds: proxies close what says nothing for thirty or sixty
_ENTER: Final = 'enter it first ("/join {0}" in the chat, or "chatcli listen \'{0}\' --enter").'


class _Request:
    """A request for a stream, until that begins.

    Attributes:
        token: the token in it.
        query: the wishes in it.
        name: the room or the person; empty for everything.
        head_only: whether only the head of the answer is wanted.
    """

    __slots__ = ("head_only", "name", "query", "token")

    def __init__(self, route: Route, head: Head) -> None:
        self.token = shown_token(head.headers)
        self.query: StreamQuery = understand(head, events=route.kind is Kind.EVENTS)
        self.name = route.name
        self.head_only = head.method == "HEAD"


class Stream:
    """Follows a feed in a session of its own.

    It is a :class:`~chatcli.server.web.responders.Responder`, and the session's
    :class:`~chatcli.server.connection.wire.Wire`.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        route: what is asked for.
        head: the request.

    Attributes:
        session: the session, until it ends.
    """

    most_body = 0
    __slots__ = ("_connection", "_follows", "_hidden", "_of", "_quiet", "_renderer", "_request", "_site", "session")

    def __init__(self, site: Site, connection: Answering, route: Route, head: Head) -> None:
        self._site = site
        self._connection = connection
        self._request: _Request | None = _Request(route, head)  # None once the stream has begun
        self._follows = self._request.query.follow
        self._renderer: Renderer = site.renderers.of(site.hub.log.epoch, events=route.kind is Kind.EVENTS)
        self._of: User | Room | None = None  # the other user, or the room, of the only conversation
        self._hidden = ""  # whose messages to others are left out
        self._quiet = 0.0  # seconds in which nothing was sent
        self.session: Session | None = None

    @property
    def outlives_input(self) -> bool:
        """Whether the answer has an end. A caller who reads one without an end does not close their half of it."""
        return not self._follows

    # What the connection calls

    def admit(self) -> bool:
        """Return True: there is no body to wait for."""
        return True

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Begin the stream once it is known where.

        Raises:
            Fault: the caller may not have it.
        """
        request = self._begun_with()
        hub = self._site.hub
        hello = f.Hello(f.VERSION, purpose="listen", token=request.token, receipts=False, revision=f.REVISION)
        session = open_on(self._site, self._connection, self)
        check_allowance(session)
        try:
            token = tokens.admit(hub, session, hello)
            self._of = self._find(token, request.name) if request.name else None
        except Refused as refusal:
            hub.counts.refused[refusal.code] += 1
            raise fault(refusal.code, str(refusal), getattr(refusal, "names", ())) from None
        session.only = None if self._of is None else frozenset({self._of.id})
        self._hidden = "" if request.query.own else token.user.name
        self._locate(session, hello, token.user)

    def _begun_with(self) -> _Request:
        assert self._request is not None  # noqa: S101 (the stream has not begun)
        return self._request

    def _find(self, token: Token, name: str) -> User | Room:
        """Return the other user, or the room, of a conversation that the caller may follow.

        Raises:
            Refused: there is none of that name, or not for the caller.
        """
        hub, user = self._site.hub, token.user
        if not token.includes(hub.place_of(name, released=False) or 0):
            raise Refused(codes.NOT_ALLOWED, "This token is for certain rooms and people only: name one of these.")
        if not is_room(name):
            return hub.find_user(name, user)
        room = hub.rooms.find(user, name)
        hub.permissions.check_read(room, user)
        if user not in room.members:
            text = f"{user.name} does not belong to {room.name}: {_ENTER.format(room.name)}"
            raise Refused(codes.NOT_ALLOWED, text)
        return room

    def _locate(self, session: Session, hello: f.Hello, user: User) -> None:
        """Find the place where the stream begins, and log in.

        Raises:
            Fault: there is no such place.
        """
        log, query = self._site.hub.log, self._begun_with().query
        if query.newest is not None:
            self._read_newest(session, hello, user, query.newest)
            return
        since = query.since or Position(log.head if query.follow else 0)
        if not resumption.knows(log, since.epoch):
            text = (
                f"This server has another log than the one that {since} is a place in. Say where to go on: since=0 for "
                "everything, or no position for what is said from now on."
            )
            raise Fault(HTTPStatus.GONE, text)
        self._go_on_from(session, hello, since)

    def _read_newest(self, session: Session, hello: f.Hello, user: User, newest: int) -> None:
        """Log in before the newest messages of a conversation.

        Raises:
            Fault: it is not about one conversation.
        """
        of, log = self._of, self._site.hub.log
        if of is None:
            raise fault(codes.INVALID, '"newest" is for one conversation; here, give "since".')
        self.session = session

        def found(page: Page | None, error: ChatError | None) -> None:
            if self.session is not session:
                return
            if page is None:
                self.session = None
                self._connection.refuse(fault(codes.STORAGE, f"The server cannot read its log: {error}."))
            else:
                self._go_on_from(session, hello, Position(page.rows[0].seq - 1 if page.rows else log.head))

        own = isinstance(of, Room) and of.kind == "private"
        log.read(HistoryQuery(user=user.id, of=of.id, limit=newest, own=own), found)

    def _go_on_from(self, session: Session, hello: f.Hello, since: Position) -> None:
        """Log in, unless there is to be nothing but a head."""
        if self._begun_with().head_only:
            self.session = None
            self._start(since if since.epoch else Position(since.seq, self._site.hub.log.epoch))
            self._connection.end_stream()
            return
        self.session = session
        hello.since, hello.epoch = since
        if Pause.UNSENT in self._connection.opening.flow:
            session.pause_writing()
        session.receive_frames([hello])

    def cancel(self) -> None:
        """End the session."""
        session, self.session = self.session, None
        if session is not None:
            session.lost()

    def pause_writing(self) -> None:
        """Stop the feed: the socket is full."""
        if self.session is not None:
            self.session.pause_writing()

    def resume_writing(self) -> None:
        """Resume the feed: the socket takes more."""
        if self.session is not None:
            self.session.resume_writing()

    def tick(self, seconds: float) -> None:
        """Check the deadlines, whether the caller may still read this, and whether there is to be a sign of life."""
        session = self.session
        if session is None:
            return
        if not session.output.full:
            session.deadlines.received = True  # nobody says anything on this way
        session.tick(seconds)
        if self._request is not None or self.session is None:
            return
        self._quiet += seconds
        if self._has_ended(session):
            session.close(codes.NOT_ALLOWED, self._why_ended())
        elif self._quiet >= _QUIET and self._follows and not session.output.full:
            self._quiet = 0.0
            self._connection.send_part(self._renderer.style.idle)

    def _has_ended(self, session: Session) -> bool:
        """Return whether nothing will be said in the only conversation that the caller could read."""
        of = self._of
        if isinstance(of, Room):
            return session.user not in of.members
        return of is not None and of.key.startswith(RELEASED)

    def _why_ended(self) -> str:
        of = self._of
        if isinstance(of, Room):
            return f"You do not belong to {of.name} any more."
        return "An operator has freed the name of this person: somebody else may take it."

    # What the session writes to

    def write(self, data: bytes) -> None:
        """Send what the lines of the server amount to."""
        if self._request is not None:
            first, _, data = data.partition(b"\n")
            self._begin(server_frames().decode(first))
        if self.session is None or not data:
            return
        rendering = self._renderer.render(data, self._hidden)
        if rendering.data:
            self._quiet = 0.0
            self._connection.send_part(rendering.data)
        if rendering.farewell is not None:
            self._end(whole=self._renderer.style.has_farewell)
        elif rendering.live and not self._follows:
            self._end(whole=True)

    def _begin(self, frame: f.ServerFrame) -> None:
        """Begin the stream with the answer to the greeting."""
        match frame:
            case f.Welcome():
                self._request = None
                self._start(Position(frame.cursor, frame.epoch))
                self._connection.send_part(self._renderer.style.opening(frame.cursor))
            case f.Error() | f.ServerBye():
                self.cancel()
                self._connection.refuse(fault(frame.code, frame.text))

    def _start(self, position: Position) -> None:
        headers = [("X-Accel-Buffering", "no"), ("Chatcli-Position", str(position))]
        self._connection.start_stream(self._renderer.style.content_type, headers, last=self._follows)

    def _end(self, *, whole: bool) -> None:
        """End the session, and the answer.

        Args:
            whole: whether the caller has got all that there was to be.
        """
        self.cancel()
        if whole:
            self._connection.end_stream()
        else:
            self._connection.break_off()

    def pause_reading(self) -> None:
        """Do nothing: the caller says nothing."""

    def resume_reading(self) -> None:
        """Do nothing: the caller says nothing."""

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the socket has yet to take."""
        return self._connection.unsent

    def close(self) -> None:
        """Do nothing: a farewell came before."""

    def abort(self) -> None:
        """Break the answer off."""
        self._end(whole=False)
