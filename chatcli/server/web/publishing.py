"""Publishing: a request that says something, answered once that is on disk."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame
from chatcli.server.web.session import open_session

if TYPE_CHECKING:
    from chatcli.gateway.web.exchange import Head
    from chatcli.protocol.frames import ServerFrame
    from chatcli.server.connection.session import Session
    from chatcli.server.web.responders import Answering
    from chatcli.server.web.site import Site


class Publishing:
    """Sends a message in a session of its own: a :class:`~chatcli.server.web.responders.Responder`.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        to: the room or the person.
        head: the request.
    """

    outlives_input = True

    def __init__(self, site: Site, connection: Answering, to: str, head: Head) -> None:
        self._site = site
        self._connection = connection
        self._to = to
        self._token = shown_token(head.headers)
        self.most_body = site.hub.limits.frame
        self.session: Session | None = None

    def respond(self, body: bytes) -> None:
        """Send the message."""
        self.session = open_session(self._site, self._connection, self)
        hello = f.Hello(f.VERSION, purpose="send", token=self._token, revision=f.REVISION)
        message = f.Send(str(uuid.uuid4()), self._to, body.decode().removesuffix("\n"))
        self.session.receive_frames([hello, message])

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Answer with what the server says of the message."""
        match frame:
            case f.Sent():
                self._end()
                self._connection.answer_text(HTTPStatus.OK, f"{frame.outcome} {frame.seq}")
            case f.Error() | f.ServerBye():
                self._end()
                self._connection.refuse(fault(frame.code, frame.text, getattr(frame, "names", ())))

    def _end(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.lost()

    def ended(self) -> None:
        """Do nothing: the session says why before it ends."""

    def cancel(self) -> None:
        """End the session."""
        self._end()

    def pause_writing(self) -> None:
        """Do nothing: the answer is short."""

    def resume_writing(self) -> None:
        """Do nothing: the answer is short."""

    def tick(self, seconds: float) -> None:
        """Check the deadlines of the session."""
        if self.session is not None:
            self.session.tick(seconds)
