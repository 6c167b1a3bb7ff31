"""The TLS around a tunnel, without I/O: that of a proxy, and that of what answers at the server's address.

It protects what is asked for at the gates on the way. Who the server is, the TLS within the tunnel decides.
"""

from __future__ import annotations

import ssl
from typing import Final

_CHUNK: Final = 64 * 1024  # bytes decrypted at a time


class TlsLayers:
    """Layers of TLS on one connection, of which there may be none."""

    def __init__(self) -> None:
        self._layers: list[_Layer] = []

    def add(self, context: ssl.SSLContext, host: str) -> None:
        """Add a layer within the others, which are ready. Its handshake begins with the next :meth:`encrypt`."""
        self._layers.append(_Layer(context, host))

    @property
    def are_ready(self) -> bool:
        """Whether all handshakes are done."""
        return all(layer.is_ready for layer in self._layers)

    @property
    def are_closed(self) -> bool:
        """Whether the other end of a layer has said that nothing more comes."""
        return any(layer.is_closed for layer in self._layers)

    def decrypt(self, data: bytes) -> bytes:
        """Return the data in received bytes; handshakes go on with them.

        Raises:
            ssl.SSLError: they break the rules of TLS, or a certificate is not good.
        """
        for layer in self._layers:
            data = layer.decrypt(data)
        return data

    def encrypt(self, data: bytes = b"") -> bytes:
        """Return the bytes to send for some data, and for handshakes.

        Raises:
            ssl.SSLError: a handshake has failed.
        """
        for layer in reversed(self._layers):
            data = layer.encrypt(data)
        return data


class _Layer:
    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self.is_ready = self.is_closed = False
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_hostname=host)

    def decrypt(self, data: bytes) -> bytes:
        self._received.write(data)
        self._shake_hands()
        found = []
        try:
            while self.is_ready and (part := self._tls.read(_CHUNK)):
                found.append(part)
            self.is_closed = self.is_ready
        except ssl.SSLWantReadError:
            pass
        return b"".join(found)

    def encrypt(self, data: bytes) -> bytes:
        self._shake_hands()
        if data:
            self._tls.write(data)
        return self._sent.read()

    def _shake_hands(self) -> None:
        if not self.is_ready:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return
            self.is_ready = True


def verifying() -> ssl.SSLContext:
    """Return a context for what must not go to anyone else: an authority vouches for the other end."""
    return _for_http(ssl.create_default_context())


def indifferent() -> ssl.SSLContext:
    """Return a context that accepts any certificate: there is nothing to see but the TLS within the tunnel."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _for_http(context)


def _for_http(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
