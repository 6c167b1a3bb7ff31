"""Heads of requests: bytes of HTTP/1.1 (RFC 9112) as method, path and headers, unless two readers could disagree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

import h11

from chatcli.gateway.web.answers import HTML, JSON, Fault

MOST_HEAD: Final = 16 * 1024  # bytes of a request line with its headers
_MOST_LINES: Final = 102  # lines of a head: the request line, the headers, and the empty one
_NAME: Final = re.compile(rb"\n([^:\r\n]+):")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE)
_NEVER: Final = re.compile(r"q=0(?:\.0*)?")
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


#: Headers of requests that come through a proxy, which has its own TLS.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via")


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
        return self._names("accept", JSON)

    @property
    def wants_html(self) -> bool:
        """Whether the caller asks for HTML, as browsers do when they open a page."""
        return self._names("accept", HTML)

    @property
    def takes_gzip(self) -> bool:
        """Whether the answer may be compressed with gzip."""
        return self._names("accept-encoding", "gzip")

    @property
    def forwarded(self) -> bool:
        """Whether the request says that it came through a proxy."""
        return any(name in self.headers for name in _FORWARDED)

    def _names(self, header: str, wanted: str) -> bool:
        """Return whether a list of what the caller takes names something; that it takes anything is not enough."""
        for part in self.headers.get(header, "").lower().split(","):
            kind, *parameters = part.replace(" ", "").split(";")
            if kind == wanted and not any(map(_NEVER.fullmatch, parameters)):
                return True
        return False

    @property
    def persistent(self) -> bool:
        """Whether the connection may go on after the answer."""
        options = [option.strip().lower() for option in self.headers.get("connection", "").split(",")]
        return "close" not in options and (self.version == "1.1" or "keep-alive" in options)

    @property
    def expects(self) -> bool:
        """Whether the caller waits with the body until it is asked for."""
        return self.has_body and self.version == "1.1" and bool(self.headers.get("expect"))


def parse_head(raw: bytes) -> Head:
    """Return the head of a request.

    Raises:
        Fault: it is not one, or two readers could understand it in different ways.
    """
    for problem, status, text in _PROBLEMS:
        if problem.search(raw):
            raise Fault(status, text)
    if raw.count(b"\n") > _MOST_LINES:
        text = f"A request has {_MOST_LINES - 2} headers at most."
        raise Fault(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text)
    names = [name.lower().decode("latin-1") for name in _NAME.findall(raw)]
    if twice := next((name for name in names if name in _ONCE and names.count(name) > 1), None):
        raise Fault(_BAD, f'A request has one header "{twice}".')
    if "content-length" in names and "transfer-encoding" in names:
        raise Fault(_BAD, "A body has a length or is chunked, not both.")
    return _understand(_parse(raw))


def _parse(raw: bytes) -> h11.Request:
    parser = h11.Connection(h11.SERVER, MOST_HEAD)
    parser.receive_data(raw)
    try:
        event = parser.next_event()
    except h11.RemoteProtocolError as error:
        # What it says repeats what has come, such as a token.
        if error.error_status_hint == HTTPStatus.NOT_IMPLEMENTED:
            text = "A body is sent as it is, or in chunks: there is no other Transfer-Encoding here."
            raise Fault(HTTPStatus.NOT_IMPLEMENTED, text) from None
        raise Fault(_BAD, "That is not a request in HTTP/1.1.") from None
    assert isinstance(event, h11.Request)  # noqa: S101 (its head is complete)
    return event


def _understand(request: h11.Request) -> Head:
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    version = "1.0" if request.http_version == b"1.0" else "1.1"
    if version == "1.1" and "host" not in headers:
        raise Fault(_BAD, 'A request in HTTP/1.1 has a header "host".')
    method = request.method.decode("ascii")
    path, query = _target(method, request.target.decode("ascii"), headers)
    return Head(
        method=method,
        path=path,
        query=query,
        headers=headers,
        version=version,
        has_body="transfer-encoding" in headers or int(headers.get("content-length", "0")) > 0,
    )


def _target(method: str, target: str, headers: dict[str, str]) -> tuple[str, str]:
    """Return path and query; the host of an absolute target counts in place of the header (section 3.2.2)."""
    if target == "*" and method == "OPTIONS":
        return "/", ""
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        headers["host"] = absolute[1]
        target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
    if not target.startswith("/") or method == "CONNECT":
        raise Fault(_BAD, "This is no proxy: ask for a path.")
    if "#" in target:
        raise Fault(_BAD, 'A path has no "#": write it as "%23".')
    path, _, query = target.partition("?")
    return path, query


def check_body(head: Head) -> None:
    """Raise unless the body of a request is sent in a way that is understood here.

    Raises:
        Fault: it is not. The head itself is right: it says how the caller wants its errors.
    """
    if "transfer-encoding" in head.headers and head.version == "1.0":
        raise Fault(_BAD, "A body in HTTP/1.0 is not chunked.")
    if head.version == "1.1" and head.headers.get("expect", "").lower() not in ("", "100-continue"):
        text = 'A request may expect "100-continue", and nothing else.'
        raise Fault(HTTPStatus.EXPECTATION_FAILED, text)
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        text = "A body is not compressed: nothing is decompressed here."
        raise Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, [("Accept-Encoding", "identity")])
