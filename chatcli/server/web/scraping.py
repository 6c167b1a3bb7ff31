"""Metrics by HTTP: a request of Prometheus, with a token for nothing else."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.server.web.responders import Conversing
from chatcli.server.web.session import open_session
from chatcli.server.web.visit import check_allowance

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.protocol.codec import BadFrame
    from chatcli.protocol.frames import ServerFrame
    from chatcli.server.metrics import Exposition
    from chatcli.server.web.responders import Answering
    from chatcli.server.web.site import Site

_NEEDED: Final = (
    'The metrics need a token, as in "Authorization: Bearer cct_…": an operator makes one with "chatcli admin token '
    'NAME --scope metrics".'
)
_OTHER: Final = (
    'This token is not for the metrics: an operator makes one with "chatcli admin token NAME --scope metrics".'
)


class Scrape(Conversing):
    """Answers with the metrics: a :class:`~chatcli.server.web.responders.Responder`.

    The token logs in to a session, as any other does: so it is limited, banned and revoked like them.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
    """

    def __init__(self, site: Site, connection: Answering, head: Head) -> None:
        super().__init__(connection, shown_token(head.headers, _NEEDED))
        self._site = site
        self._accept = head.headers.get("accept", "")

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Log in with the token.

        Raises:
            Fault: an allowance is used up.
        """
        self.session = open_session(self._site, self.connection, self)
        check_allowance(self.session)
        self.session.receive_frames([f.Hello(f.VERSION, purpose="query", token=self.token, revision=f.REVISION)])

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Read the metrics, or answer with the reason why the token is refused."""
        match frame:
            case f.Welcome() if frame.scope == "metrics":
                self._site.metrics.expose(self._accept, self._show, self.fail)
            case f.Welcome():
                self.refuse(fault(codes.NOT_ALLOWED, _OTHER))
            case f.Error() | f.ServerBye():
                self.refuse(fault(frame.code, frame.text))

    def _show(self, made: Exposition) -> None:
        if not self.over:
            self.finish()
            self.connection.answer(HTTPStatus.OK, made.content_type, made.body)

    def finish(self) -> None:
        """End the session."""
        super().finish()
        session, self.session = self.session, None
        if session is not None:
            session.lost()

    def ended(self) -> None:
        """Do nothing: the session says why before it ends."""

    def tick(self, seconds: float) -> None:
        """Check the deadlines of the session."""
        if self.session is not None:
            self.session.tick(seconds)
