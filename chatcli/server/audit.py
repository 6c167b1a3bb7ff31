"""The log of what operators did: who, when and what, one JSON object a line."""

from __future__ import annotations

import datetime
import errno
import os
from pathlib import Path

import msgspec

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.admin import Request


class Audit:
    """Appends to the file.

    Args:
        path: made if it is not there, readable for its owner only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, by: str, request: Request, refused: str = "") -> None:
        """Note one command and who gave it, before it is carried out; a second time if it was refused.

        Raises:
            Refused: it cannot be noted, so it must not be done.
        """
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        outcome = {"refused": refused} if refused else {}
        line = msgspec.json.encode({"at": at, "by": by, **msgspec.to_builtins(request), **outcome}) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            text = f"The audit log {self._path} cannot be written ({error.strerror}), so nothing was done."
            raise Refused(codes.STORAGE, text) from None

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            if os.write(descriptor, line) < len(line):
                os.ftruncate(descriptor, before)  # half a line would spoil the next one too
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
