"""Tells protocols apart by the first word of a caller."""

from __future__ import annotations

import enum
from typing import Final

ENOUGH: Final = 16  # bytes after which it is always known what a caller speaks


class Dialect(enum.Enum):
    """The protocol of a caller."""

    LINES = "our own protocol, one JSON object a line"
    TLS = "TLS"
    HTTP = "HTTP/1"
    HTTP2 = "HTTP/2 without an upgrade"
    IRC = "IRC"
    SSH = "SSH"
    UNKNOWN = "something else"


_LINES: Final = b"{ \t\r\n"
_TLS: Final = b"\x16"
_TAGS: Final = b":@"  # the source, or the tags, of a line of IRC
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")
_COMMANDS: Final = (
    b"AUTHENTICATE", b"AWAY", b"CAP", b"ERROR", b"HELP", b"INFO", b"ISON", b"JOIN", b"LIST", b"LUSERS", b"MODE",
    b"MOTD", b"NAMES", b"NICK", b"NOTICE", b"OPER", b"PART", b"PASS", b"PING", b"PONG", b"PRIVMSG", b"QUIT",
    b"SERVER", b"STARTTLS", b"TAGMSG", b"TOPIC", b"USER", b"USERHOST", b"VERSION", b"WEBIRC", b"WHO", b"WHOIS",
    b"WHOWAS",
)  # fmt: skip

# A word of HTTP is none of IRC. So a web page that posts commands of IRC to the port is answered by HTTP.
_HTTP: Final = tuple(method + b" " for method in _METHODS)
_HTTP2: Final = b"PRI * HTTP/2.0"
_SSH: Final = b"SSH-"
_IRC: Final = tuple(command + end for command in _COMMANDS for end in (b" ", b"\r", b"\n"))
_WORDS: Final = (*_HTTP, _HTTP2, _SSH)


def dialect(data: bytes) -> Dialect | None:
    """Return the protocol that begins with these bytes, or None if more of them are needed to know."""
    first = data[:1]
    if not first:
        return None
    if first in _LINES:
        return Dialect.LINES
    if first == _TLS:
        return Dialect.TLS
    if first in _TAGS:
        return Dialect.IRC
    return _by_word(data[:ENOUGH])


def _by_word(start: bytes) -> Dialect | None:
    if start.startswith(_HTTP):
        return Dialect.HTTP
    if start.startswith(_HTTP2):
        return Dialect.HTTP2
    if start.startswith(_SSH):
        return Dialect.SSH
    folded = start.upper()
    if folded.startswith(_IRC):
        return Dialect.IRC
    if any(word.startswith(start) for word in _WORDS) or any(word.startswith(folded) for word in _IRC):
        return None
    return Dialect.UNKNOWN
