"""Asking: a request that asks a question, or wants the answer to one, and is answered when the person has answered."""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from chatcli.gateway.web import asking
from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.credentials import shown_token
from chatcli.gateway.web.publishing import check_type
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.server.web.publishing import Saying

if TYPE_CHECKING:
    from chatcli.gateway.web.heads import Head
    from chatcli.protocol.codec import BadFrame
    from chatcli.protocol.frames import ServerFrame
    from chatcli.server.web.responders import Answering
    from chatcli.server.web.site import Site

_GRACE: Final = 500  # milliseconds: an answer given in the last moment is on its way to the disk
_PATIENCE: Final = 60.0  # seconds for the server to look once more
_NUMBERS: Final = itertools.cycle(range(1, 2**31))  # of requests for an answer: an error has no other sign of its own


class _Waiting(Saying):
    """A request that waits for the answer to a question.

    When the caller hangs up, the question stays open: the same request, or another one for the answer, finds it.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
    """

    outlives_input = False  # nobody waits for minutes on a connection that is half closed

    def __init__(self, site: Site, connection: Answering, head: Head) -> None:
        super().__init__(connection, head, shown_token(head.headers))
        self._site = site
        self._wait: int | None = None  # seconds; None for as long as the question is open
        self._until: int | None = None  # when the question closes; None while that is not known
        self._question = 0  # its number; 0 until it is stored
        self._waited = 0.0
        self._looking = False  # for the last time
        self._number = 0  # of the last request for the answer

    def watch(self, question: int) -> None:
        """Wait for the answer to a question."""
        self._question = question
        self._ask_for_answer()

    def _ask_for_answer(self) -> None:
        session = self.connection.visit.session
        if session is not None:
            self._number = next(_NUMBERS)
            session.receive_frames([f.Answers(self._question, self._number)])

    def hear(self, frame: ServerFrame | BadFrame) -> None:
        """Answer with the answer, or with the reason why there is none."""
        match frame:
            case f.Answered() if frame.re != self._question:
                pass  # what an earlier request has waited for
            case f.Answered(message=None) if self._looking and frame.n == self._number:
                self.refuse(asking.late())
            case f.Answered(message=None):
                session = self.connection.visit.session
                if session is not None:
                    self._until = self._site.hub.questions.until(session, self._question)
            case f.Answered():
                self._answer(frame)
            case f.ServerBye() if self._question:
                where = asking.location(self._question, asking.WAIT)
                self.refuse(fault(codes.STORAGE, f"{frame.text} The question is asked: GET {where} has its answer."))
            case _:
                super().hear(frame)

    def concerns(self, error: f.Error) -> bool:
        """Return whether an error is for this request, or the whole session, and not for an earlier request."""
        return error.n == self._number if error.n is not None else super().concerns(error)

    def _answer(self, answered: f.Answered) -> None:
        try:
            content_type, body = asking.answer(self.head, answered)
        except Fault as reason:
            self.refuse(reason)
        else:
            self.finish()
            self.connection.answer(HTTPStatus.OK, content_type, body)

    def finish(self) -> None:
        """Wait for the answer no longer."""
        session = self.connection.visit.session
        if session is not None and self._question:
            self._site.hub.questions.stop(session, self._question)
        super().finish()

    def tick(self, seconds: float) -> None:
        """Look whether the time of the question, or of the request, is over."""
        if not self._question:
            super().tick(seconds)
            return
        self._waited += seconds
        if self._looking:
            if self._waited > _PATIENCE:
                self.refuse(fault(codes.STORAGE, "The server is too slow at the moment."))
        elif self._until is not None and self._site.hub.clock() > self._until + _GRACE:
            self._looking, self._waited = True, 0.0
            self._ask_for_answer()
        elif self._wait is not None and self._waited >= self._wait:
            self.refuse(asking.not_yet(asking.location(self._question, self._wait)))


class Asking(_Waiting):
    """Asks a question, and waits for its answer: a :class:`~chatcli.server.web.responders.Responder`.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
    """

    def __init__(self, site: Site, connection: Answering, head: Head) -> None:
        super().__init__(site, connection, head)
        check_type(head)
        self.most_body = site.hub.limits.frame

    def respond(self, body: bytes) -> None:
        """Ask the question.

        Raises:
            Fault: the request asks none, or an allowance is used up.
        """
        asked = asking.question(self.head, body, self.identity)
        session = self.log_in()
        if session is not None:
            self._wait = asked.wait
            self.send(session, asked.message)

    def stored(self, message: f.Send, sent: f.Sent) -> None:  # noqa: ARG002 (the log decides)
        """Wait for the answer: the question is on disk, perhaps since an earlier request."""
        self.watch(sent.seq)


class Awaiting(_Waiting):
    """Waits for the answer to a question that was asked before.

    Args:
        site: everything that such connections share.
        connection: what is answered.
        head: the request.
        question: its number, as the path has it.
    """

    def __init__(self, site: Site, connection: Answering, head: Head, question: str) -> None:
        super().__init__(site, connection, head)
        self._asked, self._wait = asking.awaited(head, question)

    def respond(self, body: bytes) -> None:  # noqa: ARG002 (there is none)
        """Wait for the answer.

        Raises:
            Fault: an allowance is used up.
        """
        if self.log_in() is not None:
            self.watch(self._asked)
