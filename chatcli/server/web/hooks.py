"""Webhooks: a request of another product, said in the one room, or to the one person, that its token is for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.gateway.web import hooks, publishing
from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.values.tokens import token_digest
from chatcli.server.web.publishing import Saying

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.gateway.web.hooks import Hook
    from chatcli.server.model import Token
    from chatcli.server.web.responders import Answering
    from chatcli.server.web.site import Site

_MOST_BODY: Final = 1024 * 1024  # bytes
_LONG: Final = 8 * 1024  # bytes of a body that is read in another thread: a kilobyte can take a millisecond
_PAID: Final = 64 * 1024  # bytes of a body that is paid for: a megabyte takes a quarter of a second
_KIB: Final = 8 / 1024  # points for a byte of such a body

_NEEDED: Final = (
    'A webhook has a token behind its address, as in /-/hook/cct_…: make one with "chatcli key token --to".'
)
_EVERYWHERE: Final = (
    "This token is for more than one place: say where with ?to=%23ops, or make one for a single room with "
    "\"chatcli key token --to '#ops'\"."
)


class Hooking(Saying):
    """Says what a webhook has to say: a :class:`~chatcli.server.web.responders.Responder`.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
        token: as its path has it; empty if a header has it.
    """

    most_body = _MOST_BODY

    def __init__(self, site: Site, connection: Answering, head: Head, token: str) -> None:
        super().__init__(connection, head, token or shown_token(head.headers, _NEEDED))
        self._site = site
        query = publishing.parameters(head, {"to"})
        self._to = publishing.place(query["to"]) if "to" in query else ""
        self._key: str | None = None  # the id that its header stands for

    def admit(self) -> bool:
        """Log in, before there is a body; return whether the token lets anybody in.

        Raises:
            Fault: an allowance is used up, or the token is for more places than one.
        """
        session = self.log_in()
        if session is None or session.token is None:
            return False
        self._place(session.token)
        return True

    def respond(self, body: bytes) -> None:
        """Understand the request, and send what it has to say.

        Raises:
            Fault: it is refused.
        """
        session = self.log_in()
        if session is None or session.token is None:
            return
        to = self._place(session.token)
        self._key = publishing.key_id(self.head, self.identity, to)
        if len(body) > _PAID:
            session.account.charge(len(body) * _KIB)
        if len(body) <= _LONG:
            self._said(to, self._understand(to, body))
        else:
            self._site.in_thread(lambda: self._understand(to, body), lambda made: self._said(to, made), self.fail)

    def _place(self, token: Token) -> str:
        """Return the name of the place that the message goes to.

        Raises:
            Fault: it is not clear.
        """
        if self._to:
            return self._to
        if token.places is None or len(token.places) != 1:
            raise fault(codes.INVALID, _EVERYWHERE)
        return self._site.hub.name_of(*token.places)

    def _understand(self, to: str, body: bytes) -> Hook | Fault | None:
        """Return the message of a body, or the reason for a refusal. It may run in another thread."""
        # Of the same event, each place gets a message of its own.
        limit, key = self._site.hub.limits.text, token_digest(self.token) + to.encode()
        try:
            return hooks.understand(self.head.headers, body, key=key, limit=limit)
        except Refused as refusal:
            return fault(refusal.code, str(refusal))

    def _said(self, to: str, made: Hook | Fault | None) -> None:
        """Go on with what a body has to say."""
        if self.over:
            return
        if made is None:
            self.finish()
            self.connection.answer(HTTPStatus.NO_CONTENT, "", b"")
        elif isinstance(made, Fault):
            self.refuse(made)
        elif (session := self.connection.visit.session) is not None:
            self.send(session, f.Send(made.id or self._key or self.identity.new(), to, made.text))
