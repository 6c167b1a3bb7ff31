"""The HTTP on the way into a tunnel, without I/O: heads of answers, and sentences for those that lead nowhere."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from chatcli.client.transport.proxies import HEADER_VARIABLE, Proxy
from chatcli.errors import ChatError, ForeignAnswer, ServerUnreachable
from chatcli.protocol.values.address import WEBSOCKET_PATH, Address, parse_address
from chatcli.protocol.values.authority import Authority
from chatcli.protocol.values.text import printable_line, quoted

USER_AGENT: Final = "chatcli"

_LONGEST_HEAD: Final = 64 * 1024  # bytes
_LONGEST_LOCATION: Final = 2048  # characters of it that are read
_LONGEST_FOUND: Final = 300  # characters of an address that is proposed
_LONGEST_REASON: Final = 60  # characters that are shown
_FIRST_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r\n")
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")  # the end of such a head would be waited for in vain
_CLOSED_GATES: Final = (401, 403)
_UNREACHED: Final = (
    "What answers at {server} does not reach a server there ({head}): is it running, and on the port that is "
    "forwarded? Try again in a moment."
)
#: Sentences for answers after which another attempt may succeed.
_NOT_NOW: Final = {
    429: "{server} gets too many requests ({head}): try again in a moment.",
    502: _UNREACHED,
    503: _UNREACHED,
    504: _UNREACHED,
}
#: Sentences for answers of what leads to no server of ours.
_FOREIGN: Final = {
    200: "A web server answers at {server} with a page ({head}), and no chatcli server: check the address.",
    404: "A web server answers at {server}, and knows nothing of a chatcli server (404): check the address, its path, "
    "and that the server's port is forwarded.",
    421: "What answers at {server} serves nothing under the name {host} (421): check the address, its path, and the "
    "names that the proxy in front of the server knows.",
}
_OTHERWISE: Final = (
    "A web server answers at {server} and opens no WebSocket ({head}): check the address, and that what is in between "
    "lets WebSockets through."
)


class NotHttp(Exception):
    """An answer is not HTTP/1.1."""


class Head(Struct, frozen=True):
    """The head of an answer: all but its body.

    Attributes:
        status: the status.
        reason: the words beside it, for people.
        location: the address that the answer redirects to; empty if there is none.
        length: bytes of the head.
    """

    status: int
    reason: str
    location: str
    length: int

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()


def read_head(data: bytes) -> Head | None:
    """Return the head at the beginning of what has come; None while it is incomplete.

    Raises:
        NotHttp: that will never be one.
    """
    head, end, _ = data.partition(b"\r\n\r\n")
    if not b"HTTP/1.".startswith(head[:7]) or len(head) > _LONGEST_HEAD or _BARE_LINE_FEED.search(head):
        raise NotHttp
    if not end:
        return None
    first = _FIRST_LINE.match(head + end)
    if first is None:
        raise NotHttp
    location = re.search(rb"(?i)\r\nlocation:[ \t]*([^\r\n]*)", head)
    return Head(
        int(first[1]),
        _shown(first[2] or b"")[:_LONGEST_REASON],
        _shown(location[1]) if location else "",
        len(head + end),
    )


def _shown(data: bytes) -> str:
    return printable_line(data.decode(errors="replace").strip())


def connect_request(server: Address, proxy: Proxy) -> bytes:
    """Return the request to a proxy for a connection to a server."""
    place = Authority(server.host.partition("%")[0], server.port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", f"User-Agent: {USER_AGENT}"]
    if proxy.credentials:
        lines.append(f"Proxy-Authorization: Basic {proxy.credentials}")
    return "\r\n".join([*lines, "", ""]).encode()


def proxy_refusal(server: Address, proxy: Proxy, head: Head) -> ChatError:
    """Return the exception for a proxy that opens no connection."""
    if head.status == 407:
        if proxy.credentials:
            return ForeignAnswer(f"{proxy} refuses the name and the password in it (407): correct them.")
        return ForeignAnswer(f"{proxy} wants a name and a password (407): write http://NAME:PASSWORD@HOST:PORT there.")
    if head.status in _NOT_NOW:
        return ServerUnreachable(
            f"{proxy} does not reach {server} ({head}): check the address, and that a server runs there."
        )
    return ForeignAnswer(
        f"{proxy} lets nobody through to {server} ({head}): ask who runs it, or name {server.host} in NO_PROXY if "
        "there is another way."
    )


def foreign_proxy(proxy: Proxy) -> ForeignAnswer:
    """Return the exception for a proxy that does not speak HTTP."""
    return ForeignAnswer(f"{proxy} does not answer in HTTP: is it a proxy for HTTP? Check the variable.")


def foreign_answer(server: Address, head: Head) -> ChatError:
    """Return the exception for an answer that opens no tunnel: a web server or a proxy has given it."""
    if head.status in _NOT_NOW:
        return ServerUnreachable(_NOT_NOW[head.status].format(server=server, head=head))
    if head.status in _CLOSED_GATES:
        return _closed_gate(server, f"{head}")
    if 300 <= head.status < 400:
        return _redirected(server, head)
    return ForeignAnswer(_FOREIGN.get(head.status, _OTHERWISE).format(server=server, host=server.host, head=head))


def _closed_gate(server: Address, answer: str) -> ForeignAnswer:
    return ForeignAnswer(
        f"The gate in front of {server} is closed ({answer}): the port is private, or asks for a login. Have it made "
        f'public, or give what opens it in {HEADER_VARIABLE}, as in "X-Github-Token: …".'
    )


def _redirected(server: Address, head: Head) -> ForeignAnswer:
    try:
        where = parse_address(re.split("[?#]", head.location[:_LONGEST_LOCATION])[0], own_path=True)
    except ChatError:
        where = server
    is_same = where.host == server.host and where.scheme in (server.scheme, "https")
    found = where._replace(path=where.path.removesuffix(WEBSOCKET_PATH))
    if is_same and found not in (server, where) and len(str(found)) <= _LONGEST_FOUND:
        advice = f"give --server {quoted(str(found))}."
        return ForeignAnswer(f"{server} says that it has moved ({head.status}): {advice}")
    to = f", to {where.host}" if where.host != server.host else ""
    return _closed_gate(server, f"{head}{to}")


def foreign_protocol(server: Address) -> ForeignAnswer:
    """Return the exception for what does not answer in HTTP."""
    without = Authority(server.host, server.port)
    return ForeignAnswer(
        f"What answers at {server} does not speak HTTP: check the address, or try --server {without}, without "
        f'"{server.scheme}://".'
    )


def no_tls(server: Address, reason: str) -> ForeignAnswer:
    """Return the exception for what does not speak TLS at an ``https`` address."""
    return ForeignAnswer(
        f"What answers at {server} does not speak TLS ({reason}): check the address and the port, or try http://, if "
        "that is what is spoken there. The tunnel is encrypted all the same."
    )


def no_websocket(server: Address) -> ForeignAnswer:
    """Return the exception for an answer that promises a WebSocket, and is none."""
    return ForeignAnswer(
        f"What answers at {server} switches the protocol (101), but not to a WebSocket: check the address, and what is "
        "in between."
    )


def foreign_websocket(server: Address) -> ForeignAnswer:
    """Return the exception for a WebSocket that ends at something else."""
    return ForeignAnswer(
        f"There is a WebSocket at {server}, but it does not lead to a chatcli server: check the address."
    )
