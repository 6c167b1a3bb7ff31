"""The log of what operators did: who, when and what, one JSON object a line.

It is written by a thread of its own: a disk that is slow keeps the operator waiting, and nobody else.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.admin import Request
from chatcli.store.files import append_line

_WAITING: Final = 1000  # commands that wait to be noted
_LAST: Final = 1.0  # seconds for what was noted last to be written

#: Is told that something was noted, or why it could not be, and so must not be done.
Noted = Callable[[Refused | None], None]


class Audit:
    """Appends to the file.

    Args:
        path: made if it is not there, readable for its owner only.
        post: has a function called in the server's thread.
    """

    def __init__(self, path: Path, post: Callable[[Callable[[], None]], object]) -> None:
        self._path = path
        self._post = post
        self._waiting: queue.Queue[tuple[bytes, Noted] | None] = queue.Queue(_WAITING)
        self._writer: threading.Thread | None = None

    def write(self, by: str, request: Request, noted: Noted, refused: str = "") -> None:
        """Note one command and who gave it, before it is carried out; a second time if it was refused.

        Args:
            by: who gave it.
            request: the command.
            noted: called in the server's thread.
            refused: why it was refused.
        """
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        outcome = {"refused": refused} if refused else {}
        line = msgspec.json.encode({"at": at, "by": by, **msgspec.to_builtins(request), **outcome}) + b"\n"
        try:
            self._waiting.put_nowait((line, noted))
        except queue.Full:
            noted(self._refusal(os.strerror(errno.EBUSY)))
            return
        if self._writer is None:
            # A daemon: what waits for a disk that does not answer does not keep the server from ending.
            self._writer = threading.Thread(target=self._write_all, name="audit log", daemon=True)
            self._writer.start()

    def close(self) -> None:
        """Write no more, once what waits is written."""
        if self._writer is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._writer.join(_LAST)

    def _write_all(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            line, noted = waiting
            refusal = self._written(line)
            with contextlib.suppress(RuntimeError):  # the server has ended
                self._post(functools.partial(noted, refusal))

    def _written(self, line: bytes) -> Refused | None:
        try:
            append_line(self._path, line)
        except OSError as error:
            return self._refusal(error.strerror or str(error))
        return None

    def _refusal(self, reason: str) -> Refused:
        text = f"The audit log {self._path} cannot be written ({reason}), so nothing was done."
        return Refused(codes.STORAGE, text)
