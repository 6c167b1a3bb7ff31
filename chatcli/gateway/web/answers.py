"""Answers: their bytes in HTTP/1.1, and the errors that requests are answered with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

Headers = Iterable[tuple[str, str]]

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"
HTML: Final = "text/html"
#: Headers of every answer that does not have its own: it is nobody's to keep, and its type nobody's to guess.
COMMON: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


class Content(NamedTuple):
    """The content of an answer.

    Attributes:
        content_type: its type.
        body: the content.
        headers: further headers of the answer.
    """

    content_type: str
    body: bytes
    headers: Headers


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

    def body(self, *, json: bool) -> tuple[str, bytes]:
        """Return the type of the answer's content, and the content.

        Args:
            json: whether the caller asks for JSON.
        """
        if json:
            return JSON, msgspec.json.encode(Failure(self.code, self.text, self.names)) + b"\n"
        return TEXT, f"{self.text}\n".encode()


class Failure(msgspec.Struct, frozen=True):
    """An error as JSON."""

    code: str
    text: str
    names: list[str]


def head_of(status: HTTPStatus, headers: Headers) -> bytes:
    """Return the head of an answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return a part of an answer as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
