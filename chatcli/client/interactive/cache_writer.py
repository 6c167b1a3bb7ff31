"""The caches that a running client writes: for commands, and for its next start, the closed conversations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import closed, roster, unread

if TYPE_CHECKING:
    from chatcli.client.chat.chat import Chat
    from chatcli.client.storage.roster import Roster
    from chatcli.protocol.values.address import Address

INTERVAL: Final = 2.0  # seconds between two updates
_ROSTER: Final = 10.0  # seconds from one writing of the roster to the next
_UNREAD: Final = unread.FRESH / 3  # seconds after which an unchanged number is written again, to stay fresh


class CacheWriter:
    """Writes the caches when their content changes.

    Args:
        server: the server that the client is connected to.
        chat: what the client knows.
        counting: whether the user sees what is unread, so that the client's own number counts, not the server's.
        epoch: that of the server's log.
    """

    def __init__(self, server: Address, chat: Chat, *, counting: bool, epoch: str) -> None:
        self._server = server
        self._chat = chat
        self._counting = counting
        self._written: tuple[object, ...] = ()
        if chat.attention.is_watched:
            chat.conversations.closed.update(closed.load(server, chat.contacts.user, epoch))
        self._closed = dict(chat.conversations.closed)
        self._roster_due = 0.0
        self._count = -1
        self._count_due = 0.0

    def update(self, *, connected: bool) -> None:
        """Write what has changed, if it is due."""
        self._write_closed()
        now = time.monotonic()
        if now >= self._roster_due:
            self._roster_due = now + _ROSTER
            self._write_roster()
        count = sum(self._chat.conversations.unread.values())
        if self._counting and connected and (count != self._count or now >= self._count_due):
            self._count, self._count_due = count, now + _UNREAD
            unread.store(self._server, self._chat.contacts.user, count)

    def close(self) -> None:
        """Write the roster once more; from now on the server's number of unread messages counts."""
        self._write_closed()
        self._write_roster()
        if self._counting:  # even if it has written none: a command may have, meanwhile
            unread.forget(self._server, self._chat.contacts.user)

    def _write_closed(self) -> None:
        if self._chat.conversations.closed != self._closed:
            self._closed = dict(self._chat.conversations.closed)
            closed.store(self._server, self._chat.contacts.user, self._chat.epoch, self._closed)

    def _write_roster(self) -> None:
        contacts = self._chat.contacts
        here, away = frozenset(contacts.presence.here), frozenset(contacts.presence.away)
        rooms = (*contacts.other_rooms.values(), *contacts.rooms.values())
        known = (here, away, tuple(contacts.names()), tuple(contacts.partners), rooms)
        if known == self._written:
            return
        self._written = known

        def change(kept: Roster) -> None:
            # Without a state: the server does not report that strangers come and go.
            for name in (*reversed(contacts.names()), *contacts.partners)[-roster.MAX_PEOPLE :]:
                kept.add_person(name)
            for name in here - away:
                kept.add_person(name, "here")
            for name in away:
                kept.add_person(name, "away")
            for room in rooms[-roster.MAX_ROOMS :]:
                kept.add_room(room)

        roster.update(self._server, contacts.user, change)
