"""The outbox: messages on disk until the server has them, even if the client crashes.

Each client that runs has a file of its own and holds a lock on it, so that two of the same user leave each other's
alone. Sending a stored message twice does no harm: the server accepts an id once. The names of files have growing
numbers, because a clock may be set back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from chatcli.client.outbox import format as outbox_format
from chatcli.client.outbox.format import Again, Entry, Gone, Header, Line, OfLog, Refusal, Together
from chatcli.client.storage import files
from chatcli.errors import ChatError, InputError, Refused, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol.frames import Send, Sent
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.names import fold


class Outbox:
    """The messages of one user that one server does not have yet.

    Args:
        directory: the directory of the files; it may not exist yet.
        server: the server, by the address in use.
        user: the sender, in any spelling.
        claim: read the messages that earlier runs of the client have left, and lock their files.

    Attributes:
        waiting: the messages of earlier runs, the oldest first. They stay on disk until :meth:`clear`.
        groups: groups of ids among them: the messages of a group are all sent, or none of them.
        epochs: the epochs of the logs which their numbers belong to, by id, as far as they are known.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """

    def __init__(self, directory: str, server: Address, user: str, *, claim: bool = True) -> None:
        self._directory = directory
        self._header = Header(files.server_names(server)[0], user)
        prefixes = file_prefixes(server, user)
        self._prefix = prefixes[0]
        self._own: int | None = None  # descriptor of the file that this run writes
        self._locked: dict[int, str] = {}  # paths of the locked files, by descriptor
        self._file_of: dict[str, int] = {}  # the descriptor of each message that waits, by id
        self._refused: dict[int, int] = {}  # the number of refused messages in each file
        found: list[tuple[int, str, list[Entry]]] = []
        try:
            for path in outbox_format.list_paths(directory, *prefixes) if claim else ():
                if (descriptor := outbox_format.lock(path)) is not None:
                    self._locked[descriptor] = path
                    found.append((descriptor, path, outbox_format.read_entries(path, descriptor)))
        except OSError as error:
            self.close()
            raise _unusable(directory, error) from None
        found.sort(key=lambda file: outbox_format.sort_key(file[1], file[2]))
        waiting: dict[str, Send] = {}
        groups: dict[str, list[str]] = {}
        self.epochs: dict[str, str] = {}
        for descriptor, _, entries in found:
            messages = {entry.message.id: entry.message for entry in entries if entry.refusal is None}
            self._refused[descriptor] = len(entries) - len(messages)
            self._file_of.update(dict.fromkeys(messages, descriptor))
            waiting.update(messages)
            for entry in entries:
                if entry.group and entry.refusal is None:
                    groups.setdefault(entry.group, []).append(entry.message.id)
                if entry.epoch:
                    self.epochs[entry.message.id] = entry.epoch
        self.waiting = list(waiting.values())
        self.groups = list(groups.values())

    def store(
        self,
        messages: Iterable[Send],
        *,
        groups: Iterable[Collection[str]] = (),
        epochs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Store messages on disk; those that are there already stay.

        Args:
            messages: the messages.
            groups: groups of ids among them: the messages of a group are all sent, or none of them.
            epochs: the epochs of the logs which their numbers belong to, by id.

        Raises:
            InputError: they cannot be written.
        """
        new = [message for message in messages if message.id not in self._file_of]
        if not new:
            return
        try:
            if self._own is None:
                self._own, path = outbox_format.create(self._directory, self._prefix, self._header)
                self._locked[self._own] = path
            logs = [OfLog(epochs[message.id], [message.id]) for message in new if message.id in epochs]
            outbox_format.append(self._own, [*new, *logs, *(Together(list(group)) for group in groups)])
        except OSError as error:
            raise _unusable(self._directory, error) from None
        self._file_of.update(dict.fromkeys((message.id for message in new), self._own))

    def resolve(self, answers: Mapping[str, Sent | ChatError]) -> None:
        """Remove the messages that the server has, and set those aside that it refuses.

        Raises:
            InputError: that cannot be written. Messages that were sent are sent once more then, which does no harm.
        """
        marks: dict[int, list[Line]] = {}
        for identity, answer in answers.items():
            if identity in self._file_of and not isinstance(answer, ServerUnavailable):  # which passes
                descriptor = self._file_of.pop(identity)
                refused = isinstance(answer, ChatError)
                self._refused[descriptor] = self._refused.get(descriptor, 0) + refused
                marks.setdefault(descriptor, []).append(
                    _refusal(identity, answer) if isinstance(answer, ChatError) else Gone(identity)
                )
        try:
            for descriptor, lines in marks.items():
                if descriptor in self._file_of.values() or self._refused.get(descriptor):
                    outbox_format.append(descriptor, lines)
        except OSError as error:
            raise _unusable(self._directory, error) from None
        self._remove_empty()

    def clear(self) -> None:
        """Remove all messages that wait, as they were sent, and close the files."""
        with contextlib.suppress(OSError):  # a message that stays is sent once more, which does no harm
            for descriptor in self._locked:
                if self._refused.get(descriptor):
                    gone = [Gone(identity) for identity, at in self._file_of.items() if at == descriptor]
                    outbox_format.append(descriptor, gone)
        self._file_of.clear()
        self._remove_empty()
        self.close()

    def close(self) -> None:
        """Close the files; the messages in them are for the next run."""
        for descriptor in self._locked:
            os.close(descriptor)
        self._locked.clear()
        self._own = None

    def _remove_empty(self) -> None:
        used = set(self._file_of.values())
        for descriptor, path in tuple(self._locked.items()):
            if descriptor in used or self._refused.get(descriptor):
                continue
            with contextlib.suppress(OSError):  # a message that stays is sent once more, which does no harm
                os.unlink(path)
            os.close(descriptor)
            del self._locked[descriptor]
            if descriptor == self._own:
                self._own = None


def file_prefixes(server: Address, user: str) -> list[str]:
    """Return the prefixes of the names of a user's files for a server, that of new files first.

    The others belong to files that were made under another name of the server.
    """
    return [f"{files.file_name(name, fold(user))}." for name in files.server_names(server)]


def newest_epoch(directory: str, server: Address, user: str) -> str:
    """Return the epoch of the newest message of a user that waits for a server; empty if none has a number.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """
    try:
        found = [
            (path, outbox_format.read(path))
            for path in outbox_format.list_paths(directory, *file_prefixes(server, user))
        ]
    except OSError as error:
        raise _unusable(directory, error) from None
    found.sort(key=lambda file: outbox_format.sort_key(*file))
    return next((entry.epoch for _, file in reversed(found) for entry in reversed(file) if entry.epoch), "")


def read_all(directory: str) -> list[Entry]:
    """Return the entries of every user and server, the oldest first.

    Raises:
        InputError: the directory is open to others, or cannot be read.
    """
    try:
        found = [(path, outbox_format.read(path)) for path in outbox_format.list_paths(directory)]
    except OSError as error:
        raise _unusable(directory, error) from None
    found.sort(key=lambda file: outbox_format.sort_key(*file))
    entries = [entry for _, file in found for entry in file]
    newest = {server: _newest_address(server) for server in {entry.server for entry in entries}}
    return [replace(entry, server=newest[entry.server]) for entry in entries]


def _newest_address(server: str) -> str:
    """Return the newest address of a server, given the name under which its files are stored."""
    from chatcli.client.identity.addresses import addresses_named

    try:
        return str(addresses_named(server)[-1]) if server else ""
    except (InputError, IndexError):  # the file was edited, or the server has no address any more
        return server


def drop(entries: Collection[Entry]) -> None:
    """Remove entries from the outbox.

    Raises:
        InputError: a client that runs uses their file, or it cannot be written.
    """
    _mark(entries, Gone)


def requeue(entries: Collection[Entry]) -> None:
    """Have messages that were refused wait once more.

    Raises:
        InputError: as :func:`drop`.
    """
    _mark(entries, Again)


def _mark(entries: Collection[Entry], mark: type[Gone | Again]) -> None:
    for path in dict.fromkeys(entry.path for entry in entries):
        try:
            descriptor = outbox_format.lock(path)
            if descriptor is None:
                raise InputError("Another chatcli is about to send that message: end it, or wait.")
            try:
                outbox_format.append(descriptor, [mark(entry.message.id) for entry in entries if entry.path == path])
                if not outbox_format.read_entries(path, descriptor):
                    os.unlink(path)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unusable(os.path.dirname(path), error) from None


def _refusal(identity: str, error: ChatError) -> Refusal:
    return Refusal(identity, error.code if isinstance(error, Refused) else codes.INVALID, str(error))


def _unusable(directory: str, error: OSError) -> InputError:
    return InputError(
        f"Messages that wait cannot be kept in {directory} ({error.strerror or error}): they are lost if the client "
        "ends before the server is back. Make that possible, or name another directory in XDG_STATE_HOME."
    )
