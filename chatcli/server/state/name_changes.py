"""Changes of the owners and keys of names, and who is told of them.

A change concerns those who have exchanged direct messages with any owner of the name so far, and those who belong to a
room together with its owner; those who shared a room with the owner of a name that was released are told who takes it,
too, and the owner is told of one more key. Those who are away get it with their feed when they return.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import NameChange
from chatcli.protocol.values.names import name_before_release
from chatcli.server.security.prices import NOTIFIED

if TYPE_CHECKING:
    from chatcli.server.model import Connection, User
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.store.records import NameChangeRecord

OPERATOR: Final = "operator"  # in place of the name of one who is not in the chat


def name_of(user: User) -> str:
    """Return a user's name, or the one that was released, as it is written."""
    return name_before_release(user.name) or user.name


class NameChanges:
    """Follows changes, and tells those who are here.

    Args:
        users: all users.
        rooms: learn the newest ``seq``.
        freed: the folded names that were ever released.
    """

    def __init__(self, users: Users, rooms: Rooms, freed: Iterable[str]) -> None:
        self._users = users
        self._rooms = rooms
        self._freed = set(freed)

    def was_released(self, key: str) -> bool:
        """Return whether a folded name was ever released."""
        return key in self._freed

    def apply(self, record: NameChangeRecord, cause: Connection | None) -> None:
        """Push a change to the feeds of those whom it concerns.

        Args:
            record: the change. A name is released after this call, and taken before it.
            cause: the connection that has asked for it, which pays for the notices if the owner has made the change.
        """
        if record.what == "released":
            self._freed.add(record.key)
        self._rooms.delivered_seq = max(self._rooms.delivered_seq, record.seq)
        user = self._users.get(record.user)
        if user is None:
            return
        line = encode(NameChange(user.name, record.what, record.at, record.seq, record.by))
        told = 0
        for other in self._concerned(user, record):
            for feed in (*other.feeds, *other.limited_feeds):
                if feed.connection.revision >= 1 and feed.includes_change(user.id):
                    feed.push(record.seq, line)
                    told += 1
        if cause is not None and not (record.by or cause.closed):
            cause.account.charge(told * NOTIFIED)

    def _concerned(self, user: User, record: NameChangeRecord) -> Collection[User]:
        concerned: dict[User, None] = {}
        for partner in record.partners:
            found = self._users.get(partner)
            if found is not None:
                concerned[found] = None
        for room in user.rooms:
            concerned.update(dict.fromkeys(room.members))
        concerned.pop(user, None)
        return [user, *concerned] if record.what == "key" else concerned  # their other devices above all

    def to_frame(self, record: NameChangeRecord) -> NameChange:
        """Return the frame of a change that was read from the log."""
        user = self._users.get(record.user)
        name = record.key if user is None else name_of(user)
        return NameChange(name, record.what, record.at, record.seq, record.by)
