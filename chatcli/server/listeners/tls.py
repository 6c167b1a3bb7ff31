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
from collections.abc import Callable
from typing import Final

from chatcli.server.wire import Wire

logger = logging.getLogger(__name__)

_RECORD: Final = 16 * 1024  # bytes that one record of TLS holds at most
_CHUNK: Final = 64 * 1024  # bytes passed on in one go, about
_EARLY: Final = 4096  # bytes of what is said before the handshake is done
_LAST_CHANCE: Final = 1.0  # seconds for a handshake to get done, once the connection is to be closed


class _Stage(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = "handshake"
    OPEN = "open"
    ENDED = "ended"  # the caller has said its last word; it still gets answers
    CLOSED = "closed"


class TlsLayer:
    """One connection's TLS, the server's side; to those above it is their :class:`~chatcli.server.session.Wire`.

    Nothing piles up here: what is decrypted is passed on at once, and once those above have paused, the rest of what
    the socket gave waits encrypted while nothing more is read from the socket.

    Args:
        below: the socket.
        context: the server's side of TLS.
        peer: the other end's address, for the log.
        receive: takes what the caller says.
        ended: told, once, that the caller has said its last word.
    """

    __slots__ = (
        "_below", "_early", "_ended", "_incoming", "_last_word", "_leaving", "_outgoing", "_paused", "_peer",
        "_receive", "_stage", "_tls",
    )  # fmt: skip

    def __init__(
        self,
        below: Wire,
        context: ssl.SSLContext,
        peer: str,
        receive: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._below = below
        self._peer = peer
        self._receive = receive
        self._ended = ended
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
        self._incoming.write(data)
        if self._stage is _Stage.HANDSHAKE:
            self._shake_hands()
        self._pass_on()

    def finished(self) -> None:
        """Note that nothing more comes from the socket.

        Whether a close_notify came before makes no difference: a frame counts only once its line has ended, so nobody
        can gain by cutting a connection short.
        """
        self._last_word = True
        if self._stage is _Stage.HANDSHAKE:
            self._hang_up()
        self._pass_on()

    def lost(self) -> None:
        """Note that the socket is gone."""
        self._stage = _Stage.CLOSED

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._stage = _Stage.OPEN
            early, self._early = self._early, b""
            self.write(early)
            if self._leaving:
                self.close()
        self._flush()

    def _pass_on(self) -> None:
        """Pass on what the caller said, unless those above have paused."""
        while self._stage is _Stage.OPEN and not self._paused:
            data = self._decrypted()
            self._flush()  # TLS has words of its own: alerts, updates of keys
            if data:
                self._receive(data)
            elif self._last_word and self._stage is _Stage.OPEN:
                self._stage = _Stage.ENDED
                self._ended()
            else:
                return

    def _decrypted(self) -> bytes:
        """Return what the caller said, about one chunk of it, or nothing where there is no more for now."""
        parts: list[bytes] = []
        size = 0
        try:
            while size < _CHUNK and self._unread:
                part = self._tls.read(_RECORD)
                if not part:  # a close_notify
                    self._last_word = True
                    break
                parts.append(part)
                size += len(part)
        except ssl.SSLWantReadError:  # the rest of a record has yet to come
            pass
        except ssl.SSLError as error:
            self._fail(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def _unread(self) -> int:
        return self._incoming.pending or self._tls.pending()

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
        self._below.resume_reading()
        if self._unread or self._last_word:
            # Not now: whoever resumes is in the middle of something else.
            asyncio.get_running_loop().call_soon(self._pass_on)

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
