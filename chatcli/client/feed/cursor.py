"""How far a listener has come, kept on disk: a small file for each, held by one process at a time.

The file has two lines, and each change replaces the older one in place: whatever happens in the middle of that, the
other line is whole. A change is in the file at once, and so survives the end of the process, however sudden; that it
survives a power cut takes :meth:`Cursor.flush`. A file that is new says so: an empty one has lost what it knew.

A line holds the number of the change, the mark, and a checksum. Where anchors follow, older versions of chatcli kept
the fingerprint of the server's key, which is read and ignored: a server may change its key and keep its log.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from chatcli.client.feed.anchors import Anchor
from chatcli.client.storage import files
from chatcli.errors import InputError

_SLOT: Final = 512  # bytes of each line: they share no sector of a disk
_NEW: Final = "new".ljust(191) + "\n"
_NONE: Final = "-"


class Mark(NamedTuple):
    """What a file says.

    Attributes:
        seq: all up to here was handled, or was not for this listener.
        tried: the newest message that was handed over, whether or not it was handled.
        left: the newest message that was not for this listener, and that the user may not have seen either.
        anchor: the newest message of the feed up to ``seq``; None where none was read.
        others: where the listener had come in other logs that this server has shown, the last one first.
    """

    seq: int
    tried: int = 0
    left: int = 0
    anchor: Anchor | None = None
    others: tuple[Anchor, ...] = ()


class Found(NamedTuple):
    """What stands in a file.

    Attributes:
        number: how often it was changed.
        mark: what it says; None for one that is new, or damaged.
        damaged: nothing in it can be read.
    """

    number: int
    mark: Mark | None
    damaged: bool = False


class Held(InputError):
    """Another process has the cursor."""


class Cursor:
    """One listener's position.

    Args:
        directory: where such files lie; it need not be there.
        parts: what it belongs to: the server, the user, and the listener's name or what it listens for.
        name: how people call it.

    Attributes:
        mark: what the file says; None for one that is new, or damaged.
        damaged: what the file said is lost.
        path: of the file.

    Raises:
        Held: another process has it.
        InputError: the directory is open to others, or cannot be used.
    """

    def __init__(self, directory: str, parts: tuple[str, ...], name: str) -> None:
        self.path = path_of(directory, parts)
        self._file = self._open(directory, name)
        try:
            self._number, self.mark, self.damaged = read(self.path)
        except OSError as error:
            os.close(self._file)
            raise _unusable(self.path, error) from None
        self._dirty = False

    def _open(self, directory: str, name: str) -> int:
        if not os.path.lexists(self.path):
            files.create(self.path, _NEW)
        try:
            files.refuse_loose(os.stat(directory), directory, "700")
            file = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                _check_kind(file)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BaseException:
                os.close(file)
                raise
        except BlockingIOError:
            raise Held(
                f"Another listener on this machine uses {name}: end that one, or give this one another name with --as."
            ) from None
        except OSError as error:
            raise _unusable(self.path, error) from None
        return file

    def move(self, mark: Mark) -> None:
        """Have the file say this.

        Raises:
            InputError: it cannot be written.
        """
        if mark == self.mark:
            return
        number = self._number + 1
        try:
            os.pwrite(self._file, _line(number, mark), number % 2 * _SLOT)
        except OSError as error:
            raise _unusable(self.path, error) from None
        self._number, self.mark, self.damaged, self._dirty = number, mark, False, True

    def flush(self) -> None:
        """Have it survive a power cut.

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
        """Let go of the file."""
        with contextlib.suppress(InputError):  # it was written, and nobody is left to whom more could be said
            self.flush()
        os.close(self._file)


def _check_kind(file: int) -> None:
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError(errno.EINVAL, "it is no file")


def path_of(directory: str, parts: tuple[str, ...]) -> str:
    """Return where the cursor of these lies; the first is the server, of which all can be found."""
    return os.path.join(directory, f"{files.file_name(parts[0])}.{files.file_name(*parts[1:])}")


def adopt(directory: str, servers: Sequence[str], parts: tuple[str, ...]) -> None:
    """Have a cursor found that was kept under another name of the server, or in the way of an older chatcli.

    Args:
        directory: where such files lie.
        servers: the names of the server, the one that counts first.
        parts: what else it belongs to.
    """
    older = [os.path.join(directory, files.file_name(name, *parts)) for name in servers]
    others = [path_of(directory, (name, *parts)) for name in servers[1:]]
    files.adopted(path_of(directory, (servers[0], *parts)), *others, *older)


def read(path: str) -> Found:
    """Return what stands in a file."""
    with open(path, "rb") as file:
        data = file.read(2 * _SLOT)
    lines = [data[start : start + _SLOT].partition(b"\n")[0] + b"\n" for start in (0, _SLOT)]
    found = [entry for line in lines if (entry := _parse(line)) is not None]
    return max(found, default=Found(0, None, damaged=_NEW.encode() not in lines), key=lambda entry: entry.number)


def _line(number: int, mark: Mark) -> bytes:
    anchors = [_NONE if mark.anchor is None else str(mark.anchor), *map(str, mark.others)]
    words = " ".join([*map(str, (number, mark.seq, mark.tried, mark.left)), *anchors])
    return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_SLOT - 1).encode() + b"\n"


def _parse(line: bytes) -> Found | None:
    """Return what a line says; None for one that was never written, or not to its end."""
    try:
        words, checksum = line.decode().strip().rsplit(" ", 1)
        if int(checksum, 16) != zlib.crc32(words.encode()):
            return None
        number, seq, tried, left, *rest = words.split(" ")
        anchor, *others = [Anchor.read(word) for word in rest]
        mark = Mark(int(seq), int(tried), int(left), anchor, tuple(other for other in others if other is not None))
        return Found(int(number), mark)
    except ValueError:
        return None


def _unusable(path: str, error: OSError) -> InputError:
    return InputError(
        f"How far the listener has come cannot be kept in {path} ({error.strerror or error}): make that possible, or "
        "name another directory in XDG_STATE_HOME."
    )
