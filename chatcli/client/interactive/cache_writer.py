"""What a client that runs notes for commands: who is here and which rooms there are, and how much is unread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from chatcli.client.storage import roster, unread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatcli.client.chat.chat import Chat
    from chatcli.client.storage.roster import Roster
    from chatcli.protocol.address import Address

EVERY: Final = 2.0  # seconds from one look at what has changed to the next
_ROSTER: Final = 10.0  # seconds from one writing of the roster to the next
_UNREAD: Final = unread.FRESH / 3  # seconds after which a number is written again, to be known as fresh


class Overheard:
    """Notes who speaks, for a program that listens.

    Args:
        server: that is listened to.
        user: who listens.
        reading: what was heard counts as read, so that less is unread than before.
    """

    def __init__(self, server: Address, user: str, *, reading: bool) -> None:
        self._server = server
        self._user = user
        self._reading = reading
        self._names: dict[str, None] = {}
        self._noted: set[str] = set()
        self._due = 0.0

    def note(self, names: Iterable[str]) -> None:
        """Note that these people, and these rooms, were heard of; now and then it is written down."""
        self._names.update(dict.fromkeys(names))
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write down what was not yet."""
        if not self._names:
            return
        self._due = time.monotonic() + _ROSTER
        if self._reading:
            unread.forget(self._server, self._user)
        new = [name for name in self._names if name not in self._noted]
        self._names.clear()
        self._noted.update(new[: roster.MAX_PEOPLE - len(self._noted)])

        def change(kept: Roster) -> None:
            for name in new:
                kept.heard_of(name) if name.startswith(roster.ROOM) else kept.saw(name)

        if new:
            roster.note(self._server, self._user, change)


class Noting:
    """Notes what has changed.

    Args:
        server: that the client is connected to.
        chat: what is known.
        counting: the user sees what is unread, so that it is not what the server counts.
    """

    def __init__(self, server: Address, chat: Chat, *, counting: bool) -> None:
        self._server = server
        self._chat = chat
        self._counting = counting
        self._written: tuple[object, ...] = ()
        self._roster_due = 0.0
        self._count = -1
        self._count_due = 0.0

    def look(self, *, connected: bool) -> None:
        """Write what has changed, if it is time to."""
        now = time.monotonic()
        if now >= self._roster_due:
            self._roster_due = now + _ROSTER
            self._write_roster()
        count = self._chat.conversations.waiting()
        if self._counting and connected and (count != self._count or now >= self._count_due):
            self._count, self._count_due = count, now + _UNREAD
            unread.keep(self._server, self._chat.contacts.user, count)

    def end(self) -> None:
        """Write what is known at the end; from then on the server counts."""
        self._write_roster()
        if self._counting and self._count >= 0:
            unread.forget(self._server, self._chat.contacts.user)

    def _write_roster(self) -> None:
        contacts = self._chat.contacts
        here, away = frozenset(contacts.presence.here), frozenset(contacts.presence.away)
        rooms = (*contacts.other_rooms.values(), *contacts.rooms.values())
        known = (here, away, tuple(contacts.names()), tuple(contacts.partners), rooms)
        if known == self._written:
            return
        self._written = known

        def change(kept: Roster) -> None:
            # Of those whose coming and going is not told, nobody knows that they have gone.
            for name in (*reversed(contacts.names()), *contacts.partners)[-roster.MAX_PEOPLE :]:
                kept.saw(name)
            for name in here - away:
                kept.saw(name, "here")
            for name in away:
                kept.saw(name, "away")
            for room in rooms[-roster.MAX_ROOMS :]:
                kept.heard_of(room)

        roster.note(self._server, self._chat.contacts.user, change)
