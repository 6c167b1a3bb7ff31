"""Clients by WebSocket: the library with lines of JSON, frames made by hand, and a tunnel."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Self

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chatcli.protocol.keys import Claim, key_bytes, key_text, origin_channel, signed_bytes
from tests.gateway.frames import CLOSE, frames_in
from tests.support import (
    DEADLINE,
    OWN,
    UNASKED,
    Caller,
    ThreadServer,
    trusting,
)

KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="


QUERY: Final = '{"t":"hello","version":1,"purpose":"query"}'


def request(*headers: str, method: str = "GET", version: str = "1.1", key: str | None = KEY) -> bytes:
    """Return a request for a WebSocket."""
    lines = [f"{method} /-/ws HTTP/{version}", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
    if not any(line.startswith("Sec-WebSocket-Version") for line in headers):
        lines.append("Sec-WebSocket-Version: 13")
    if key is not None:
        lines.append(f"Sec-WebSocket-Key: {key}")
    return "\r\n".join([*lines, *headers, "", ""]).encode()


class Raw:
    """A client that makes its frames by hand, or anything else."""

    def __init__(self, server: ThreadServer, *, opened: bool = True) -> None:
        self.socket = socket.create_connection(server.address[:2], DEADLINE)
        if opened:
            self.send(request())
            assert self.head().startswith(b"HTTP/1.1 101 ")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def head(self) -> bytes:
        """Return the head of an answer."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, data
            data += byte
        return data

    def rest(self) -> bytes:
        """Return everything until the server closes."""
        parts = []
        try:
            while part := self.socket.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def ends_with(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closes, after closing, too."""
        data = self.rest()
        last = frames_in(data)[-1]
        assert last.opcode == CLOSE, data
        return int.from_bytes(last.data[:2]), bytes(last.data[2:]).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Foreign:
    """A foreign client: the library, and lines of JSON in text messages."""

    def __init__(
        self,
        server: ThreadServer,
        *,
        tls: bool = False,
        host: str | None = None,
        **options: Any,  # noqa: ANN401 (the library's)
    ) -> None:
        scheme, context = ("wss", trusting(server.certificate)) if tls else ("ws", None)
        self._stack = ExitStack()
        if host is not None:  # as it is called, wherever that may lead
            options["sock"] = self._stack.enter_context(socket.create_connection(server.address[:2], DEADLINE))
        url = f"{scheme}://{host or '{}:{}'.format(*server.address[:2])}/-/ws"
        self.peer = self._stack.enter_context(connect(url, ssl=context, proxy=None, ping_interval=None, **options))
        self._lines: list[str] = []

    def says(self, tag: str, **fields: object) -> None:
        """Send one frame as one message."""
        self.peer.send(json.dumps({"t": tag, **fields}))

    def next(self) -> dict[str, Any]:
        """Return the next frame."""
        while not self._lines:
            message = self.peer.recv(DEADLINE)
            assert isinstance(message, str)
            assert message.endswith("\n")
            self._lines += message.splitlines()
        return json.loads(self._lines.pop(0))  # type: ignore[no-any-return]

    def hears(self, tag: str) -> dict[str, Any]:
        """Return the next frame, but for notices about others, which must have this tag."""
        while (answer := self.next())["t"] in UNASKED or (answer["t"] == "who" and "n" not in answer):
            pass
        assert answer["t"] == tag, answer
        return answer

    def proves(self, user: str, **hello: object) -> None:
        """Log in with the own key, bound to the certificate that was shown."""
        certificate = self.peer.socket.getpeercert(binary_form=True)
        self.says("hello", version=1, user=user, purpose="join", key=key_text(OWN.public), **hello)
        challenge = self.hears("challenge")
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user=user,
            purpose="join",
            channel=hashlib.sha256(certificate).digest(),
        )
        self.says("prove", signature=key_text(OWN.sign(signed_bytes(claim))))
        self.hears("welcome")

    def shows(self, user: str, origin: str, *, signed: str | None = None, **hello: object) -> dict[str, Any]:
        """Say hello with the own key and an origin, sign it or another one, and return the answer to that."""
        self.says("hello", version=1, user=user, key=key_text(OWN.public), origin=origin, **hello)
        challenge = self.next()
        if challenge["t"] != "challenge":
            return challenge
        claim = Claim(
            version=1,
            server_key=challenge["key"],
            nonce=key_bytes(challenge["nonce"], 32),
            user=user,
            purpose="join",
            channel=origin_channel(origin if signed is None else signed),
        )
        self.says("prove", signature=key_text(OWN.sign(signed_bytes(claim))))
        return self.next()

    def closed(self) -> tuple[int, str]:
        """Return the code and the reason with which the server closes."""
        with pytest.raises(ConnectionClosed) as caught:
            self._read_all()
        assert caught.value.rcvd is not None
        return int(caught.value.rcvd.code), caught.value.rcvd.reason

    def _read_all(self) -> None:
        while True:
            self.peer.recv(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@contextmanager
def joined(server: ThreadServer, user: str) -> Iterator[Foreign]:
    """Yield a foreign client that has logged in with a key, over TLS."""
    with Foreign(server, tls=True) as client:
        client.proves(user)
        yield client


class Tunnel(Caller):
    """Speaks the protocol by hand through a tunnel: TLS in binary messages of the library, by default within TLS.

    Args:
        server: the server.
        outer: whether the WebSocket is within TLS itself.
        origin: the origin of the page that opens it.
    """

    def __init__(self, server: ThreadServer, *, outer: bool = False, origin: str | None = None) -> None:
        self._foreign = Foreign(server, tls=outer, origin=origin)
        self.peer = self._foreign.peer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = trusting(server.certificate).wrap_bio(self._in, self._out, server_hostname="127.0.0.1")
        self._do(self.inner.do_handshake)
        self.channel = hashlib.sha256(self.inner.getpeercert(binary_form=True) or b"").digest()
        self._unread = None
        self._lines = b""
        self.welcome = {}

    def _flush(self) -> None:
        if data := self._out.read():
            self.peer.send(data)

    def _do(self, step: Any) -> Any:  # noqa: ANN401 (whatever the step returns)
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                message = self.peer.recv(DEADLINE)
                assert isinstance(message, bytes)
                self._in.write(message)
            else:
                self._flush()
                return result

    def says_raw(self, data: bytes) -> None:
        """Send raw bytes within the tunnel."""
        self.inner.write(data)
        self._flush()

    def next(self) -> dict[str, Any] | None:
        """Return the next frame, or None at the end."""
        if self._unread is not None:
            answer, self._unread = self._unread, None
            return answer
        while b"\n" not in self._lines:
            try:
                data = self._do(lambda: self.inner.read(65536))
            except (ssl.SSLZeroReturnError, ConnectionClosed):
                return None
            if not data:
                return None
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\n")
        return json.loads(line)  # type: ignore[no-any-return]

    def hang_up(self) -> None:
        """Close."""
        self._foreign.__exit__()
