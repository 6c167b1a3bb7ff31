"""What is remembered for the next command: a small text for each server and user, whose loss does no harm.

A text is read in well under a millisecond, and put into place whole. Nobody waits for anything here, and nothing is
raised: where a text cannot be read there is none, and where it cannot be written it stays as it was. What is no file,
such as a pipe, is none of ours.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.storage.files import adopted, make_directory, names_of, state_directory
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.address import Address

_LONGEST: Final = 200  # bytes of a file's name; systems take 255
_MAX_SIZE: Final = 1024 * 1024  # bytes: whatever is larger is not ours
_SAFE: Final = "-_.+[]:"
_BETWEEN: Final = "@"  # occurs neither in names nor in addresses


def read(kind: str, server: Address, user: str) -> str:
    """Return what is remembered; nothing where there is nothing."""
    directory = _directory(kind)
    return _read(_path(directory, server, user)) if directory else ""


def update(kind: str, server: Address, user: str, change: Callable[[str], str | None]) -> None:
    """Put what ``change`` makes of the text into its place, or remove it where that is None.

    Of commands that come at once one writes; the others leave it at that.
    """
    import fcntl

    directory = _directory(kind)
    if not directory:
        return
    with contextlib.suppress(OSError):
        make_directory(directory)
        lock = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _replace(directory, _path(directory, server, user), change)
        finally:
            os.close(lock)


def places(kind: str) -> list[tuple[str, str]]:
    """Return the servers and users of which something is remembered, the most recent first."""
    directory = _directory(kind)
    found: list[tuple[float, str, str]] = []
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            user, between, server = entry.name.partition(_BETWEEN)
            if between and not entry.name.startswith("."):
                found.append((-entry.stat(follow_symlinks=False).st_mtime, _unescaped(server), _unescaped(user)))
    return [(server, user) for _, server, user in sorted(found)]


def _directory(kind: str) -> str:
    try:
        return os.path.join(state_directory(), kind)
    except InputError:  # nobody knows where the user's home is
        return ""


def _read(path: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            ours = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(_MAX_SIZE).decode(errors="replace") if ours else ""
    except OSError:
        return ""


def _replace(directory: str, path: str, change: Callable[[str], str | None]) -> None:
    """Write what is new. Whoever calls holds the lock, so there is one such temporary file at most."""
    before = _read(path)
    text = change(before)
    if text is None:
        os.unlink(path)
        return
    if text == before:
        return
    temporary = os.path.join(directory, ".new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)  # whoever had begun it was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode(errors="replace"))
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _path(directory: str, server: Address, user: str) -> str:
    """Return where the text of a server and a user is, under whatever spelling it was written first."""
    return adopted(*(os.path.join(directory, _file_name(name, user)) for name in names_of(server)))


def _file_name(server: str, user: str) -> str:
    """Return a name that can be read, and is another one for each server and user."""
    name = f"{_escaped(user.casefold())}{_BETWEEN}{_escaped(server)}"
    if len(name.encode()) <= _LONGEST:
        return name
    from binascii import crc32

    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}~{crc32(name.encode()):08x}"


def _escaped(text: str) -> str:
    # Not the first dot: it would hide the file.
    return "".join(
        char if char.isalnum() or (char in _SAFE and (at or char != ".")) else f"%{ord(char):06x}"
        for at, char in enumerate(text)
    )


def _unescaped(text: str) -> str:
    first, *others = text.split("%")
    try:
        return first + "".join(chr(int(other[:6], 16)) + other[6:] for other in others)
    except (ValueError, OverflowError):
        return ""
