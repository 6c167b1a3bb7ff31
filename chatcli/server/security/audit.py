"""The audit log: commands of operators, with their time and the operator, one JSON object per line.

It has its own thread, so that on a slow disk only the operator has to wait.
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

_WAITING: Final = 1000  # commands that wait to be recorded
_LAST: Final = 1.0  # seconds for the last lines to be written when the server stops

#: Called once a command is recorded, or with the reason why it is not and so must not be executed.
OnRecorded = Callable[[Refused | None], None]


class Audit:
    """Appends lines to the file.

    Args:
        path: the file; created if it does not exist, readable for its owner only.
        post: calls a function in the server's thread.
    """

    def __init__(self, path: Path, post: Callable[[Callable[[], None]], object]) -> None:
        self._path = path
        self._post = post
        self._waiting: queue.Queue[tuple[bytes, OnRecorded] | None] = queue.Queue(_WAITING)
        self._writer: threading.Thread | None = None

    def write(self, by: str, request: Request, on_recorded: OnRecorded, refused: str = "") -> None:
        """Record a command before it is executed, and a second time if it was refused.

        Args:
            by: the operator.
            request: the command.
            on_recorded: called in the server's thread.
            refused: the code of the refusal.
        """
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        outcome = {"refused": refused} if refused else {}
        line = msgspec.json.encode({"at": at, "by": by, **msgspec.to_builtins(request), **outcome}) + b"\n"
        try:
            self._waiting.put_nowait((line, on_recorded))
        except queue.Full:
            on_recorded(self._refusal(os.strerror(errno.EBUSY)))
            return
        if self._writer is None:
            # A daemon: a disk that does not answer must not keep the server from ending.
            self._writer = threading.Thread(target=self._write_all, name="audit log", daemon=True)
            self._writer.start()

    def close(self) -> None:
        """Write the lines that wait, and end the thread."""
        if self._writer is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._writer.join(_LAST)

    def _write_all(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            line, on_recorded = waiting
            refusal = self._written(line)
            with contextlib.suppress(RuntimeError):  # the server has ended
                self._post(functools.partial(on_recorded, refusal))

    def _written(self, line: bytes) -> Refused | None:
        try:
            append_line(self._path, line)
        except OSError as error:
            return self._refusal(error.strerror or str(error))
        return None

    def _refusal(self, reason: str) -> Refused:
        text = f"The audit log {self._path} cannot be written ({reason}), so nothing was done."
        return Refused(codes.STORAGE, text)
