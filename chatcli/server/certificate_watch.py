"""Reads the certificate again when it was renewed, and warns while it is about to expire."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcli.server.security.certificates import Certificates, Identity

logger = logging.getLogger(__name__)


class CertificateWatch:
    """Keeps the certificate current while the server runs.

    Args:
        certificates: holds what the server shows.
        post: calls a function in the server's thread; raises RuntimeError once that has ended.
        on_key: called with the fingerprint of the key whenever the certificate was read again.
    """

    def __init__(
        self, certificates: Certificates, post: Callable[[Callable[[], None]], object], on_key: Callable[[str], None]
    ) -> None:
        self._certificates = certificates
        self._post = post
        self._on_key = on_key
        self._waiting: list[Callable[[], None]] = []

    def reload(self, done: Callable[[], None]) -> None:
        """Read the certificate again; clients who are connected keep the one that they were shown.

        Args:
            done: called once new connections are shown it. A disk that does not answer delays nothing else.
        """
        self._waiting.append(done)
        if len(self._waiting) == 1:
            self._read()

    def _read(self) -> None:
        count = len(self._waiting)

        def read() -> None:
            identity = self._certificates.read_again()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._post(lambda: self._finish(identity, count))

        # A daemon thread: nothing can end a read that waits for a disk, and the process ends all the same.
        threading.Thread(target=read, name="certificate", daemon=True).start()

    def _finish(self, identity: Identity, count: int) -> None:
        self._certificates.identity = identity
        self._on_key(identity.fingerprint)
        self.warn()
        done, self._waiting = self._waiting[:count], self._waiting[count:]
        for callback in done:
            callback()
        if self._waiting:  # the files may have changed while they were read
            self._read()

    @property
    def identity(self) -> Identity:
        """The identity that callers are shown."""
        return self._certificates.identity

    def faults(self) -> list[str]:
        """Return a sentence for each fault that the certificate has today, or will have soon."""
        return self._certificates.faults(datetime.now(UTC))

    def warn(self) -> None:
        """Log the faults."""
        for fault in self.faults():
            logger.warning("%s", fault)
