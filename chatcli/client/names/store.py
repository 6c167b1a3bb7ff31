"""A file of the changes that the user has yet to confirm, for the next start of the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from chatcli.client.storage import cache
from chatcli.protocol.frames import NameChange
from chatcli.protocol.values.names import fold

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

KIND: Final = "names"


class UnconfirmedFile:
    """The file of one server and user, which several clients may share.

    Args:
        server: the server.
        user: the name there.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = server
        self._user = user
        self._saved: dict[str, NameChange] = {}

    def load(self) -> list[NameChange]:
        """Return the changes; none if they cannot be read."""
        self._saved = _parsed(cache.read(KIND, self._server, self._user))
        return list(self._saved.values())

    def save(self, changes: Mapping[str, NameChange]) -> None:
        """Store the changes, by folded name, beside those of other clients."""
        before, now = self._saved, dict(changes)
        if now == before:
            return
        self._saved = now

        def change(text: str) -> str | None:
            kept = _parsed(text)
            for name, old in before.items():
                if name not in now and kept.get(name) == old:
                    del kept[name]
            kept.update(now)
            return f"{msgspec.json.encode(list(kept.values())).decode()}\n" if kept else None

        cache.update(KIND, self._server, self._user, change)


def _parsed(text: str) -> dict[str, NameChange]:
    try:
        changes = msgspec.json.decode(text, type=list[NameChange]) if text else []
    except (msgspec.DecodeError, RecursionError):
        changes = []
    return {fold(change.user): change for change in changes}
