"""All that is kept of one server on this machine: found, told, and removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from chatcli.client.identity import addresses
from chatcli.client.identity.known_servers import KnownServers
from chatcli.client.outbox import store as outbox
from chatcli.client.outbox.format import Entry
from chatcli.client.storage import cache, files, roster, unread
from chatcli.errors import InputError
from chatcli.protocol.address import Address

_NOTES = (roster.KIND, unread.KIND)


class Kept(NamedTuple):
    """What is kept of a server.

    Attributes:
        server: by the address that is meant.
        keys: the fingerprints that are known of it.
        elsewhere: its other addresses; what is kept stays with these.
        messages: what waits to be sent, or was refused.
        files: drafts, lines typed before, and positions.
        notes: the kind and the user of what commands have noted.
    """

    server: Address
    keys: list[str]
    elsewhere: list[Address]
    messages: list[Entry]
    files: list[Path]
    notes: list[tuple[str, str]]

    @property
    def anything(self) -> bool:
        """Whether the server is known at all."""
        return bool(self.keys or self.elsewhere or self.messages or self.files or self.notes)


def find(server: Address) -> Kept:
    """Return what is kept of a server.

    Raises:
        InputError: a file of the user's cannot be used.
    """
    known = KnownServers(files.config_directory())
    keys = [entry.key for entry in known.find(server)]
    everywhere = addresses.addresses_of(server)
    elsewhere = [address for address in everywhere if address != server]
    if elsewhere:
        return Kept(server, keys, elsewhere, [], [], [])
    names = files.names_of(server)
    messages = [one for one in outbox.read_all(files.outbox_directory()) if one.server == str(everywhere[-1])]
    notes = [(kind, user) for kind in _NOTES for at, user in cache.places(kind) if at in names]
    return Kept(server, keys, [], messages, list(_files(names)), notes)


def others(server: Address) -> list[Address]:
    """Return servers that are known at the same host, or with the same port, as one that is not."""
    known = dict.fromkeys(KnownServers(files.config_directory()).all())
    near = [address for address in known if address.host == server.host]
    return near or [address for address in known if address.port == server.port]


def forget(kept: Kept) -> None:
    """Remove all of this.

    Raises:
        InputError: a client that runs is about to send a message, or a file cannot be written.
    """
    outbox.drop(kept.messages)
    for path in kept.files:
        path.unlink(missing_ok=True)
    for kind, user in kept.notes:
        cache.update(kind, kept.server, user, lambda _: None)
    if kept.elsewhere:
        addresses.part(kept.server)
    else:
        addresses.forget(kept.server)
    KnownServers(files.config_directory()).remove(kept.server)


def _files(names: list[str]) -> Iterator[Path]:
    state = Path(files.state_directory())
    hashes = {files.file_name(name) for name in names}
    yield from (path for path in _in(state / "history") if path.name in hashes)
    yield from (path for path in _in(state / "cursors") if path.name.partition(".")[0] in hashes)
    for path in _in(state / "drafts"):
        if path.name in {f"{files.file_name(name, _user(path))}.json" for name in names}:
            yield path


def _user(path: Path) -> str:
    """Return whose drafts a file holds, as its name is made of it; nothing where it cannot be read."""
    try:
        user = msgspec.json.decode(files.read(str(path)) or "", type=dict[str, object]).get("user")
    except (msgspec.DecodeError, InputError, RecursionError):
        return ""
    return user.casefold() if isinstance(user, str) else ""


def _in(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.is_file() and not path.is_symlink()]
    except OSError:
        return []
