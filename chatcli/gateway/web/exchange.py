"""HTTP/1.1 on one connection (RFC 9112): bytes in, requests out, answers back, one at a time and within bounds."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import h11
import msgspec

from chatcli.gateway.web.bodies import BadBody, BodyReader, ChunkedBody, SizedBody

MOST_HEAD: Final = 16 * 1024  # bytes of a request line with its headers
_MOST_LINES: Final = 102  # lines of a head: the request line, the headers, and the empty one
_MOST_DROPPED: Final = 64 * 1024  # bytes of a body that nobody wants, for the connection to survive
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_NAME: Final = re.compile(rb"\n([^:\r\n]+):")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)
_BAD: Final = HTTPStatus.BAD_REQUEST
#: Heads that are refused, and why. Libraries and proxies are lenient with most of them, each in its own way.
_PROBLEMS: Final = (
    (re.compile(rb"(?<!\r)\n|\r(?!\n)"), _BAD, "A line of a head ends with CR and LF."),
    (re.compile(rb"\n[ \t]"), _BAD, "A header stands on one line."),
    (re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]"), _BAD, "A head has no control characters."),
    (
        re.compile(rb"\A[^\r ]+ [^\r ]+ HTTP/(?!1[.\r])[0-9]+(?:\.[0-9]+)?\r"),
        HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        "This server speaks HTTP/1.1.",
    ),
    (re.compile(rb"(?i:\ncontent-length:)(?![ \t]*[0-9]+[ \t]*\r)"), _BAD, "A length is one number."),
    (
        re.compile(rb"(?i:\ncontent-length:)[ \t]*[0-9]{16}"),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "The body of this request is too long.",
    ),
)
#: Headers of which a request has one at most; two of them may mean one thing to a proxy and another one to us.
_ONCE: Final = frozenset(
    {
        "authorization", "content-encoding", "content-length", "content-type", "expect", "host", "idempotency-key",
        "last-event-id", "origin", "sec-fetch-site", "sec-websocket-key", "transfer-encoding",
    }
)  # fmt: skip

Headers = Iterable[tuple[str, str]]

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
#: Headers of every answer: what is answered here is nobody's to keep, to frame, or to guess the type of.
_COMMON: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


class Fault(Exception):
    """A request that is answered with an error.

    Attributes:
        status: the status of the answer.
        text: a sentence for people.
        headers: further headers of the answer.
        code: a word for programs, which stays the same: a code of the protocol, or else the name of the status.
        names: names that are close to an unknown one.
    """

    def __init__(
        self, status: HTTPStatus, text: str, headers: Headers = (), *, code: str = "", names: Sequence[str] = ()
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = tuple(headers)
        self.code = code or status.name.lower()
        self.names = list(names)


class Failure(msgspec.Struct, frozen=True):
    """An error as JSON."""

    code: str
    text: str
    names: list[str]


class Head(NamedTuple):
    """A request without its body.

    Attributes:
        method: in capitals, as in ``POST``.
        path: the path of the target, still encoded; begins with a slash.
        query: the query of the target, still encoded, without its question mark.
        headers: by name in small letters; several of one name are joined with commas.
        version: of HTTP, as in ``1.1``.
        has_body: whether a body follows.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    version: str
    has_body: bool

    @property
    def wants_json(self) -> bool:
        """Whether the caller asks for JSON in place of text."""
        return _wants_json(self.headers)


def _wants_json(headers: Mapping[str, str]) -> bool:
    """Return whether a request asks for JSON, and not merely takes anything."""
    for part in headers.get("accept", "").lower().split(","):
        kind, *parameters = part.replace(" ", "").split(";")
        if kind == JSON and "q=0" not in parameters:
            return True
    return False


class Body(NamedTuple):
    """The body of a request, complete."""

    data: bytes


class _Stage(enum.Enum):
    """How far the request is."""

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

    Attributes:
        closing: whether the connection is to be closed after the answer.
        lingering: whether the caller may be sending something that nobody reads: if the connection were closed at once,
            that could cost the caller the answer.
    """

    __slots__ = (
        "_body", "_dropped", "_expecting", "_headless", "_in_chunks", "_most", "_raw", "_reader", "_searched", "_stage",
        "_version", "_wants_json", "closing", "lingering",
    )  # fmt: skip

    def __init__(self) -> None:
        self._stage = _Stage.HEAD
        self._raw = bytearray()  # what has come and is not read yet
        self._searched = 0  # bytes of it in which there is no end of a head
        self._reader: BodyReader | None = None  # of the body, if there is one
        self._body = bytearray()
        self._most = 0  # bytes that it may have
        self._dropped = 0  # bytes of a body that nobody wants
        self._expecting = False  # the caller waits with the body
        self._version = "1.1"
        self._headless = False  # the answer has no body: the request is a HEAD
        self._wants_json = False  # errors are answered as JSON
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
    def busy(self) -> bool:
        """Whether :meth:`next` has more to read in what has come."""
        return self._reader is not None and self._reader.busy

    @property
    def waiting(self) -> int:
        """Bytes that have come and are not read yet."""
        return len(self._raw)

    def receive(self, data: bytes) -> None:
        """Take bytes from the caller; those behind the last request are nobody's."""
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
            return self._next_head()
        if self._stage is _Stage.BODY:
            return self._next_body()
        return None

    def _fault(self, status: HTTPStatus, text: str, headers: Headers = ()) -> Fault:
        self.closing = True
        return Fault(status, text, headers)

    def _next_head(self) -> Head | None:
        raw = self._raw
        while raw.startswith(b"\r\n"):  # RFC 9112, section 2.2
            del raw[:2]
        self._headless = raw.startswith(b"HEAD ")
        found = _END_OF_HEAD.search(raw, max(0, self._searched - 3))
        if (found.start() if found else len(raw) - 3) > MOST_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise self._fault(status, f"The head of a request has {MOST_HEAD // 1024} KiB at most.")
        self._searched = 0 if found else len(raw)
        if found is None:
            return None
        head = bytes(raw[: found.end()])
        del raw[: found.end()]
        return self._judge(head)

    def _judge(self, head: bytes) -> Head:
        """Return the head of a request.

        Raises:
            Fault: it is not one, or two readers could understand it in different ways.
        """
        for problem, status, text in _PROBLEMS:
            if problem.search(head):
                raise self._fault(status, text)
        if head.count(b"\n") > _MOST_LINES:
            raise self._fault(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"A request has {_MOST_LINES - 2} headers at most."
            )
        names = [name.lower().decode("latin-1") for name in _NAME.findall(head)]
        if twice := next((name for name in names if name in _ONCE and names.count(name) > 1), None):
            raise self._fault(HTTPStatus.BAD_REQUEST, f'A request has one header "{twice}".')
        if "content-length" in names and "transfer-encoding" in names:
            raise self._fault(HTTPStatus.BAD_REQUEST, "A body has a length or is chunked, not both.")
        return self._understand(self._parse(head))

    def _parse(self, head: bytes) -> h11.Request:
        parser = h11.Connection(h11.SERVER, MOST_HEAD)
        parser.receive_data(head)
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError as error:
            # What it says repeats what has come, such as a token.
            if error.error_status_hint == HTTPStatus.NOT_IMPLEMENTED:
                text = "A body is sent as it is, or in chunks: there is no other Transfer-Encoding here."
                raise self._fault(HTTPStatus.NOT_IMPLEMENTED, text) from None
            raise self._fault(HTTPStatus.BAD_REQUEST, "That is not a request in HTTP/1.1.") from None
        assert isinstance(event, h11.Request)  # noqa: S101 (its head is complete)
        return event

    def _understand(self, request: h11.Request) -> Head:
        headers: dict[str, str] = {}
        for raw_name, raw_value in request.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._version = "1.0" if request.http_version == b"1.0" else "1.1"
        if self._version == "1.1" and "host" not in headers:
            raise self._fault(HTTPStatus.BAD_REQUEST, 'A request in HTTP/1.1 has a header "host".')
        method = request.method.decode("ascii")
        path, query = self._target(method, request.target.decode("ascii"), headers)
        self._wants_json = _wants_json(headers)
        self._reader = self._body_reader(headers)
        self._check_expectation(headers)
        if headers.get("content-encoding", "identity").lower() != "identity":
            text = "A body is not compressed: nothing is decompressed here."
            raise self._fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, [("Accept-Encoding", "identity")])
        self._stage = _Stage.JUDGING
        options = [option.strip().lower() for option in headers.get("connection", "").split(",")]
        if "close" in options or (self._version == "1.0" and "keep-alive" not in options):
            self.closing = True
        return Head(
            method=method,
            path=path,
            query=query,
            headers=headers,
            version=self._version,
            has_body=self._reader is not None,
        )

    def _target(self, method: str, target: str, headers: dict[str, str]) -> tuple[str, str]:
        """Return path and query; the host of an absolute target counts in place of the header (section 3.2.2)."""
        if target == "*" and method == "OPTIONS":
            return "/", ""
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is not None:
            headers["host"] = absolute[1]
            target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
        if not target.startswith("/") or method == "CONNECT":
            raise self._fault(HTTPStatus.BAD_REQUEST, "This is no proxy: ask for a path.")
        if "#" in target:
            raise self._fault(HTTPStatus.BAD_REQUEST, 'A path has no "#": write it as "%23".')
        path, _, query = target.partition("?")
        return path, query

    def _body_reader(self, headers: Mapping[str, str]) -> BodyReader | None:
        if "transfer-encoding" in headers:
            if self._version == "1.0":
                raise self._fault(HTTPStatus.BAD_REQUEST, "A body in HTTP/1.0 is not chunked.")
            return ChunkedBody()
        length = int(headers.get("content-length", "0"))
        return SizedBody(length) if length else None

    def _check_expectation(self, headers: Mapping[str, str]) -> None:
        expected = headers.get("expect", "").lower()
        if self._version == "1.0" or not expected:
            return
        if expected != "100-continue":
            raise self._fault(HTTPStatus.EXPECTATION_FAILED, 'A request may expect "100-continue", and nothing else.')
        self._expecting = self._reader is not None

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
        return b"HTTP/1.1 100 Continue\r\n\r\n" if expecting and not self._raw else b""

    def _next_body(self) -> Body | None:
        reader = self._reader
        assert reader is not None  # noqa: S101 (it was asked for)
        try:
            self._body += reader.read(self._raw)
        except BadBody:
            raise self._fault(HTTPStatus.BAD_REQUEST, "The chunks of this body are not right.") from None
        if len(self._body) > self._most:
            raise self._too_large()
        if not reader.ended:
            return None
        self._stage = _Stage.ANSWERING
        return Body(bytes(self._body))

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
        fields = [*headers, *_COMMON]
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
        fields = [*headers, *_COMMON, ("Content-Type", content_type)]
        if self._version == "1.0":
            self.closing = True
        else:
            fields.append(("Transfer-Encoding", "chunked"))
        self._in_chunks = self._version != "1.0" and not self._headless
        data = self._begin(HTTPStatus.OK, fields)
        self._stage = _Stage.STREAMING
        self._reader = None  # a stream lasts for days
        self._body = bytearray()
        return data

    def part(self, data: bytes) -> bytes:
        """Return a part of a stream as it is sent."""
        if self._headless or not data:
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._in_chunks else data

    def end_stream(self) -> bytes:
        """Return the end of a stream."""
        data = b"0\r\n\r\n" if self._in_chunks else b""
        self._finish()
        return data

    def switch(self, headers: Headers) -> tuple[bytes, bytes]:
        """Return the answer that switches to another protocol, and the bytes that have come in that already.

        Args:
            headers: of the answer.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        rest = bytes(self._raw)
        self.stop()
        return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode("latin-1"), rest

    def refuse(self, fault: Fault) -> bytes:
        """Return an error as an answer."""
        if self._stage in (_Stage.STREAMING, _Stage.DRAINING, _Stage.OVER):
            return b""
        if self._wants_json:
            failure = msgspec.json.encode(Failure(fault.code, fault.text, fault.names)) + b"\n"
            return self.answer(fault.status, JSON, failure, fault.headers)
        return self.answer(fault.status, TEXT, f"{fault.text}\n".encode(), fault.headers)

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
        if self.closing:
            fields.append(("Connection", "close"))
        elif self._version == "1.0":
            fields.append(("Connection", "keep-alive"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode("latin-1")

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
        self._reader = None
        self._body = bytearray()
        self._searched = self._dropped = 0
        self._expecting = self._in_chunks = self._headless = self._wants_json = False
        self._version = "1.1"
