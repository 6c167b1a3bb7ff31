"""Publishing: a request that says something, answered once that is on disk."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web import publishing
from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.publishing import Identity
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.server.web.responders import Conversing

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.protocol.codec import BadFrame
    from chatcli.protocol.frames import ServerFrame
    from chatcli.server.connection.session import Session
    from chatcli.server.web.responders import Answering

_PATIENCE: Final = 60.0  # seconds for the server to store a message
_UNKNOWN: Final = "Whether the message was stored is not known: repeat the request, with the same Idempotency-Key."


def _new_id() -> str:
    return str(uuid.uuid4())


class Saying(Conversing):
    """A request that says something: a :class:`~chatcli.server.web.responders.Responder`.

    Args:
        connection: what is answered.
        head: the request.
        token: its token.

    Attributes:
        head: as given.
    """

    def __init__(self, connection: Answering, head: Head, token: str) -> None:
        super().__init__(connection, token)  # its session is that of the connection's visit
        self.head = head
        self._age = 0.0
        self._sent: f.Send | None = None  # once it is handed over

    @property
    def identity(self) -> Identity:
        """The sources of a message's id."""
        return Identity(self.token, _new_id)

    def log_in(self) -> Session | None:
        """Return the session; None if the token lets nobody in, which is answered later.

        Raises:
            Fault: an allowance is used up.
        """
        return self.connection.visit.begin(self.token, self)

    def admit(self) -> bool:
        """Log in, before there is a body; return whether the token lets anybody in.

        Raises:
            Fault: an allowance is used up.
        """
        return self.log_in() is not None

    def send(self, session: Session, message: f.Send) -> None:
        """Send a message."""
        self._sent = message
        session.receive_frames([message])

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Answer with what the server says of the message."""
        match frame:
            case f.Sent() if self._sent is not None and frame.id == self._sent.id:
                self.stored(self._sent, frame)
            case f.Error() if self.concerns(frame):
                self.refuse(fault(frame.code, frame.text, frame.names))
            case f.ServerBye() if self._sent is None:
                self.refuse(fault(frame.code, frame.text))
            case f.ServerBye():
                self._give_up(frame.text)

    def concerns(self, error: f.Error) -> bool:
        """Return whether an error is for this request, or the whole session, and not for an earlier request."""
        return error.n is None and error.id in (None, self._sent and self._sent.id)

    def stored(self, message: f.Send, sent: f.Sent) -> None:
        """Answer that a message is on disk."""
        self.finish()
        self.connection.answer(HTTPStatus.OK, *publishing.receipt(self.head, message.to, sent))

    def _give_up(self, text: str) -> None:
        self.refuse(fault(codes.STORAGE, f"{text} {_UNKNOWN}"))

    def finish(self) -> None:
        """Expect nothing more of the session: the answer is about to be given."""
        super().finish()
        self.connection.visit.leave()

    def ended(self) -> None:
        """Answer, unless the session has said why it ends."""
        self.refuse(fault(codes.STORAGE, _UNKNOWN))

    def tick(self, seconds: float) -> None:
        """Give up if the answer does not come."""
        self._age += seconds
        if self._age > _PATIENCE:
            self._give_up("The server is too slow at the moment.")


class Publishing(Saying):
    """Says the text of a request in a room, or to a person.

    Args:
        connection: what is answered.
        head: the request.
        to: the room or the person.
        most_body: bytes that its body may have.
    """

    def __init__(self, connection: Answering, head: Head, to: str, most_body: int) -> None:
        super().__init__(connection, head, shown_token(head.headers))
        publishing.check_type(head)
        self._to = to
        self.most_body = most_body

    def respond(self, body: bytes) -> None:
        """Send the message.

        Raises:
            Fault: the request amounts to none, or an allowance is used up.
        """
        message = publishing.message(self.head, self._to, body, self.identity)
        session = self.log_in()
        if session is not None:
            self.send(session, message)
