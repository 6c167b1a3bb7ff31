"""A visit: the session of one caller under a token, which their requests on one connection share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.server.web.session import open_session

if TYPE_CHECKING:
    from chatcli.protocol.codec import BadFrame
    from chatcli.protocol.frames import ServerFrame
    from chatcli.protocol.values.address import Address
    from chatcli.server.connection.session import Session
    from chatcli.server.web.responders import Answering, Listener
    from chatcli.server.web.site import Site

_USED_UP: Final = "Too much came with this token, or from its owner or your address, lately: wait."


class Visit:
    """A session that says things under a token, kept for the next request with the same one.

    A login for each request would be paid for as a visit. Another token, another caller of the same proxy, a refusal,
    and the end of the connection end the session; when its user is sent away it ends by itself, and the next request
    logs in anew and learns why that is not possible.

    Args:
        site: everything that such connections share.
        connection: the connection.

    Attributes:
        session: the session; None if there is none at present.
    """

    __slots__ = ("_connection", "_listener", "_peer", "_site", "_token", "session")

    def __init__(self, site: Site, connection: Answering) -> None:
        self._site = site
        self._connection = connection
        self._token = ""
        self._peer: Address | None = None  # of the caller for whom the session was opened, whose limits count for it
        self._listener: Listener | None = None  # the present request
        self.session: Session | None = None

    def begin(self, token: str, listener: Listener) -> Session | None:
        """Return the session for a request; None if the token lets nobody in: the listener hears why.

        Args:
            token: the token.
            listener: gets the frames of the server until it leaves.

        Raises:
            Fault: an allowance is used up. Otherwise the caller would wait for minutes.
        """
        if (token, self._connection.opening.peer) != (self._token, self._peer):
            self.end()
        if self.session is None:
            self._open(token, listener)
        session = self.session
        if session is None or not session.welcomed:
            return None
        self._listener = None
        check_allowance(session)
        self._listener = listener
        return session

    def _open(self, token: str, listener: Listener) -> None:
        session = open_session(self._site, self._connection, self)
        check_allowance(session)
        self.session, self._token, self._listener = session, token, listener
        self._peer = self._connection.opening.peer
        session.receive_frames([f.Hello(f.VERSION, purpose="send", token=token, revision=f.REVISION)])

    def leave(self) -> None:
        """Pass on nothing more to the present request."""
        self._listener = None

    def end(self) -> None:
        """End the session, if there is one."""
        session, self.session = self.session, None
        self._listener = None
        self._token = ""
        if session is not None:
            session.lost()

    def tick(self, seconds: float) -> None:
        """Check the deadlines of the session, whose connection is alive."""
        if self.session is not None:
            self.session.deadlines.received = True
            self.session.tick(seconds)

    # What the session calls

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Pass on a frame to the present request, and end the session if it has let nobody in."""
        session, listener = self.session, self._listener
        if isinstance(frame, f.Error) and session is not None and not session.welcomed:
            self.end()
        if listener is not None:
            listener.hear(frame)

    def ended(self) -> None:
        """Forget the session, which has ended by itself."""
        listener = self._listener
        self.end()
        if listener is not None:
            listener.ended()


def check_allowance(session: Session) -> None:
    """Raise if a session would wait for an allowance.

    Raises:
        Fault: it would.
    """
    if (seconds := session.account.debt()) > 0:
        raise fault(codes.TOO_MANY, _USED_UP, wait=seconds)
