"""A cache for later commands: a small text for each kind, server and user, whose loss does no harm.

A text is read in well under a millisecond, and written whole. Nothing here waits or raises: a text that cannot be read
is empty, one that cannot be written stays as it was. Anything but a regular file, such as a pipe, is ignored.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.storage.files import make_directory, migrate, server_names, state_directory, temporary_file
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

_LONGEST: Final = 200  # bytes of a file's name; systems take 255
_MAX_SIZE: Final = 1024 * 1024  # bytes: anything larger is not ours
_SAFE: Final = "-_.+[]:"
_BETWEEN: Final = "@"  # occurs neither in names nor in addresses


def read(kind: str, server: Address, user: str) -> str:
    """Return the text; empty if there is none."""
    directory = _directory(kind)
    return _read(_path(directory, server, user)) if directory else ""


def update(kind: str, server: Address, user: str, change: Callable[[str], str | None]) -> None:
    """Replace the text by what ``change`` returns for it, or remove it if that is None.

    Of several commands at the same time one writes; the others give up.
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


def entries_of(kind: str) -> list[tuple[str, str]]:
    """Return the servers and users that have a text of this kind, the most recently written first."""
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
    except InputError:  # the user has no home directory
        return ""


def _read(path: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            ours = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(_MAX_SIZE).decode(errors="replace") if ours else ""
    except OSError:
        return ""


def _replace(directory: str, path: str, change: Callable[[str], str | None]) -> None:
    """Write the new text. The caller holds the lock, so that there is one temporary file at most."""
    before = _read(path)
    text = change(before)
    if text is None:
        os.unlink(path)
        return
    if text == before:
        return
    unfinished = os.path.join(directory, ".new")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(unfinished)  # of a command that was killed
    with temporary_file(unfinished, text.encode(errors="replace"), durable=False) as temporary:
        os.replace(temporary, path)


def _path(directory: str, server: Address, user: str) -> str:
    """Return the path of a text, after renaming one that was written under an older spelling of the server."""
    return migrate(*(os.path.join(directory, _file_name(name, user)) for name in server_names(server)))


def _file_name(server: str, user: str) -> str:
    """Return a readable name that is different for each server and user."""
    name = f"{_escaped(user.casefold())}{_BETWEEN}{_escaped(server)}"
    if len(name.encode()) <= _LONGEST:
        return name
    from binascii import crc32

    return f"{name.encode()[:_LONGEST].decode(errors='ignore')}~{crc32(name.encode()):08x}"


def _escaped(text: str) -> str:
    # A first dot would hide the file.
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
