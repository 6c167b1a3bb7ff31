"""TLS between a socket and what listens to the caller behind it, for connections whose first bytes have been read.

The event loop's own TLS begins with a fresh socket; here the first byte has to be seen before anyone knows that it is
TLS. It costs no task and no transport of its own: bytes in, bytes out, on the two ends of an :class:`ssl.SSLObject`.
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

from chatcli.server.connection.wire import Wire

logger = logging.getLogger(__name__)

_RECORD: Final = 16 * 1024  # bytes that one record of TLS holds at most
_CHUNK: Final = 64 * 1024  # bytes passed on in one go, about
_SLICE: Final = 8 * 1024  # bytes that are decrypted before it is looked at how much came of them
# Bytes that have carried nothing yet, after which others have their turn; so many are free. One record is shorter.
_WASTE: Final = 18 * 1024
_EARLY: Final = 4096  # bytes of what is said before the handshake is done
_LAST_CHANCE: Final = 1.0  # seconds for a handshake to get done, once the connection is to be closed


class _Stage(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    ENDED = "ended"  # the caller has said its last word; it still gets answers
    CLOSED = "closed"


class Handshakes:
    """Has callers shake hands one in each turn of the loop, so that hundreds who come at once keep nobody waiting."""

    def __init__(self) -> None:
        self._waiting: deque[TlsLayer] = deque()

    def add(self, layer: TlsLayer) -> None:
        """Have a layer go on with its handshake when it is its turn."""
        self._waiting.append(layer)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        layer = self._waiting[0]
        try:
            layer.shake_hands()
        finally:
            self._waiting.popleft()
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._go_on)


class TlsLayer:
    """One connection's TLS, the server's side; those above it write to it as to a socket.

    Nothing piles up here: what is decrypted is passed on at once, and once those above have paused, the rest of what
    the socket gave waits encrypted while nothing more is read from the socket.

    A record may hold a single byte, or nothing for those above, and is work all the same. What a caller says in such
    records is paid for, and a turn of the loop ends after some of them.

    Args:
        below: the socket.
        context: the server's side of TLS.
        handshakes: has this one shake hands in its turn.
        peer: the other end's address, for the log.
        receive: takes what the caller says.
        ended: told, once, that the caller has said its last word.
        charge: has the caller pay for so many bytes that carried nothing.
    """

    __slots__ = (
        "_below", "_charge", "_early", "_encrypted", "_ended", "_handshakes", "_incoming", "_last_word", "_leaving",
        "_outgoing", "_paused", "_peer", "_queued", "_receive", "_scheduled", "_stage", "_tls", "_waste",
    )  # fmt: skip

    def __init__(
        self,
        below: Wire,
        context: ssl.SSLContext,
        handshakes: Handshakes,
        peer: str,
        *,
        receive: Callable[[bytes], None],
        ended: Callable[[], None],
        charge: Callable[[int], None],
    ) -> None:
        self._below = below
        self._handshakes = handshakes
        self._peer = peer
        self._receive = receive
        self._ended = ended
        self._charge = charge
        self._encrypted = b""  # what TLS has not been given yet
        self._waste = -_WASTE
        self._queued = False  # it is to shake hands in a turn to come
        self._scheduled = False  # it is to pass on what has come in a turn to come
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._stage = _Stage.HANDSHAKE
        self._last_word = False  # nothing follows what is in _incoming
        self._paused = False
        self._early = b""  # said before the handshake is done: why there will be no more
        self._leaving = False  # closed as soon as that is said

    # What comes from the socket

    def received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        if self._stage in (_Stage.ENDED, _Stage.CLOSED):
            return
        self._encrypted += data
        if self._stage is _Stage.HANDSHAKE:
            self._line_up()
        elif not self._scheduled:
            self._pass_on()

    def finished(self) -> None:
        """Note that nothing more comes from the socket.

        Whether a close_notify came before makes no difference: a frame counts only once its line has ended, so nobody
        can gain by cutting a connection short.
        """
        self._last_word = True
        if self._stage is _Stage.HANDSHAKE:
            if not self._queued:
                self._hang_up()
        elif not self._scheduled:
            self._pass_on()

    def lost(self) -> None:
        """Note that the socket is gone."""
        self._stage = _Stage.CLOSED

    def _line_up(self) -> None:
        if not self._queued and not self._paused:
            self._queued = True
            self._handshakes.add(self)

    def shake_hands(self) -> None:
        """Go on with the handshake, and pass on what came after it."""
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
        if self._last_word and self._stage is _Stage.HANDSHAKE:
            self._hang_up()
        self._pass_on()

    def _open(self) -> None:
        self._stage = _Stage.OPEN
        early, self._early = self._early, b""
        self.write(early)
        if self._leaving:
            self.close()

    def _pass_on(self) -> None:
        """Pass on what the caller said, unless those above have paused."""
        while self._stage is _Stage.OPEN and not self._paused:
            data = self._decrypted()
            self._flush()  # TLS has words of its own: alerts, updates of keys
            if data:
                self._receive(data)
            if self._waste > 0:
                self._pay()
                return
            if not data:
                self._note_end()
                return

    def _note_end(self) -> None:
        if self._last_word and self._stage is _Stage.OPEN:
            self._stage = _Stage.ENDED
            self._ended()

    def _pay(self) -> None:
        """Have the caller pay for what carried nothing, and go on once others have had their turn."""
        waste, self._waste = self._waste, 0
        self._charge(waste)
        if self._stage is _Stage.OPEN:
            self._below.pause_reading()
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        if self._paused or self._stage is _Stage.CLOSED:
            return
        self._below.resume_reading()
        if self._stage is _Stage.HANDSHAKE:
            self._line_up()
        else:
            self._pass_on()

    def _decrypted(self) -> bytes:
        """Return what the caller said, about one chunk of it, or nothing where there is no more for now."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < _CHUNK and self._unread:
                if not self._given:
                    if self._waste > 0:
                        break
                    self._give()
                part = self._read()
                if part is None:
                    self._last_word = True
                    break
                parts.append(part)
                size += len(part)
        except ssl.SSLError as error:
            self._fail(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _give(self) -> None:
        """Give TLS the next slice of what the socket gave."""
        encrypted, self._encrypted = self._encrypted[:_SLICE], self._encrypted[_SLICE:]
        self._incoming.write(encrypted)
        self._waste += len(encrypted)

    def _read(self) -> bytes | None:
        """Return what a record holds, nothing where it is not whole yet, and None where it is a close_notify."""
        try:
            part = self._tls.read(_RECORD)
        except ssl.SSLWantReadError:  # the rest of a record has yet to come
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
        self._flush()  # the alert that says why
        self._stage = _Stage.CLOSED
        self._below.close()

    def _flush(self) -> None:
        if self._outgoing.pending and self._stage is not _Stage.CLOSED:
            # A socket may be closed a moment before anyone is told.
            with contextlib.suppress(RuntimeError):
                self._below.write(self._outgoing.read())

    # What those above want

    def write(self, data: bytes) -> None:
        """Encrypt and send; what is said before the handshake is done waits for that, a few words of it."""
        if self._stage is _Stage.HANDSHAKE:
            self._early += data[: _EARLY - len(self._early)]
        elif data and self._stage in (_Stage.OPEN, _Stage.ENDED):
            self._tls.write(data)  # all of it: the memory behind it is never full
            self._flush()

    def pause_reading(self) -> None:
        """Take nothing from the caller for a while."""
        self._paused = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes from the caller again, and first what came before the pause."""
        self._paused = False
        if self._unread or self._last_word:
            # Not now: whoever resumes is in the middle of something else.
            self._schedule()
        elif not self._scheduled:
            self._below.resume_reading()

    def close(self) -> None:
        """Close as soon as everything written was sent, with a close_notify behind it."""
        if self._stage is _Stage.HANDSHAKE and self._early:
            if not self._leaving:
                self._leaving = True
                asyncio.get_running_loop().call_later(_LAST_CHANCE, self._hang_up_early)
            return
        if self._stage in (_Stage.OPEN, _Stage.ENDED):
            with contextlib.suppress(ssl.SSLError):  # it wants to wait for the other side's: nobody else does
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
        """Return how many bytes of ciphertext the socket has yet to take."""
        return self._below.get_write_buffer_size()

    def abort(self) -> None:
        """Close now."""
        self._stage = _Stage.CLOSED
        self._below.abort()
