"""Callers by HTTP: requests with the standard library, none of our code."""

from __future__ import annotations

import http.client
import ssl
from typing import Self

from chatcli.protocol.values.address import Address
from tests.server.web.answers import Answer
from tests.support import DEADLINE, Caller, ThreadServer, trusting


class HttpCaller:
    """A connection that is kept open between requests.

    Args:
        address: the server's.
        token: shown with each request, if any.
        context: for TLS.
    """

    def __init__(self, address: Address, token: str = "", context: ssl.SSLContext | None = None) -> None:
        self._token = token
        self.connection = (
            http.client.HTTPConnection(address.host, address.port, timeout=DEADLINE)
            if context is None
            else http.client.HTTPSConnection(address.host, address.port, timeout=DEADLINE, context=context)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def begins(
        self, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """Send a request."""
        fields = {**({"Authorization": f"Bearer {self._token}"} if self._token else {}), **(headers or {})}
        self.connection.request(method, path, body.encode() if isinstance(body, str) else body, fields)

    def hears(self) -> Answer:
        """Return the answer."""
        answer = self.connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def posts(self, path: str, body: str | bytes | None = None, **headers: str) -> Answer:
        """Send a POST, and return the answer. An underscore in the name of a header is a hyphen."""
        self.begins("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return self.hears()

    def gets(self, path: str, **headers: str) -> Answer:
        """Send a GET, and return the answer."""
        self.begins("GET", path, None, {name.replace("_", "-"): value for name, value in headers.items()})
        return self.hears()


def calls(server: ThreadServer, token: str = "", *, tls: bool = False) -> HttpCaller:
    """Return a caller of a server."""
    return HttpCaller(server.address, token, trusting(server.certificate) if tls else None)


def makes_token(caller: Caller, **fields: object) -> str:
    """Make a token, and return it; what comes before the answer does not matter."""
    caller.says("token", n=9, **fields)
    while (frame := caller.next()) is not None and frame.get("n") != 9:
        pass
    assert frame is not None
    assert frame["t"] == "token", frame
    return str(frame["token"])
