"""Cursors: the positions of listeners on disk, a small file for each, locked by one process at a time.

The file has two lines, and each change replaces the older one in place: whatever interrupts that, the other line is
whole. A change is in the file at once, and so survives a crash of the process; to survive a power cut takes
:meth:`Cursor.flush`. A new file is marked as new, because an empty one has lost its position. After the lines come the
ids of the messages that were delivered last, which older versions of chatcli neither write nor read.

A line holds the number of the change, the position, and a checksum. In the place of the anchors, older versions of
chatcli kept the fingerprint of the server's key, which is read and ignored: a server may change its key and keep its
log. Others had no epoch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from chatcli.client.feed.anchors import Anchor
from chatcli.client.feed.delivered import SIZE, DeliveredIds
from chatcli.client.storage import files
from chatcli.errors import InputError

_SLOT: Final = 512  # bytes of each line: they share no sector of a disk
_NEW: Final = "new".ljust(191) + "\n"
_NONE: Final = "-"
_EPOCH: Final = "epoch:"  # before that of the position


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The position of a listener.

    Attributes:
        seq: all messages up to this one were handled, or were not for this listener.
        delivered: the newest message that was delivered, whether or not it was handled.
        skipped: the newest message that was not for this listener, and that the user may not have seen either.
        anchor: the newest message of the feed up to ``seq``; None if none was received.
        others: the newest messages that were received in other logs of this server, the last log first.
        epoch: that of the log; empty if it is not known.
    """

    seq: int
    delivered: int = 0
    skipped: int = 0
    anchor: Anchor | None = None
    others: tuple[Anchor, ...] = ()
    epoch: str = ""


class Content(NamedTuple):
    """The content of a file.

    Attributes:
        number: the number of changes.
        position: None if the file is new, or damaged.
        damaged: whether nothing in it can be read.
    """

    number: int
    position: Position | None
    damaged: bool = False


class CursorInUse(InputError):
    """Another process uses the cursor."""


class Cursor:
    """The file of one listener's position.

    Args:
        directory: the directory of such files; it may not exist yet.
        parts: the owner: the server, the user, and the listener's name or the key of its filter.
        name: the cursor in a sentence for people.

    Attributes:
        position: the position in the file; None if it is new, or damaged.
        damaged: whether the position in the file is lost.
        ids: those of the messages that were delivered last.
        path: the path of the file.

    Raises:
        CursorInUse: another process uses it.
        InputError: the directory is open to others, or cannot be used.
    """

    def __init__(self, directory: str, parts: tuple[str, ...], name: str) -> None:
        self.path = path_of(directory, parts)
        self._file = self._open(directory, name)
        try:
            self._number, self.position, self.damaged = read(self.path)
            self.ids = DeliveredIds(os.pread(self._file, SIZE, 2 * _SLOT))
        except OSError as error:
            os.close(self._file)
            raise _unusable(self.path, error) from None
        self._dirty = False

    def _open(self, directory: str, name: str) -> int:
        if not os.path.lexists(self.path):
            files.create(self.path, _NEW)
        try:
            files.require_private(os.stat(directory), directory, "700")
            file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                _check_kind(file)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BaseException:
                os.close(file)
                raise
        except BlockingIOError:
            raise CursorInUse(
                f"Another listener on this machine uses {name}: end that one, or give this one another name with --as."
            ) from None
        except OSError as error:
            raise _unusable(self.path, error) from None
        return file

    def write(self, position: Position) -> None:
        """Write a position.

        Raises:
            InputError: it cannot be written.
        """
        if position == self.position:
            return
        number = self._number + 1
        try:
            os.pwrite(self._file, _line(number, position), number % 2 * _SLOT)
        except OSError as error:
            raise _unusable(self.path, error) from None
        self._number, self.position, self.damaged, self._dirty = number, position, False, True

    def add_ids(self, identities: Iterable[str]) -> None:
        """Write the ids of messages that are about to be delivered.

        Raises:
            InputError: they cannot be written.
        """
        try:
            for place, data in self.ids.add(identities).items():
                os.pwrite(self._file, data, 2 * _SLOT + place)
        except OSError as error:
            raise _unusable(self.path, error) from None

    def flush(self) -> None:
        """Flush the file to the disk, to survive a power cut.

        Raises:
            InputError: it cannot be written.
        """
        if self._dirty:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise _unusable(self.path, error) from None
            self._dirty = False

    def close(self) -> None:
        """Close the file, and release its lock."""
        with contextlib.suppress(InputError):  # it was written, and nobody is left to whom to report more
            self.flush()
        os.close(self._file)


def _check_kind(file: int) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "it is not a file")


def path_of(directory: str, parts: tuple[str, ...]) -> str:
    """Return the path of a cursor; its name begins with that of the server, the first part."""
    return os.path.join(directory, f"{files.file_name(parts[0])}.{files.file_name(*parts[1:])}")


def adopt(directory: str, servers: Sequence[str], parts: tuple[str, ...]) -> None:
    """Rename the cursor that another name of the server, or an older chatcli, has left.

    Args:
        directory: the directory of such files.
        servers: the names of the server, the current one first.
        parts: the other parts of the owner.
    """
    older = [os.path.join(directory, files.file_name(name, *parts)) for name in servers]
    others = [path_of(directory, (name, *parts)) for name in servers[1:]]
    files.migrate(path_of(directory, (servers[0], *parts)), *others, *older)


def read(path: str) -> Content:
    """Return the content of a file."""
    with open(path, "rb") as file:
        data = file.read(2 * _SLOT)
    lines = [data[start : start + _SLOT].partition(b"\n")[0] + b"\n" for start in (0, _SLOT)]
    found = [entry for line in lines if (entry := _parse(line)) is not None]
    return max(found, default=Content(0, None, damaged=_NEW.encode() not in lines), key=lambda entry: entry.number)


def _line(number: int, position: Position) -> bytes:
    anchors = [_NONE if position.anchor is None else str(position.anchor), *map(str, position.others)]
    if position.epoch:
        anchors.append(f"{_EPOCH}{position.epoch}")
    words = " ".join([*map(str, (number, position.seq, position.delivered, position.skipped)), *anchors])
    return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_SLOT - 1).encode() + b"\n"


def _parse(line: bytes) -> Content | None:
    """Return the content of a line; None if it was never written, or not to its end."""
    try:
        words, checksum = line.decode().strip().rsplit(" ", 1)
        if int(checksum, 16) != zlib.crc32(words.encode()):
            return None
        number, seq, delivered, skipped, *rest = words.split(" ")
        anchor, *others = [Anchor.parse(word) for word in rest]
        epoch = next((word.removeprefix(_EPOCH) for word in rest if word.startswith(_EPOCH)), "")
        position = Position(
            seq=int(seq),
            delivered=int(delivered),
            skipped=int(skipped),
            anchor=anchor,
            others=tuple(other for other in others if other is not None),
            epoch=epoch,
        )
        return Content(int(number), position)
    except ValueError:
        return None


def _unusable(path: str, error: OSError) -> InputError:
    return InputError(
        f"The position of the listener cannot be kept in {path} ({error.strerror or error}): make that possible, or "
        "name another directory in XDG_STATE_HOME."
    )
