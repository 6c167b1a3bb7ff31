"""HTTP/1.1 on one connection (RFC 9112): bytes in, requests out, answers back, one at a time and within bounds."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import h11
import msgspec

MOST_HEAD: Final = 16 * 1024  # bytes of a request line with its headers
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FOLDED: Final = re.compile(rb"\n[ \t]")
_LENGTHS: Final = ("content-length", "transfer-encoding")
#: Headers of which a request has one at most; two of them may mean one thing to a proxy and another one to us.
_ONCE: Final = frozenset({"authorization", "content-length", "content-type", "host", "idempotency-key", "origin"})

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
    OVER = "nothing more is read"


class Exchange:
    """The server's side of HTTP/1.1 on one connection.

    A head comes first. It is answered at once, or its body is asked for with :meth:`read_body`. Then the request is
    answered, and the next one is read.

    Attributes:
        closing: whether the connection is to be closed after the answer.
    """

    __slots__ = (
        "_has_body", "_headless", "_in_chunks", "_length", "_most", "_parser", "_parts", "_raw", "_size", "_stage",
        "_version", "_wants_json", "closing",
    )  # fmt: skip

    def __init__(self) -> None:
        self._stage = _Stage.HEAD
        self._raw = b""  # what belongs to the next head
        self._parser: h11.Connection | None = None  # of the present request; made when its head has come
        self._parts: list[bytes] = []  # of its body
        self._size = 0
        self._most = 0
        self._length = 0  # of the body, as the head says
        self._has_body = False
        self._version = "1.1"
        self._headless = False  # the answer has no body: the request is a HEAD
        self._wants_json = False  # errors are answered as JSON
        self._in_chunks = False  # the stream is sent in chunks
        self.closing = False

    @property
    def idle(self) -> bool:
        """Whether no request has begun."""
        return self._stage is _Stage.HEAD and not self._raw

    @property
    def reading(self) -> bool:
        """Whether a request has begun, and has yet to come whole."""
        return (self._stage is _Stage.HEAD and bool(self._raw)) or self._stage is _Stage.BODY

    @property
    def streaming(self) -> bool:
        """Whether an answer of unknown length has begun."""
        return self._stage is _Stage.STREAMING

    @property
    def waiting(self) -> int:
        """Bytes that have come for a later request."""
        return len(self._raw)

    def receive(self, data: bytes) -> None:
        """Take bytes from the caller."""
        if self._stage is _Stage.OVER:
            return
        if self._stage is _Stage.BODY and self._parser is not None:
            self._parser.receive_data(data)
        else:
            self._raw += data

    def next(self) -> Head | Body | None:
        """Return the next head or body that has come whole; None if that needs more bytes, or an answer first.

        Raises:
            Fault: it is no request that can be processed. It is to be answered, and the connection closed.
        """
        try:
            if self._stage is _Stage.HEAD:
                return self._next_head()
            if self._stage is _Stage.BODY:
                return self._next_body()
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            raise self._fault(status, f"That is not a request in HTTP/1.1 ({error}).") from None
        except Fault:
            self.closing = True
            raise
        return None

    def _fault(self, status: HTTPStatus, text: str) -> Fault:
        self.closing = True
        return Fault(status, text)

    def _next_head(self) -> Head | None:
        raw = self._raw = self._raw.lstrip(b"\r\n")  # RFC 9112, section 2.2
        end = _END_OF_HEAD.search(raw)
        if len(raw[: end.start() if end else None]) > MOST_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise self._fault(status, f"The head of a request has {MOST_HEAD // 1024} KiB at most.")
        if end is None:
            return None
        head = raw[: end.end()]
        if _BARE_LF.search(head):
            raise self._fault(HTTPStatus.BAD_REQUEST, "A line of a head ends with CR and LF.")
        if _FOLDED.search(head):
            raise self._fault(HTTPStatus.BAD_REQUEST, "A header stands on one line.")
        self._raw = raw[len(head) :]
        self._parser = h11.Connection(h11.SERVER, MOST_HEAD)
        self._parser.receive_data(head)
        event = self._parser.next_event()
        assert isinstance(event, h11.Request)  # noqa: S101 (its head is complete)
        return self._judge(event)

    def _judge(self, request: h11.Request) -> Head:
        """Return the head of a request.

        Raises:
            Fault: two parsers could read it in different ways.
        """
        headers: dict[str, str] = {}
        for raw_name, raw_value in request.headers:
            name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
            if name in headers and name in _ONCE:
                raise self._fault(HTTPStatus.BAD_REQUEST, f'A request has one header "{name}".')
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if all(name in headers for name in _LENGTHS):
            raise self._fault(HTTPStatus.BAD_REQUEST, "A body has a length or is chunked, not both.")
        method = request.method.decode("ascii")
        path, query = self._target(method, request.target.decode("latin-1"), headers)
        self._headless = method == "HEAD"
        self._wants_json = _wants_json(headers)
        self._stage = _Stage.JUDGING
        self._length = int(headers.get("content-length", "0"))
        self._has_body = bool(self._length) or "transfer-encoding" in headers
        self._version = request.http_version.decode("ascii")
        if headers.get("connection", "").lower() == "close" or (
            self._version == "1.0" and headers.get("connection", "").lower() != "keep-alive"
        ):
            self.closing = True
        return Head(
            method=method,
            path=path,
            query=query,
            headers=headers,
            version=self._version,
            has_body=self._has_body,
        )

    def _target(self, method: str, target: str, headers: dict[str, str]) -> tuple[str, str]:
        """Return path and query; the host of an absolute target counts in place of the header (section 3.2.2)."""
        if target == "*" and method == "OPTIONS":
            return "/", ""
        if not target.startswith("/"):
            split = _split(target)
            if split is None or split.scheme not in ("http", "https") or method == "CONNECT":
                raise self._fault(HTTPStatus.BAD_REQUEST, "This is no proxy: ask for a path.")
            headers["host"] = split.netloc
            target = target[target.index("//") + 2 + len(split.netloc) :] or "/"
        path, _, query = target.partition("?")
        return path or "/", query

    # The body

    def read_body(self, most: int) -> bytes:
        """Ask for the body, which :meth:`next` returns; return bytes to send for that.

        Args:
            most: bytes that it may have.

        Raises:
            Fault: it says that it is longer.
        """
        parser = self._parser
        assert parser is not None  # noqa: S101 (its head has come)
        self._stage = _Stage.BODY
        self._most = most
        if self._length > most:
            raise self._too_large()
        waiting = parser.they_are_waiting_for_100_continue and not self._raw
        raw, self._raw = self._raw, b""
        if raw:
            parser.receive_data(raw)
        return b"HTTP/1.1 100 Continue\r\n\r\n" if waiting else b""

    def _next_body(self) -> Body | None:
        parser = self._parser
        assert parser is not None  # noqa: S101 (its head has come)
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Data):
                self._size += len(event.data)
                if self._size > self._most:
                    raise self._too_large()
                self._parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._stage = _Stage.ANSWERING
                return Body(b"".join(self._parts))
            else:
                return None

    def _too_large(self) -> Fault:
        text = f"The body of this request has {self._most} bytes at most."
        return self._fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)

    # The answer

    def answer(self, status: HTTPStatus, content_type: str, body: bytes, headers: Headers = ()) -> bytes:
        """Return a whole answer, after which the next request is read, or the connection closed.

        Args:
            status: its status; below 200 is not possible.
            content_type: of the body; empty where there is none.
            body: the body, which is left out where the request is a ``HEAD``.
            headers: further headers.
        """
        if self._stage in (_Stage.JUDGING, _Stage.BODY) and not self._at_end():
            self.closing = True  # a body comes that nobody wants
        fields = [*headers, *_COMMON]
        if content_type:
            fields.append(("Content-Type", content_type))
        if status is not HTTPStatus.NO_CONTENT:
            fields.append(("Content-Length", str(len(body))))
        data = self._begin(status, fields)
        if body and not self._headless:
            data += body
        self._finish()
        return data

    def start_stream(self, content_type: str, headers: Headers = ()) -> bytes:
        """Return the beginning of an answer of unknown length. Each part is wrapped by :meth:`part`."""
        fields = [*headers, *_COMMON, ("Content-Type", content_type)]
        self._in_chunks = self._version != "1.0" and not self._headless
        if self._in_chunks:
            fields.append(("Transfer-Encoding", "chunked"))
        else:
            self.closing = True
        data = self._begin(HTTPStatus.OK, fields)
        self._stage = _Stage.STREAMING
        self._parser = None  # a stream lasts for days
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
        rest = self._rest()
        self._stage = _Stage.OVER
        self._parser = None
        return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode("latin-1"), rest

    def refuse(self, fault: Fault) -> bytes:
        """Return an error as an answer."""
        if self._stage in (_Stage.STREAMING, _Stage.OVER):
            return b""
        if self._wants_json:
            failure = msgspec.json.encode(Failure(fault.code, fault.text, fault.names)) + b"\n"
            return self.answer(fault.status, JSON, failure, fault.headers)
        return self.answer(fault.status, TEXT, f"{fault.text}\n".encode(), fault.headers)

    def stop(self) -> None:
        """Read nothing more."""
        self._stage = _Stage.OVER
        self._raw = b""
        self._parser = None

    def _begin(self, status: HTTPStatus, fields: list[tuple[str, str]]) -> bytes:
        if self.closing:
            fields.append(("Connection", "close"))
        elif self._version == "1.0":
            fields.append(("Connection", "keep-alive"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode("latin-1")

    def _at_end(self) -> bool:
        """Return whether the request is complete, or has no body."""
        return self._stage is _Stage.ANSWERING or (self._stage is _Stage.JUDGING and not self._has_body)

    def _rest(self) -> bytes:
        """Return the bytes behind the request."""
        behind = b"" if self._parser is None else self._parser.trailing_data[0]
        return behind + self._raw

    def _finish(self) -> None:
        """Be ready for the next request, or read nothing more."""
        self._raw = self._rest()
        self._parts.clear()
        self._size = self._length = 0
        self._wants_json = False
        if self.closing:
            self.stop()
        else:
            self._stage = _Stage.HEAD
            self._parser = None


def _split(target: str) -> SplitResult | None:
    try:
        return urlsplit(target)
    except ValueError:
        return None
