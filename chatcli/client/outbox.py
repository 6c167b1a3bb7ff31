"""What waits to be sent, kept on disk: it survives the end of the client, however sudden, and is sent next time.

Each running client has a file of its own and holds a lock on it, so that two of the same user leave each other's alone.
A file only grows until all that stands in it was sent, and then goes. What was sent already and is sent once more from
it does no harm: the server takes an id once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from typing import Final

import msgspec

from chatcli.client import files
from chatcli.errors import InputError
from chatcli.protocol.address import Address
from chatcli.protocol.codec import client_frames, encode
from chatcli.protocol.frames import Send

_FILE_MODE: Final = 0o600


class Outbox:
    """What one user has not sent to one server.

    Args:
        directory: where such files lie; it need not be there.
        server: as it is addressed.
        user: by whatever spelling.

    Attributes:
        left: what earlier runs of the client have not sent, the oldest first. It stays on disk until :meth:`clear`.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """

    def __init__(self, directory: str, server: Address, user: str) -> None:
        self._directory = directory
        self._beginning = files.file_name(str(server).lower(), user.casefold()) + "."
        self._own: int | None = None  # descriptor of the file that this run writes
        self._held: dict[int, str] = {}  # paths of the locked files, by descriptor
        self._kept: set[str] = set()  # ids that stand in one of them
        try:
            found = [sends for path in self._paths() if (sends := self._adopt(path))]
        except OSError as error:
            self.close()
            raise _unusable(directory, error) from None
        # Ids begin with the millisecond in which they were made: enough to put runs in order, not what was said in one.
        found.sort(key=lambda sends: sends[0].id)
        self.left = list({send.id: send for sends in found for send in sends}.values())
        self._kept.update(send.id for send in self.left)

    def keep(self, waiting: Iterable[Send]) -> None:
        """Have all of this on disk.

        Raises:
            InputError: it cannot be written.
        """
        new = [send for send in waiting if send.id not in self._kept]
        if not new:
            return
        try:
            if self._own is None:
                self._own = self._create()
            _write(self._own, b"".join(map(encode, new)))
        except OSError as error:
            raise _unusable(self._directory, error) from None
        self._kept.update(send.id for send in new)

    def clear(self) -> None:
        """All was sent: nothing is left to be kept."""
        if not self._held:
            return
        for path in self._held.values():
            with contextlib.suppress(OSError):  # what cannot be removed is sent once more, which does no harm
                os.unlink(path)
        self.close()
        self._kept.clear()

    def close(self) -> None:
        """Let go of the files; what stands in them is for the next run."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()
        self._own = None

    def _paths(self) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        files.refuse_loose(os.stat(self._directory), self._directory, "700")
        return [os.path.join(self._directory, name) for name in sorted(names) if name.startswith(self._beginning)]

    def _adopt(self, path: str) -> list[Send]:
        """Return what stands in a file, and hold it; nothing where it belongs to a client that runs."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
        except FileNotFoundError:
            return []
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return []
        self._held[descriptor] = path
        with open(descriptor, "rb", closefd=False) as file:
            return [send for line in file if (send := _read(line)) is not None]

    def _create(self) -> int:
        os.makedirs(self._directory, 0o700, exist_ok=True)
        name = f"{self._beginning}{os.urandom(8).hex()}"
        path = os.path.join(self._directory, name)
        hidden = os.path.join(self._directory, f".{name}")
        descriptor = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        # Nobody finds it before it is locked.
        self._held[descriptor] = path
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(hidden, path)
        files.flush_names(self._directory)
        return descriptor


def _write(descriptor: int, data: bytes) -> None:
    """Add lines to a file and have them on disk, or leave it as it was."""
    before = os.fstat(descriptor).st_size
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def _read(line: bytes) -> Send | None:
    """Return the message in a line; None where the line is damaged, as when the machine stopped in the middle of it."""
    try:
        frame = client_frames.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return frame if isinstance(frame, Send) else None


def _unusable(directory: str, error: OSError) -> InputError:
    return InputError(
        f"What waits to be sent cannot be kept in {directory} ({error.strerror or error}): it is lost if the "
        "client ends before the server is back. Make that possible, or name another directory in XDG_STATE_HOME."
    )
