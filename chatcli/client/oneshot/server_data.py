"""Finds and removes the data of one server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatcli.client.identity import addresses
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.outbox import store as outbox
from chatcli.client.outbox.format import Entry
from chatcli.client.storage import cache, closed, files, roster, unread
from chatcli.errors import InputError
from chatcli.protocol.values.address import Address

_CACHES: Final = (roster.KIND, unread.KIND, closed.KIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerData:
    """The data of a server.

    Attributes:
        server: the server, by the address in question.
        keys: the fingerprints that are known for it.
        elsewhere: its other addresses; the data stays with these.
        messages: the messages in the outbox, those included that were refused.
        files: drafts, history of lines, and cursors.
        caches: the kind and the user of each cache.
    """

    server: Address
    keys: list[str]
    elsewhere: list[Address]
    messages: list[Entry]
    files: list[Path]
    caches: list[tuple[str, str]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known about the server."""
        return not (self.keys or self.elsewhere or self.messages or self.files or self.caches)


def find(server: Address) -> ServerData:
    """Return the data of a server.

    Raises:
        InputError: a file of the user's cannot be used.
    """
    known = KnownServers(files.config_directory())
    keys = [entry.key for entry in known.find(server)]
    everywhere = addresses.addresses_of(server)
    elsewhere = [address for address in everywhere if address != server]
    if elsewhere:
        return ServerData(server=server, keys=keys, elsewhere=elsewhere, messages=[], files=[], caches=[])
    names = files.server_names(server)
    messages = [one for one in outbox.read_all(files.outbox_directory()) if one.server == str(everywhere[-1])]
    caches = [(kind, user) for kind in _CACHES for at, user in cache.entries_of(kind) if at in names]
    return ServerData(
        server=server, keys=keys, elsewhere=[], messages=messages, files=list(_files(names)), caches=caches
    )


def similar_servers(server: Address) -> list[Address]:
    """Return the known servers with the host of an unknown one, or else with its port."""
    known = dict.fromkeys(KnownServers(files.config_directory()).all())
    near = [address for address in known if address.host == server.host]
    return near or [address for address in known if address.port == server.port]


def forget(data: ServerData) -> None:
    """Remove the data of a server.

    Raises:
        InputError: a client that runs is about to send a message, or a file cannot be written.
    """
    outbox.drop(data.messages)
    for path in data.files:
        path.unlink(missing_ok=True)
    for kind, user in data.caches:
        cache.update(kind, data.server, user, lambda _: None)
    if data.elsewhere:
        addresses.separate(data.server)
    else:
        addresses.forget(data.server)
    KnownServers(files.config_directory()).remove(data.server)


def _files(names: list[str]) -> Iterator[Path]:
    state = Path(files.state_directory())
    hashes = {files.file_name(name) for name in names}
    yield from (path for path in _files_in(state / "history") if path.name in hashes)
    yield from (path for path in _files_in(state / "cursors") if path.name.partition(".")[0] in hashes)
    for path in _files_in(state / "drafts"):
        if path.name in {f"{files.file_name(name, _owner(path))}.json" for name in names}:
            yield path


def _owner(path: Path) -> str:
    """Return the user of a file of drafts, folded as in its name; nothing if it cannot be read."""
    try:
        user = msgspec.json.decode(files.read(str(path)) or "", type=dict[str, object]).get("user")
    except (msgspec.DecodeError, InputError, RecursionError):
        return ""
    return user.casefold() if isinstance(user, str) else ""


def _files_in(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return []
