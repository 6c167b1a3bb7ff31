"""TLS, a layer on top of a socket, for connections whose first byte has been read.

The event loop's own TLS needs a fresh socket; here the first byte has to be seen before it is known to be TLS. There is
no task and no second transport: bytes in, bytes out, at the two ends of an :class:`ssl.SSLObject`.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

from chatcli.server.connection.wire import Receiver, Wire
from chatcli.server.counts import Counts

logger = logging.getLogger(__name__)

_RECORD: Final = 16 * 1024  # bytes in one record of TLS at most
_CHUNK: Final = 64 * 1024  # bytes passed on at once, about
_SLICE: Final = 8 * 1024  # bytes of ciphertext that are decrypted before the plaintext is measured
# Bytes of ciphertext without plaintext after which the others are served; this many are free. One record is shorter.
_WASTE: Final = 18 * 1024
_AT_ONCE: Final = 256  # records that are decrypted in one tick, about, whatever they carry
_EARLY: Final = 4096  # bytes that can be written before the handshake is done
_LAST_CHANCE: Final = 1.0  # seconds for a handshake to be done, once the connection is to be closed


class _Stage(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    ENDED = "ended"  # the caller sends nothing more; it still gets answers
    CLOSED = "closed"


class HandshakeQueue:
    """Runs one handshake in each tick of the loop, so that hundreds of callers at once keep nobody waiting.

    Args:
        counts: count those that were completed.

    Attributes:
        counts: as given.
    """

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self._waiting: deque[TlsLayer] = deque()

    def add(self, layer: TlsLayer) -> None:
        """Have a layer go on with its handshake in its turn."""
        self._waiting.append(layer)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._run_next)

    def _run_next(self) -> None:
        layer = self._waiting[0]
        try:
            layer.do_handshake()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run_next)


class TlsLayer:
    """The server's side of TLS on one connection: a :class:`~chatcli.server.connection.wire.Layer`.

    Nothing piles up here. Plaintext is passed on at once; once reading is paused, the rest of what the socket gave
    stays encrypted, and nothing more is read from the socket.

    A record may hold a single byte of plaintext, or none, and costs work all the same. A caller pays for such records,
    and a tick of the loop ends after some of them.

    Args:
        below: the socket.
        context: the server's side of TLS.
        handshakes: runs the handshake in its turn.
        peer: the other end's address, for the log.
        above: what gets the plaintext.
        charge: called with a number of bytes that carried nothing, for the caller to pay.

    Attributes:
        above: as given, or what has followed it.
    """

    __slots__ = (
        "_at_eof", "_below", "_charge", "_closing", "_early", "_encrypted", "_handshakes", "_incoming",
        "_many", "_outgoing", "_paused", "_peer", "_queued", "_scheduled", "_stage", "_tls", "_waste", "above",
    )  # fmt: skip

    def __init__(
        self,
        below: Wire,
        context: ssl.SSLContext,
        handshakes: HandshakeQueue,
        peer: str,
        *,
        above: Receiver,
        charge: Callable[[int], None],
    ) -> None:
        self._below = below
        self._handshakes = handshakes
        self._peer = peer
        self.above = above
        self._charge = charge
        self._encrypted = b""  # from the socket, not given to TLS yet
        self._waste = -_WASTE
        self._many = False  # records were decrypted, so that the others are to be served
        self._queued = False  # for a handshake
        self._scheduled = False  # to decrypt what has come
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._stage = _Stage.HANDSHAKE
        self._at_eof = False  # nothing follows what is in _encrypted and _incoming
        self._paused = False
        self._early = b""  # plaintext for the caller, written before the handshake is done
        self._closing = False  # to be closed as soon as that is sent

    # What comes from the socket

    def received(self, data: bytes) -> None:
        """Decrypt bytes from the socket."""
        if self._stage in (_Stage.ENDED, _Stage.CLOSED):
            return
        self._encrypted += data
        if self._stage is _Stage.HANDSHAKE:
            self._queue_handshake()
        elif not self._scheduled:
            self._decrypt()

    def finished(self) -> None:
        """Pass on the rest: nothing more comes from the socket.

        A missing close_notify makes no difference: a frame counts only once its line has ended, so nobody can gain by
        cutting a connection short.
        """
        self._at_eof = True
        if self._stage is _Stage.HANDSHAKE:
            if not self._queued:
                self._hang_up()
        elif not self._scheduled:
            self._decrypt()

    def lost(self) -> None:
        """Do nothing more: the socket is gone."""
        self._stage = _Stage.CLOSED
        self.above.lost()

    def _queue_handshake(self) -> None:
        if not self._queued and not self._paused:
            self._queued = True
            self._handshakes.add(self)

    def do_handshake(self) -> None:
        """Go on with the handshake, and decrypt what came after it."""
        self._queued = False
        if self._stage is not _Stage.HANDSHAKE or self._paused:
            return
        encrypted, self._encrypted = self._encrypted, b""
        self._incoming.write(encrypted)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._open()
        self._flush()
        if self._at_eof and self._stage is _Stage.HANDSHAKE:
            self._hang_up()
        self._decrypt()

    def _open(self) -> None:
        self._stage = _Stage.OPEN
        self._handshakes.counts.handshakes += 1
        early, self._early = self._early, b""
        self.write(early)
        if self._closing:
            self.close()

    def _decrypt(self) -> None:
        """Pass on plaintext, unless reading is paused."""
        while self._stage is _Stage.OPEN and not self._paused:
            data = self._plaintext()
            self._flush()  # TLS sends something itself: alerts, updates of keys
            if data:
                self.above.received(data)
            if self._waste > 0:
                self._pay()
                return
            if self._many:
                self._serve_others()
                return
            if not data:
                self._end()
                return

    def _end(self) -> None:
        if self._at_eof and self._stage is _Stage.OPEN:
            self._stage = _Stage.ENDED
            self.above.finished()

    def _pay(self) -> None:
        """Have the caller pay for what carried nothing, and go on once the others have been served."""
        waste, self._waste = self._waste, 0
        self._charge(waste)
        self._serve_others()

    def _serve_others(self) -> None:
        if self._stage is _Stage.OPEN:
            self._below.pause_reading()
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._scheduled = False
        if self._paused or self._stage is _Stage.CLOSED:
            return
        self._below.resume_reading()
        if self._stage is _Stage.HANDSHAKE:
            self._queue_handshake()
        else:
            self._decrypt()

    def _plaintext(self) -> bytes:
        """Return about one chunk of plaintext, or nothing if there is no more for now."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < _CHUNK and len(parts) < _AT_ONCE and self._unread:
                if not self._given:
                    if self._waste > 0:
                        break
                    self._give()
                part = self._read()
                if part is None:
                    self._at_eof = True
                    break
                parts.append(part)
                size += len(part)
        except ssl.SSLError as error:
            self._fail(error)
        self._many = len(parts) >= _AT_ONCE
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _give(self) -> None:
        """Give TLS the next slice of what the socket gave."""
        encrypted, self._encrypted = self._encrypted[:_SLICE], self._encrypted[_SLICE:]
        self._incoming.write(encrypted)
        self._waste += len(encrypted)

    def _read(self) -> bytes | None:
        """Return the plaintext of a record, nothing if it is not complete yet, and None if it is a close_notify."""
        try:
            part = self._tls.read(_RECORD)
        except ssl.SSLWantReadError:  # the rest of the record has yet to come
            return b""
        if not part:
            return None
        self._waste = max(-_WASTE, self._waste - 2 * len(part))  # a short frame is half of its record
        return part

    @property
    def _given(self) -> int:
        return self._incoming.pending or self._tls.pending()

    @property
    def _unread(self) -> int:
        return len(self._encrypted) or self._given

    def _fail(self, error: ssl.SSLError) -> None:
        logger.debug("TLS with %s failed: %s", self._peer, error)
        self._flush()  # the alert with the reason
        self._stage = _Stage.CLOSED
        self._below.close()

    def _flush(self) -> None:
        if self._outgoing.pending and self._stage is not _Stage.CLOSED:
            # A socket may be closed a moment before anybody learns of it.
            with contextlib.suppress(RuntimeError):
                self._below.write(self._outgoing.read())

    # What is called from above

    def write(self, data: bytes) -> None:
        """Encrypt and send bytes; before the handshake is done a few of them wait for that."""
        if self._stage is _Stage.HANDSHAKE:
            self._early += data[: _EARLY - len(self._early)]
        elif data and self._stage in (_Stage.OPEN, _Stage.ENDED):
            self._tls.write(data)  # all of it: the memory that it writes to is never full
            self._flush()

    def pause_reading(self) -> None:
        """Stop passing on plaintext."""
        self._paused = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Pass on plaintext again, beginning with what came before the pause."""
        self._paused = False
        if self._unread or self._at_eof:
            # Later: the caller of this is in the middle of something else.
            self._schedule()
        elif not self._scheduled:
            self._below.resume_reading()

    def close(self) -> None:
        """Close once everything written has been sent, and a close_notify after it."""
        if self._stage is _Stage.HANDSHAKE and self._early:
            if not self._closing:
                self._closing = True
                asyncio.get_running_loop().call_later(_LAST_CHANCE, self._hang_up_early)
            return
        if self._stage in (_Stage.OPEN, _Stage.ENDED):
            with contextlib.suppress(ssl.SSLError):  # it wants to wait for the other side's
                self._tls.unwrap()
            self._flush()
        self._hang_up()

    def _hang_up(self) -> None:
        self._stage = _Stage.CLOSED
        self._below.close()

    def _hang_up_early(self) -> None:
        if self._stage is _Stage.HANDSHAKE:
            self._hang_up()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes of ciphertext that the socket has yet to take."""
        return self._below.get_write_buffer_size()

    def abort(self) -> None:
        """Close now."""
        self._stage = _Stage.CLOSED
        self._below.abort()
