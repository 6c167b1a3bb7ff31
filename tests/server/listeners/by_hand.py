"""TLS by hand: a client's side that gives the test each byte, and a receiver above the server's."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl

from tests.support import Frame, ThreadServer, trusting

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class ByHand:
    """A client's side of TLS that gives the test each byte."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def step(self) -> bytes:
        """Continue the handshake, and return the bytes for the server."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def encrypted(self, *frames: Frame) -> bytes:
        """Return encrypted frames, one record each."""
        for frame in frames:
            self.tls.write(json.dumps(frame).encode() + b"\n")
        return self.outgoing.read()

    def read(self) -> bytes:
        """Return the decrypted bytes."""
        parts = []
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self.tls.read(65536):
                parts.append(part)
        return b"".join(parts)

    def connect(self, caller: socket.socket) -> None:
        """Shake hands over a real socket."""
        while True:
            caller.sendall(self.step())
            if self.tls.version() and not self.unfinished():
                return
            self.incoming.write(caller.recv(65536))

    def unfinished(self) -> bool:
        """Return whether the handshake is incomplete."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return True
        return False


def client_hello(server: ThreadServer) -> bytes:
    """Return a TLS ClientHello."""
    return ByHand(trusting(server.certificate)).step()


class Above:
    """The receiver above a TLS layer.

    Args:
        got: gets the plaintext.
        ended: gets True at the end of input, and False when the connection is lost.
    """

    def __init__(self, got: list[bytes], ended: list[bool]) -> None:
        self._got = got
        self._ended = ended

    def received(self, data: bytes) -> None:
        """Note it."""
        self._got.append(data)

    def finished(self) -> None:
        """Note it."""
        self._ended.append(True)

    def lost(self) -> None:
        """Note it."""
        self._ended.append(False)
