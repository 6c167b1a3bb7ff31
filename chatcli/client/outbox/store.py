"""What waits to be sent, kept on disk: it survives the end of the client, however sudden, and is sent next time.

Each running client has a file of its own and holds a lock on it, so that two of the same user leave each other's alone.
A file only grows until nothing in it waits any more, and then goes. Its first line says whose it is, and for which
server; the others are messages, and what became of some of them. What was sent already and is sent once more from it
does no harm: the server takes an id once. Files have growing numbers in their names: a clock may be set back.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from chatcli.client.storage import files
from chatcli.errors import ChatError, InputError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Send, Sent
from chatcli.protocol.names import fold

_LONGEST_NUMBER: Final = 15  # digits


class _Whose(msgspec.Struct, tag_field="t", tag="outbox"):
    """The first line of a file."""

    server: str
    user: str


class _Gone(msgspec.Struct, tag_field="t", tag="gone"):
    """A message was sent, or dropped."""

    id: str


class Refusal(msgspec.Struct, tag_field="t", tag="refused"):
    """The server does not take a message: it waits no more, but it is there still."""

    id: str
    code: str
    text: str


class _Again(msgspec.Struct, tag_field="t", tag="again"):
    """What was refused waits once more."""

    id: str


class _Together(msgspec.Struct, tag_field="t", tag="together"):
    """Messages that are sent all, or none of them."""

    ids: list[str]


_Line = _Together | Send | _Whose | _Gone | Refusal | _Again
_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """A message that was kept.

    Attributes:
        path: of the file that it stands in.
        server: for which it is, by its newest address; empty where that is not known.
        user: whose it is; empty where that is not known.
        message: what is to be sent, and to whom.
        refusal: why the server does not take it, if it has said so.
        together: the id of the first of those that it is sent with, or not at all; empty where it stands alone.
    """

    path: str
    server: str
    user: str
    message: Send
    refusal: Refusal | None
    together: str = ""


class Outbox:
    """What one user has not sent to one server.

    Args:
        directory: where such files lie; it need not be there.
        server: as it is addressed.
        user: by whatever spelling.
        take_up: take what earlier runs have left, and hold it.

    Attributes:
        left: what earlier runs of the client have not sent, the oldest first. It stays on disk until :meth:`clear`.
        together: ids of those among it that are sent all, or none of them.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """

    def __init__(self, directory: str, server: Address, user: str, *, take_up: bool = True) -> None:
        self._directory = directory
        self._whose = _Whose(files.names_of(server)[0], user)
        self._beginning = beginning(server, user)
        starts = beginnings(server, user)
        self._own: int | None = None  # descriptor of the file that this run writes
        self._held: dict[int, str] = {}  # paths of the locked files, by descriptor
        self._kept: dict[str, int] = {}  # where each message stands that waits, by id
        self._refused: dict[int, int] = {}  # how many stand in a file that were refused
        found: list[tuple[int, str, list[Entry]]] = []
        try:
            for path in _paths(directory, *starts) if take_up else ():
                if (descriptor := _lock(path)) is not None:
                    self._held[descriptor] = path
                    found.append((descriptor, path, _entries(path, descriptor)))
        except OSError as error:
            self.close()
            raise _unusable(directory, error) from None
        found.sort(key=lambda run: _place(run[1], run[2]))
        left: dict[str, Send] = {}
        together: dict[str, list[str]] = {}
        for descriptor, _, entries in found:
            waiting = {entry.message.id: entry.message for entry in entries if entry.refusal is None}
            self._refused[descriptor] = len(entries) - len(waiting)
            self._kept.update(dict.fromkeys(waiting, descriptor))
            left.update(waiting)
            for entry in entries:
                if entry.together and entry.refusal is None:
                    together.setdefault(entry.together, []).append(entry.message.id)
        self.left = list(left.values())
        self.together = list(together.values())

    def keep(self, waiting: Iterable[Send], *, together: Iterable[Collection[str]] = ()) -> None:
        """Have all of this on disk.

        Args:
            waiting: messages.
            together: ids of those among them that are sent all, or none of them.

        Raises:
            InputError: it cannot be written.
        """
        new = [send for send in waiting if send.id not in self._kept]
        if not new:
            return
        try:
            if self._own is None:
                self._own = self._create()
            _write(self._own, [*new, *(_Together(list(group)) for group in together)])
        except OSError as error:
            raise _unusable(self._directory, error) from None
        self._kept.update(dict.fromkeys((send.id for send in new), self._own))

    def settle(self, answers: Mapping[str, Sent | ChatError]) -> None:
        """Note what the server has said of messages: what it has waits no more, and what it refuses is set aside.

        Raises:
            InputError: it cannot be written. What was sent is sent once more then, which does no harm.
        """
        marks: dict[int, list[_Line]] = {}
        for identity, answer in answers.items():
            if identity in self._kept and not isinstance(answer, ServerUnavailable):  # which passes
                descriptor = self._kept.pop(identity)
                refused = isinstance(answer, ChatError)
                self._refused[descriptor] = self._refused.get(descriptor, 0) + refused
                marks.setdefault(descriptor, []).append(
                    _refusal(identity, answer) if isinstance(answer, ChatError) else _Gone(identity)
                )
        try:
            for descriptor, lines in marks.items():
                if descriptor in self._kept.values() or self._refused.get(descriptor):
                    _write(descriptor, lines)
        except OSError as error:
            raise _unusable(self._directory, error) from None
        self._remove_empty()

    def clear(self) -> None:
        """All was sent: nothing is left to be kept."""
        with contextlib.suppress(OSError):  # what cannot be noted is sent once more, which does no harm
            for descriptor in self._held:
                if self._refused.get(descriptor):
                    _write(descriptor, [_Gone(identity) for identity, at in self._kept.items() if at == descriptor])
        self._kept.clear()
        self._remove_empty()
        self.close()

    def close(self) -> None:
        """Let go of the files; what stands in them is for the next run."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()
        self._own = None

    def _remove_empty(self) -> None:
        used = set(self._kept.values())
        for descriptor, path in tuple(self._held.items()):
            if descriptor in used or self._refused.get(descriptor):
                continue
            with contextlib.suppress(OSError):  # what cannot be removed is sent once more, which does no harm
                os.unlink(path)
            os.close(descriptor)
            del self._held[descriptor]
            if descriptor == self._own:
                self._own = None

    def _create(self) -> int:
        files.make_directory(self._directory)
        newest = max(map(_number, _paths(self._directory)), default=0)
        name = f"{self._beginning}{newest + 1}.{os.urandom(8).hex()}"
        path = os.path.join(self._directory, name)
        hidden = os.path.join(self._directory, f".{name}")
        descriptor = None
        try:
            # Nobody finds it before it is locked.
            if (descriptor := files.hold(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)) is not None:
                _write(descriptor, [self._whose])
                os.rename(hidden, path)
                files.flush_names(self._directory)
        except OSError:
            if descriptor is not None:
                os.close(descriptor)
            for left in (hidden, path):
                with contextlib.suppress(OSError):
                    os.unlink(left)
            raise
        if descriptor is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # somebody has removed it
        self._held[descriptor] = path
        return descriptor


def beginning(server: Address, user: str) -> str:
    """Return how the names of the files begin that hold what a user has not sent to a server."""
    return beginnings(server, user)[0]


def beginnings(server: Address, user: str) -> list[str]:
    """Return the same, and how they begin where they were made under another name of the server."""
    return [f"{files.file_name(name, fold(user))}." for name in files.names_of(server)]


def entries(directory: str) -> list[Entry]:
    """Return everything that was kept, by whomever and for whatever server, the oldest first.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """
    try:
        found = [(path, _read(path)) for path in _paths(directory)]
    except OSError as error:
        raise _unusable(directory, error) from None
    found.sort(key=lambda run: _place(*run))
    kept = [entry for _, run in found for entry in run]
    where = {server: _now(server) for server in {entry.server for entry in kept}}
    return [entry._replace(server=where[entry.server]) for entry in kept]


def _now(server: str) -> str:
    """Return the newest address of a server for which something was kept under this name."""
    from chatcli.client.identity.addresses import addresses_named

    try:
        return str(addresses_named(server)[-1]) if server else ""
    except (InputError, IndexError):  # nobody could have written that, or it is at no address any more
        return server


def drop(dropped: Collection[Entry]) -> None:
    """Take messages out of the outbox.

    Raises:
        InputError: a client that runs holds them, or they cannot be written.
    """
    _mark(dropped, _Gone)


def retry(refused: Collection[Entry]) -> None:
    """Have messages that were refused wait once more.

    Raises:
        InputError: as :func:`drop`.
    """
    _mark(refused, _Again)


def _mark(marked: Collection[Entry], mark: type[_Gone | _Again]) -> None:
    for path in dict.fromkeys(entry.path for entry in marked):
        try:
            descriptor = _lock(path)
            if descriptor is None:
                raise InputError("A chatcli that runs is about to send that: end it, or wait.")
            try:
                _write(descriptor, [mark(entry.message.id) for entry in marked if entry.path == path])
                if not _entries(path, descriptor):
                    os.unlink(path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unusable(os.path.dirname(path), error) from None


def _paths(directory: str, *starts: str) -> list[str]:
    try:
        with os.scandir(directory) as found:
            # What is no file is none of ours, and a pipe would be waited for.
            names = [entry.name for entry in found if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    files.refuse_loose(os.stat(directory), directory, "700")
    return [os.path.join(directory, name) for name in names if name.startswith(starts or "") and name[0] != "."]


def _number(path: str) -> int:
    """Return the number in the name of a file; 0 for one that has none, as older ones."""
    number, point, _ = os.path.basename(path).partition(".")[2].partition(".")
    return int(number) if point and number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER else 0


def _place(path: str, entries: list[Entry]) -> tuple[int, str]:
    """Return what puts files in order; without numbers, as in older names, or with the same, as from runs at once.

    Ids begin with the millisecond in which they were made: enough for runs, not for what was said in one.
    """
    return _number(path), entries[0].message.id if entries else ""


def _lock(path: str) -> int | None:
    """Open a file, and hold it; None where it belongs to a client that runs, or is gone."""
    try:
        return files.hold(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None


def _read(path: str) -> list[Entry]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    try:
        return _entries(path, descriptor)
    finally:
        os.close(descriptor)


def _entries(path: str, descriptor: int) -> list[Entry]:
    """Return what stands in a file and is not gone, in order.

    A line that is damaged, as when the machine stopped in the middle of it, is passed over.
    """
    found: dict[str, Entry] = {}
    whose = _Whose("", "")
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        for raw in file:
            try:
                line = _decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            match line:
                case _Whose():
                    whose = line
                case Send():
                    found[line.id] = Entry(path, whose.server, whose.user, line, None)
                case _Gone():
                    found.pop(line.id, None)
                case Refusal() if line.id in found:
                    found[line.id] = found[line.id]._replace(refusal=line)
                case _Again() if line.id in found:
                    found[line.id] = found[line.id]._replace(refusal=None)
                case _Together(ids):
                    found.update({one: found[one]._replace(together=ids[0]) for one in ids if one in found})
    return list(found.values())


def _write(descriptor: int, lines: Iterable[_Line]) -> None:
    """Add lines to a file and have them on disk, or leave it as it was."""
    data = b"".join(_encode(line) + b"\n" for line in lines)
    before = os.fstat(descriptor).st_size
    try:
        if before and os.pread(descriptor, 1, before - 1) != b"\n":  # the machine stopped in the middle of a line
            data = b"\n" + data
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def _refusal(identity: str, error: ChatError) -> Refusal:
    return Refusal(identity, error.code if isinstance(error, Refused) else codes.INVALID, str(error))


def _unusable(directory: str, error: OSError) -> InputError:
    return InputError(
        f"What waits to be sent cannot be kept in {directory} ({error.strerror or error}): it is lost if the "
        "client ends before the server is back. Make that possible, or name another directory in XDG_STATE_HOME."
    )
