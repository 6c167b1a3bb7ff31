"""The names that a listener comes across, kept in the roster for completion."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import roster, unread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatcli.client.storage.roster import Roster
    from chatcli.protocol.values.address import Address

_INTERVAL: Final = 10.0  # seconds from one writing of the roster to the next


class FeedObserver:
    """Records the senders and rooms of messages.

    Args:
        server: the server that is listened to.
        user: the user who listens.
        reading: whether messages count as read, so that the number of unread messages on disk is outdated.
    """

    def __init__(self, server: Address, user: str, *, reading: bool) -> None:
        self._server = server
        self._user = user
        self._reading = reading
        self._names: dict[str, None] = {}
        self._written: set[str] = set()
        self._due = 0.0

    def record(self, names: Iterable[str]) -> None:
        """Record people and rooms; now and then they are written to disk."""
        self._names.update(dict.fromkeys(names))
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write the names to disk that are not there yet."""
        if not self._names:
            return
        self._due = time.monotonic() + _INTERVAL
        if self._reading:
            unread.forget(self._server, self._user)
        new = [name for name in self._names if name not in self._written]
        self._names.clear()
        self._written.update(new[: roster.MAX_PEOPLE - len(self._written)])

        def change(kept: Roster) -> None:
            for name in new:
                kept.add_room(name) if name.startswith(roster.ROOM) else kept.add_person(name)

        if new:
            roster.update(self._server, self._user, change)
