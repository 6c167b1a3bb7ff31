"""Responders: each answers one request."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.page.front import front_page
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes

if TYPE_CHECKING:
    from chatcli.gateway.web.answers import Content, Headers
    from chatcli.gateway.web.heads import Head
    from chatcli.gateway.web.page.files import PageFiles
    from chatcli.protocol.codec import BadFrame
    from chatcli.protocol.frames import ServerFrame
    from chatcli.server.connection.opening import Opening
    from chatcli.server.connection.session import Session
    from chatcli.server.web.page.files import LoadedPage
    from chatcli.server.web.site import Site


class Listener(Protocol):
    """A request, as its session sees it."""

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Process a frame of the server."""

    def ended(self) -> None:
        """Process the end of the session."""


class Visiting(Protocol):
    """The session that requests share, as they see it."""

    @property
    def session(self) -> Session | None:
        """The session; None if there is none at present."""

    def begin(self, token: str, listener: Listener) -> Session | None:
        """Return the session; None if the token lets nobody in: the listener hears why.

        Raises:
            Fault: an allowance is used up.
        """

    def leave(self) -> None:
        """Pass on nothing more."""


class Answering(Protocol):
    """The connection, as a responder sees it."""

    @property
    def opening(self) -> Opening:
        """The connection as sessions inherit it."""

    @property
    def visit(self) -> Visiting:
        """The session that requests share which say something, one after the other."""

    @property
    def secure(self) -> bool:
        """Whether the connection is within TLS."""

    @property
    def believed(self) -> bool:
        """Whether a proxy calls that is believed."""

    @property
    def unsent(self) -> int:
        """Bytes that the socket has yet to take."""

    def answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: Headers = ()) -> None:
        """Answer the request as a whole."""

    def answer_text(self, status: HTTPStatus, text: str, headers: Headers = ()) -> None:
        """Answer the request with a line of text."""

    def refuse(self, fault: Fault) -> None:
        """Answer the request with an error."""

    def fail(self, error: Exception) -> None:
        """Log an exception, and answer the request with an error of the server."""

    def start_stream(self, content_type: str, headers: Headers = (), *, last: bool = False) -> None:
        """Begin an answer of unknown length, after which the connection is closed if it is the last one."""

    def send_part(self, data: bytes) -> None:
        """Send a part of that answer."""

    def end_stream(self) -> None:
        """End that answer."""

    def break_off(self) -> None:
        """Close the connection without an end of that answer, so that the caller knows that there was more."""


class Responder(Protocol):
    """Answers one request."""

    @property
    def most_body(self) -> int:
        """Bytes that the body of the request may have; 0 where it needs none."""

    @property
    def outlives_input(self) -> bool:
        """Whether the answer is still wanted once the caller sends nothing more."""

    @property
    def session(self) -> Session | None:
        """The session that the request has, if any."""

    def admit(self) -> bool:
        """Return whether the body may come; else the answer comes, at once or later. Not called where it needs none.

        Raises:
            Fault: the request is refused.
        """

    def respond(self, body: bytes) -> None:
        """Answer the request, at once or later. Called once, when it is complete.

        Raises:
            Fault: it is refused.
        """

    def cancel(self) -> None:
        """Drop the answer: the caller has gone, or gets another one."""

    def pause_writing(self) -> None:
        """Stop what is sent: the socket is full."""

    def resume_writing(self) -> None:
        """Go on: the socket takes more."""

    def tick(self, seconds: float) -> None:
        """Check deadlines; called regularly."""


class Short:
    """A responder whose answer is short, and is sent as a whole.

    Args:
        connection: what is answered.

    Attributes:
        connection: as given.
    """

    most_body = 0
    outlives_input = True
    session: Session | None = None

    def __init__(self, connection: Answering) -> None:
        self.connection = connection

    def admit(self) -> bool:
        """Return True: everybody may ask."""
        return True

    def respond(self, body: bytes) -> None:
        """Answer the request."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Do nothing: there is nothing under way."""

    def pause_writing(self) -> None:
        """Do nothing: the answer is short."""

    def resume_writing(self) -> None:
        """Do nothing: the answer is short."""

    def tick(self, seconds: float) -> None:
        """Do nothing: there is nothing under way."""


class Conversing(Short):
    """A responder that learns from a session what to answer: a :class:`Listener`.

    Args:
        connection: what is answered.
        token: what lets it in.

    Attributes:
        token: as given.
        over: whether the answer is given, or not wanted any more.
    """

    def __init__(self, connection: Answering, token: str) -> None:
        super().__init__(connection)
        self.token = token
        self.over = False

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Process a frame of the server."""
        raise NotImplementedError

    def ended(self) -> None:
        """Process the end of the session."""
        raise NotImplementedError

    def refuse(self, reason: Fault) -> None:
        """Answer with an error."""
        if not self.over:
            self.finish()
            self.connection.refuse(reason)

    def fail(self, error: Exception) -> None:
        """Answer with an error of the server, because of an exception."""
        if not self.over:
            self.finish()
            self.connection.fail(error)

    def finish(self) -> None:
        """Expect nothing more of the session: the answer is about to be given."""
        self.over = True

    def cancel(self) -> None:
        """Expect nothing more of the session."""
        self.finish()


class Health(Short):
    """Says whether the server is well.

    Args:
        site: everything that such connections share.
        connection: what is answered.
    """

    def __init__(self, site: Site, connection: Answering) -> None:
        super().__init__(connection)
        self._site = site

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Answer the request."""
        if not self._site.metrics.healthy():
            raise fault(codes.STORAGE, "The log cannot be written.")
        self.connection.answer_text(HTTPStatus.OK, "ok")


class Root(Short):
    """Shows the page that says what this is.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
    """

    def __init__(self, site: Site, connection: Answering, head: Head) -> None:
        super().__init__(connection)
        self._site = site
        self._head = head

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Answer the request."""
        forwarded = self._head.headers.get("x-forwarded-host", "")
        if not (self.connection.believed or self._site.origins.host_is_own(forwarded)):
            forwarded = ""  # anybody can write that
        key, secure, chat = self._site.hub.server_key, self.connection.secure, self._site.page is not None
        page = front_page(self._head, key, forwarded, secure=secure, chat=chat)
        self.connection.answer(HTTPStatus.OK, *page)


class Chat(Short):
    """Answers with the page of the chat, or with one of its files.

    Args:
        page: has them.
        connection: what is answered.
        choose: returns the answer, or raises a :class:`~chatcli.gateway.web.answers.Fault`.
    """

    def __init__(self, page: LoadedPage, connection: Answering, choose: Callable[[PageFiles], Content]) -> None:
        super().__init__(connection)
        self._page = page
        self._choose = choose
        self._over = False

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Answer the request: at once, or when the files are read."""
        self._page.use(self._answer, self._fail)

    def cancel(self) -> None:
        """Answer nothing any more."""
        self._over = True

    def _answer(self, files: PageFiles) -> None:
        if self._over:
            return
        try:
            content = self._choose(files)
        except Fault as refusal:
            self.connection.refuse(refusal)
        else:
            self.connection.answer(HTTPStatus.OK, *content)

    def _fail(self, error: Exception) -> None:
        if not self._over:
            self.connection.fail(error)
