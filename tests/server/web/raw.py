"""A caller that speaks HTTP by hand, with none of our code."""

from __future__ import annotations

import socket
import ssl
from typing import Self

from chatcli.protocol.values.address import Address
from tests.server.web.answers import Answer
from tests.support import DEADLINE, ThreadServer, trusting


class RawCaller:
    """One connection of HTTP, through TLS given a context."""

    def __init__(self, address: Address, context: ssl.SSLContext | None = None, receive_buffer: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address[:2])
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._file = self.socket.makefile("rb")
        self.host = f"{address.host}:{address.port}"

    @classmethod
    def of(cls, server: ThreadServer, *, tls: bool = False) -> Self:
        """Call a server."""
        return cls(server.address, trusting(server.certificate) if tls else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def sends(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, target: str, body: bytes | None = None, **headers: str) -> bytes:
        """Return a request; an underscore in the name of a header stands for a hyphen."""
        fields = {"host": self.host, **{name.replace("_", "-").lower(): value for name, value in headers.items()}}
        if body is not None:
            fields["content-length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (body or b"")

    def asks(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request, and return its answer."""
        self.sends(self.request(method, target, body, **headers))
        return self.hears(bodiless=method == "HEAD")

    def hears(self, *, bodiless: bool = False) -> Answer:
        """Return the next answer."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (field := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = b"" if bodiless else self._file.read(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)

    def hears_end(self) -> bool:
        """Return whether the server has closed the connection, and nothing more comes."""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def hang_up(self) -> None:
        """Close the connection."""
        self._file.close()
        self.socket.close()
