"""The files of the outbox: messages and what became of them, one JSON object a line.

A file only grows until nothing in it waits any more, and is then removed. The first line names the user and the server.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from chatcli.client.storage import files
from chatcli.protocol.frames import Send

_LONGEST_NUMBER: Final = 15  # digits


class Header(msgspec.Struct, tag_field="t", tag="outbox"):
    """The first line of a file: the owner of its messages."""

    server: str
    user: str


class Gone(msgspec.Struct, tag_field="t", tag="gone"):
    """A message was sent, or dropped."""

    id: str


class Refusal(msgspec.Struct, tag_field="t", tag="refused"):
    """The server refuses a message: it waits no more, but stays in the file."""

    id: str
    code: str
    text: str


class Again(msgspec.Struct, tag_field="t", tag="again"):
    """A message that was refused waits once more."""

    id: str


class Together(msgspec.Struct, tag_field="t", tag="together"):
    """A group of messages that are all sent, or none of them."""

    ids: list[str]


class OfLog(msgspec.Struct, tag_field="t", tag="log"):
    """The epoch of the log which the numbers in some messages belong to."""

    epoch: str
    ids: list[str]


Line = Together | Send | Header | Gone | Refusal | Again | OfLog
_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the outbox.

    Attributes:
        path: the path of its file.
        server: its server, by the newest address; empty if that is not known.
        user: its sender; empty if that is not known.
        message: the message.
        refusal: the server's refusal; None while the message waits.
        group: the id of the first message of its group; empty if it is in none.
        epoch: the epoch of the log which its number belongs to; empty if it has none, or that is not known.
    """

    path: str
    server: str
    user: str
    message: Send
    refusal: Refusal | None = None
    group: str = ""
    epoch: str = ""


def list_paths(directory: str, *prefixes: str) -> list[str]:
    """Return the paths of the files in the outbox whose names begin with one of these.

    Raises:
        OSError: the directory cannot be read.
        InputError: it is open to others.
    """
    try:
        with os.scandir(directory) as found:
            # A pipe would be waited for.
            names = [entry.name for entry in found if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    files.require_private(os.stat(directory), directory, "700")
    return [os.path.join(directory, name) for name in names if name.startswith(prefixes or "") and name[0] != "."]


def number_of(path: str) -> int:
    """Return the number in the name of a file; 0 if it has none, as older ones."""
    number, point, _ = os.path.basename(path).partition(".")[2].partition(".")
    return int(number) if point and number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER else 0


def sort_key(path: str, entries: list[Entry]) -> tuple[int, str]:
    """Return the key that sorts files, the oldest first: by number, then, as in older names, by the first id.

    Ids begin with the millisecond in which they were made: enough for files, not for the messages in one.
    """
    return number_of(path), entries[0].message.id if entries else ""


def create(directory: str, prefix: str, header: Header) -> tuple[int, str]:
    """Create a file with the next number, locked; return its descriptor and its path.

    Raises:
        OSError: it cannot be written.
    """
    files.make_directory(directory)
    newest = max(map(number_of, list_paths(directory)), default=0)
    name = f"{prefix}{newest + 1}.{os.urandom(8).hex()}"
    path = os.path.join(directory, name)
    hidden = os.path.join(directory, f".{name}")
    descriptor = None
    try:
        # The file gets its name once it is locked.
        if (descriptor := files.lock(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)) is not None:
            append(descriptor, [header])
            os.rename(hidden, path)
            files.sync_directory(directory)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        for left in (hidden, path):
            with contextlib.suppress(OSError):
                os.unlink(left)
        raise
    if descriptor is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # another process has removed it
    return descriptor, path


def lock(path: str) -> int | None:
    """Open a file and lock it; return its descriptor, or None if another client uses it or it is gone."""
    try:
        return files.lock(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None


def read(path: str) -> list[Entry]:
    """Return the entries of a file, without a lock; none if it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        return read_entries(path, descriptor)
    finally:
        os.close(descriptor)


def read_entries(path: str, descriptor: int) -> list[Entry]:
    """Return the entries of an open file that are not gone, in order.

    A damaged line, as of a machine that stopped while it was written, is skipped.
    """
    found: dict[str, Entry] = {}
    header = Header("", "")
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        for raw in file:
            try:
                line = _decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            match line:
                case Header():
                    header = line
                case Send():
                    found[line.id] = Entry(path=path, server=header.server, user=header.user, message=line)
                case Gone():
                    found.pop(line.id, None)
                case Refusal() if line.id in found:
                    found[line.id] = replace(found[line.id], refusal=line)
                case Again() if line.id in found:
                    found[line.id] = replace(found[line.id], refusal=None)
                case OfLog(epoch, ids):
                    found.update({one: replace(found[one], epoch=epoch) for one in ids if one in found})
                case Together(ids):
                    found.update({one: replace(found[one], group=ids[0]) for one in ids if one in found})
    return list(found.values())


def append(descriptor: int, lines: Iterable[Line]) -> None:
    """Append lines to a file and flush it to the disk, or leave it as it was.

    Raises:
        OSError: it cannot be written.
    """
    files.append(descriptor, b"".join(_encode(line) + b"\n" for line in lines))
