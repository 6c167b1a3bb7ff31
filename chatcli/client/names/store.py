"""A file of the changes that the user has yet to confirm, for the next start of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from chatcli.client.storage import cache
from chatcli.protocol.frames import NameChange
from chatcli.protocol.values.names import fold

if TYPE_CHECKING:
    from chatcli.client.names.unconfirmed import Unconfirmed
    from chatcli.protocol.values.address import Address

KIND: Final = "names"


class Stored(msgspec.Struct):
    """The content of the file.

    Attributes:
        told: see :class:`chatcli.client.names.unconfirmed.Unconfirmed`.
        changes: the changes that the user has yet to confirm.
        epoch: that of the log which the places belong to.
    """

    told: int | None = None
    changes: list[NameChange] = []
    epoch: str = ""


class UnconfirmedFile:
    """The file of one server and user, which several clients may share.

    Args:
        server: the server.
        user: the name there.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = server
        self._user = user
        self._told: int | None = None
        self._saved: dict[str, NameChange] = {}

    def restore(self, names: Unconfirmed) -> None:
        """Take over the content of the file, if it can be read."""
        stored = _parsed(cache.read(KIND, self._server, self._user))
        self._told, self._saved = stored.told, _by_name(stored)
        names.epoch = stored.epoch
        names.add_all(stored.changes)
        names.told = stored.told if names.told is None else max(names.told, stored.told or 0)

    def save(self, names: Unconfirmed) -> None:
        """Store the changes beside those of other clients."""
        before, now = self._saved, names.all()
        if now == before and names.told == self._told:
            return
        self._saved, self._told = now, names.told

        def change(text: str) -> str:
            stored = _parsed(text)
            kept = _by_name(stored)
            for name, old in before.items():
                if name not in now and kept.get(name) == old:
                    del kept[name]
            kept.update(now)
            content = Stored(names.told, list(kept.values()), names.epoch)
            return f"{msgspec.json.encode(content).decode()}\n"

        cache.update(KIND, self._server, self._user, change)


def _parsed(text: str) -> Stored:
    try:
        return msgspec.json.decode(text, type=Stored) if text else Stored()
    except (msgspec.DecodeError, RecursionError):
        return Stored()


def _by_name(stored: Stored) -> dict[str, NameChange]:
    return {fold(change.user): change for change in stored.changes}
