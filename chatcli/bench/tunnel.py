"""A tunnel for the load generator: TLS within a WebSocket, on one non-blocking socket and without a thread."""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
from base64 import b64encode
from typing import Final

from chatcli.errors import ServerUnreachable
from chatcli.protocol.values.address import WEBSOCKET_PATH

_CHUNK: Final = 65536  # bytes
_RECORD: Final = 16384  # bytes of data in a record of TLS at most
_MOST_HEAD: Final = 16384  # bytes of the answer to the request
_SWITCHED: Final = re.compile(rb"HTTP/1\.1 101 ")
_FINAL_BINARY: Final = 0x82
_CONTROL: Final = 0x8
_MASKED: Final = 0x80
#: Frames of a client are masked, with random numbers where somebody in between could mistake their content for HTTP.
#: With zeros the content stays as it is, and costs the server the same.
_MASK: Final = bytes(4)
_SHORT: Final = 125  # bytes of content, beyond which the length stands behind the first two bytes
_LONGEST: Final = 65535  # bytes of content in a frame of ours: the server accepts about twice as many
_LENGTH_16: Final = 126  # in the place of the length, if that follows in two bytes; one more: in eight


class Tunnel:
    """A connection through a WebSocket, used like a non-blocking :class:`ssl.SSLSocket`.

    Args:
        connection: an established connection to the server, for which this stands from now on.
        context: the context for TLS within the WebSocket.
        host: the server's address as the request names it.
    """

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._unread = b""  # what has come of a frame, or of the answer to the request
        self._content = 0  # bytes of the present frame's content that have yet to come
        self._ignored = False  # whether that content is none of the stream
        self._is_open = False
        self._encrypted = 0  # bytes given to send() that are in _out already
        key = b64encode(os.urandom(16)).decode()
        request = (
            f"GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        self._out = bytearray(request.encode())

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def getpeercert(self) -> bytes:
        """Return the certificate of the server in the tunnel."""
        return self._tls.getpeercert(binary_form=True) or b""

    def do_handshake(self) -> None:
        """Go on with the opening of the WebSocket, and the handshake within it.

        Raises:
            ssl.SSLWantReadError: more has to come before it is done.
            ssl.SSLWantWriteError: more has to be written before it is done.
            OSError: it failed.
        """
        self._flush()
        if not self._is_open:
            self._open()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._frame()
                self._flush()
                self._receive()
            else:
                break
        self._frame()
        self._flush()

    def _open(self) -> None:
        """Read the answer to the request."""
        while b"\r\n\r\n" not in self._unread:
            self._unread += self._read()
            if len(self._unread) > _MOST_HEAD:
                raise ServerUnreachable("The server did not open a WebSocket.")
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        if not _SWITCHED.match(head):
            reason = head.partition(b"\r\n")[0].decode(errors="replace")
            raise ServerUnreachable(f"The server did not open a WebSocket, but answered: {reason}")
        self._is_open = True
        self._parse(b"")

    def send(self, data: bytes | bytearray) -> int:
        """Send data, and return its length.

        If this raises, the same data has to be given again once the socket takes more; other data may follow it.

        Raises:
            ssl.SSLWantWriteError: the socket is full.
            OSError: the connection is broken.
        """
        if not self._encrypted:
            self._encrypted = self._tls.write(data)
            self._frame()
        self._flush()
        sent, self._encrypted = self._encrypted, 0
        return sent

    def recv(self, _most: int) -> bytes:
        """Return all data that is there; nothing once the server has closed the connection.

        Raises:
            ssl.SSLWantReadError: there is none.
            OSError: the connection is broken.
        """
        self._receive()
        incoming, tls = self._incoming, self._tls
        data = tls.read(_RECORD)
        while incoming.pending or tls.pending():  # without asking TLS once more than there are records
            try:
                part = tls.read(_RECORD)
            except ssl.SSLWantReadError:
                break
            if not part:
                break
            data += part
        return data

    def _frame(self) -> None:
        """Put what TLS has to send into frames."""
        while content := self._outgoing.read(_LONGEST):
            size = len(content)
            if size <= _SHORT:
                head = bytes((_FINAL_BINARY, _MASKED | size))
            else:
                head = struct.pack(">BBH", _FINAL_BINARY, _MASKED | _LENGTH_16, size)
            self._out += b"".join((head, _MASK, content))

    def _flush(self) -> None:
        while self._out:
            try:
                del self._out[: self._socket.send(self._out)]
            except BlockingIOError:
                raise ssl.SSLWantWriteError from None

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            raise ssl.SSLWantReadError from None
        if not data:
            raise ConnectionResetError
        return data

    def _receive(self) -> None:
        """Give TLS the content of frames that have come."""
        self._parse(self._read())

    def _parse(self, data: bytes) -> None:
        if self._unread:
            data = self._unread + data
            self._unread = b""
        view, start, end = memoryview(data), 0, len(data)
        while start < end:
            if not self._content:
                header = self._parse_header(data, start)
                if not header:
                    self._unread = data[start:]
                    return
                start += header
            stop = min(start + self._content, end)
            self._content -= stop - start
            if not self._ignored:
                self._incoming.write(view[start:stop])
            start = stop

    def _parse_header(self, data: bytes, start: int) -> int:
        """Read the header of a frame; return its length, or 0 if it has not come whole."""
        size = len(data) - start
        if size < 2:
            return 0
        length, header = data[start + 1], 2
        if length >= _LENGTH_16:
            header = 4 if length == _LENGTH_16 else 10
            if size < header:
                return 0
            length = int.from_bytes(data[start + 2 : start + header])
        self._ignored = bool(data[start] & _CONTROL)  # a close is followed by the end of the connection
        self._content = length
        return header
