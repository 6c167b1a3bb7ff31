"""HTTP/1.1 on one connection (RFC 9112): bytes in, requests out, answers back, one at a time and within bounds."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple

from chatcli.gateway.web.answers import COMMON, CONTINUE, LAST_CHUNK, Fault, Headers, chunk, head_of
from chatcli.gateway.web.bodies import BadBody, BodyReader, ChunkedBody, SizedBody
from chatcli.gateway.web.heads import MOST_HEAD, Head, check_body, parse_head

_MOST_DROPPED: Final = 64 * 1024  # bytes of a body that nobody wants, for the connection to survive
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_PROBES: Final = (b"GET /healthz ", b"HEAD /healthz ")


class Body(NamedTuple):
    """The body of a request, complete."""

    data: bytes


class _Stage(enum.Enum):
    """The stage of a request."""

    HEAD = "the head has yet to come"
    JUDGING = "the head has come, and it is not decided whether the body is wanted"
    BODY = "the body has yet to come"
    ANSWERING = "the request is complete"
    STREAMING = "the answer has begun"
    DRAINING = "the request is answered, and its body has yet to come"
    OVER = "nothing more is read"


class Exchange:
    """The server's side of HTTP/1.1 on one connection.

    A head comes first. It is answered at once, or its body is asked for with :meth:`read_body`. Then the request is
    answered, and the next one is read. Whatever two readers of HTTP could understand in two ways is refused.

    Args:
        date: returns the present time as answers have it; None where there is no clock.

    Attributes:
        closing: whether the connection is to be closed after the answer.
        lingering: whether the caller may be sending something that nobody reads: if the connection were closed at once,
            that could cost the caller the answer.
    """

    __slots__ = (
        "_body", "_date", "_dropped", "_expecting", "_head", "_headless", "_in_chunks", "_most", "_raw", "_reader",
        "_searched", "_stage", "closing", "lingering",
    )  # fmt: skip

    def __init__(self, date: Callable[[], str] | None = None) -> None:
        self._date = date
        self._stage = _Stage.HEAD
        self._raw = bytearray()  # what has come and is not read yet
        self._searched = 0  # bytes of it in which there is no end of a head
        self._head: Head | None = None  # of the request; None until it is understood
        self._reader: BodyReader | None = None  # of the body, if there is one
        self._body = bytearray()
        self._most = 0  # bytes that it may have
        self._dropped = 0  # bytes of a body that nobody wants
        self._expecting = False  # the caller waits with the body
        self._headless = False  # the answer has no body: the request is a HEAD
        self._in_chunks = False  # the stream is sent in chunks
        self.closing = False
        self.lingering = False

    @property
    def idle(self) -> bool:
        """Whether no request has begun."""
        return self._stage is _Stage.HEAD and not self._raw

    @property
    def reading(self) -> bool:
        """Whether a request has begun, and has yet to come whole."""
        return (self._stage is _Stage.HEAD and bool(self._raw)) or self._stage in (_Stage.BODY, _Stage.DRAINING)

    @property
    def owing(self) -> bool:
        """Whether a request waits for its answer."""
        return self._stage in (_Stage.JUDGING, _Stage.BODY, _Stage.ANSWERING)

    @property
    def streaming(self) -> bool:
        """Whether an answer has begun, and has yet to end."""
        return self._stage is _Stage.STREAMING

    @property
    def held(self) -> int:
        """Bytes of a body that has yet to come whole."""
        return len(self._body) + len(self._raw) if self._stage is _Stage.BODY else 0

    @property
    def pushing(self) -> bool:
        """Whether a request that nobody has looked at comes with more than a little of a body."""
        return self._stage is _Stage.HEAD and len(self._raw) > MOST_HEAD and self._raw.startswith(b"POST ")

    @property
    def probing(self) -> bool:
        """Whether a request that nobody has looked at asks whether the server is well."""
        return self._stage is _Stage.HEAD and self._raw.startswith(_PROBES)

    @property
    def busy(self) -> bool:
        """Whether :meth:`next` has more to read in what has come."""
        return self._reader is not None and self._reader.busy

    @property
    def waiting(self) -> int:
        """Bytes that have come and are not read yet."""
        return len(self._raw)

    def receive(self, data: bytes) -> None:
        """Take bytes from the caller; those after the last request are dropped."""
        if self._stage is not _Stage.OVER and not (self.streaming and self.closing):
            self._raw += data

    def next(self) -> Head | Body | None:
        """Return the next head or body that has come whole.

        None if that needs more bytes, or an answer first; or another call, where the exchange is :attr:`busy`.

        Raises:
            Fault: it is no request that can be processed. It is to be answered, and the connection closed.
        """
        if self._stage is _Stage.DRAINING:
            self._drain()
        if self._stage is _Stage.HEAD:
            try:
                return self._next_head()
            except Fault:
                self.closing = True  # where the next request begins is not certain
                raise
        if self._stage is _Stage.BODY:
            return self._next_body()
        return None

    def _next_head(self) -> Head | None:
        raw = self._raw
        while raw.startswith(b"\r\n"):  # RFC 9112, section 2.2
            del raw[:2]
        self._headless = raw.startswith(b"HEAD ")
        found = _END_OF_HEAD.search(raw, max(0, self._searched - 3))
        if (found.start() if found else len(raw) - 3) > MOST_HEAD:
            text = f"The head of a request has {MOST_HEAD // 1024} KiB at most."
            raise Fault(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)
        self._searched = 0 if found else len(raw)
        if found is None:
            return None
        data = bytes(raw[: found.end()])
        del raw[: found.end()]
        head = self._head = parse_head(data)
        self._reader = _body_reader(head)
        check_body(head)
        self._expecting = head.expects
        self.closing |= not head.persistent
        self._stage = _Stage.JUDGING
        return head

    # The body

    def read_body(self, most: int) -> bytes:
        """Ask for the body, which :meth:`next` returns; return bytes to send for that.

        Args:
            most: bytes that it may have.

        Raises:
            Fault: it says that it is longer.
        """
        assert self._reader is not None  # noqa: S101 (its head says so)
        self._stage = _Stage.BODY
        self._most = most
        if self._reader.left is not None and self._reader.left > most:
            raise self._too_large()
        expecting, self._expecting = self._expecting, False
        return CONTINUE if expecting and not self._raw else b""

    def _next_body(self) -> Body | None:
        reader = self._reader
        assert reader is not None  # noqa: S101 (it was asked for)
        try:
            self._body += reader.read(self._raw)
        except BadBody:
            self.closing = True
            raise Fault(HTTPStatus.BAD_REQUEST, "The chunks of this body are not right.") from None
        if len(self._body) > self._most:
            raise self._too_large()
        if not reader.ended:
            return None
        self._stage = _Stage.ANSWERING
        body = Body(bytes(self._body))
        self._body = bytearray()  # the answer may take minutes
        return body

    def _too_large(self) -> Fault:
        # The answer tells whether the connection survives: a small rest is read and dropped.
        return Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body of this request has {self._most} bytes at most.")

    def _drain(self) -> None:
        """Read and drop a body that nobody wants, or close the connection if that is not worth it."""
        before = len(self._raw)
        reader = self._reader
        assert reader is not None  # noqa: S101 (there is a body)
        try:
            reader.read(self._raw)
        except BadBody:
            self.closing = True
        self._dropped += before - len(self._raw)
        if reader.ended:
            self._be_ready()
        elif self.closing or self._dropped > _MOST_DROPPED:
            self.closing = self.lingering = True
            self.stop()

    # The answer

    def answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: Headers = ()) -> bytes:
        """Return a whole answer, after which the next request is read, or the connection closed.

        Args:
            status: its status; below 200 is not possible.
            content_type: of the body; empty where there is none.
            body: the body, which is left out where the request is a ``HEAD``.
            headers: further headers.
        """
        self._settle()
        bodiless = status is HTTPStatus.NO_CONTENT
        fields = _with_common(headers)
        if content_type:
            fields.append(("Content-Type", content_type))
        if not bodiless:
            fields.append(("Content-Length", str(len(body))))
        data = self._begin(status, fields)
        if not bodiless and not self._headless:
            data += body
        self._finish()
        return data

    def start_stream(self, content_type: str, headers: Headers = ()) -> bytes:
        """Return the beginning of an answer of unknown length. Each part is wrapped by :meth:`part`."""
        self.closing |= not self._at_end()
        self._settle()
        fields = [*_with_common(headers), ("Content-Type", content_type)]
        if self._is_old:
            self.closing = True
        else:
            fields.append(("Transfer-Encoding", "chunked"))
        self._in_chunks = not self._is_old and not self._headless
        data = self._begin(HTTPStatus.OK, fields)
        self._stage = _Stage.STREAMING
        self._head = self._reader = None  # a stream lasts for days
        self._body = bytearray()
        return data

    def part(self, data: bytes) -> bytes:
        """Return a part of a stream as it is sent."""
        if self._headless or not data:
            return b""
        return chunk(data) if self._in_chunks else data

    def end_stream(self) -> bytes:
        """Return the end of a stream."""
        data = LAST_CHUNK if self._in_chunks else b""
        self._finish()
        return data

    def switch(self, headers: Headers) -> tuple[bytes, bytes]:
        """Return the answer that switches to another protocol, and the bytes that have come in that already.

        Args:
            headers: of the answer.
        """
        rest = bytes(self._raw)
        self.stop()
        return head_of(HTTPStatus.SWITCHING_PROTOCOLS, headers), rest

    def refuse(self, fault: Fault) -> bytes:
        """Return an error as an answer."""
        if self._stage in (_Stage.STREAMING, _Stage.DRAINING, _Stage.OVER):
            return b""
        content_type, body = fault.body(json=self._head is not None and self._head.wants_json)
        return self.answer(fault.status, content_type, body, fault.headers)

    def stop(self) -> None:
        """Read nothing more."""
        self._stage = _Stage.OVER
        self._raw = bytearray()
        self._body = bytearray()
        self._reader = None

    def _settle(self) -> None:
        """Decide what becomes of the connection, before the head of the answer says it."""
        if self._at_end():
            return
        left = None if self._reader is None else self._reader.left
        if self._expecting or (left is not None and left > _MOST_DROPPED):
            self.closing = True
        self.lingering = self.closing

    def _begin(self, status: HTTPStatus, fields: list[tuple[str, str]]) -> bytes:
        if self._date is not None:
            fields.append(("Date", self._date()))
        if self.closing:
            fields.append(("Connection", "close"))
        elif self._is_old:
            fields.append(("Connection", "keep-alive"))
        return head_of(status, fields)

    @property
    def _is_old(self) -> bool:
        """Whether the request is in HTTP/1.0: connections close by default, and nothing is chunked."""
        return self._head is not None and self._head.version == "1.0"

    def _at_end(self) -> bool:
        """Return whether all of the request has been read."""
        return self._stage is _Stage.ANSWERING or (self._stage is _Stage.JUDGING and self._reader is None)

    def _finish(self) -> None:
        """Be ready for the next request, or for what is left of this one, or read nothing more."""
        if self.closing:
            self.stop()
        elif self._reader is not None and not self._reader.ended:
            self._stage = _Stage.DRAINING
            self._body = bytearray()
        else:
            self._be_ready()

    def _be_ready(self) -> None:
        """Be ready for the next request."""
        self._stage = _Stage.HEAD
        self._head = None
        self._reader = None
        self._body = bytearray()
        self._searched = self._dropped = 0
        self._expecting = self._in_chunks = self._headless = False


def _with_common(headers: Headers) -> list[tuple[str, str]]:
    """Return the headers of an answer, and those of all answers that it has not given another value."""
    own = dict(headers)
    return [*own.items(), *(header for header in COMMON if header[0] not in own)]


def _body_reader(head: Head) -> BodyReader | None:
    if "transfer-encoding" in head.headers:
        return ChunkedBody()
    return SizedBody(int(head.headers["content-length"])) if head.has_body else None
