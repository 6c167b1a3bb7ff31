"""Changes of the owners and keys of names, and who is told of them.

A change concerns those who have exchanged direct messages with any owner of the name so far, and those who belong to a
room together with its owner; those who shared a room with the owner of a name that was released are told who takes it,
too, and the owner is told of one more key. Those who are away get it with their feed when they return.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import NameChange
from chatcli.protocol.values.names import name_before_release
from chatcli.server.security.prices import NOTIFIED
from chatcli.store.records import NameChangeRecord

if TYPE_CHECKING:
    from chatcli.errors import StoreError
    from chatcli.protocol.frames import Renewal
    from chatcli.server.model import Connection, User
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.store.interface import Log

OPERATOR: Final = "operator"  # in place of the name of one who is not in the chat


def name_of(user: User) -> str:
    """Return a user's name, or the one that was released, as it is written."""
    return name_before_release(user.name) or user.name


class NameChanges:
    """Records changes, and tells those who are here.

    Args:
        log: stores them.
        users: all users.
        rooms: learn the newest ``seq``.
        freed: the folded names that were ever released.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(self, log: Log, users: Users, rooms: Rooms, freed: Iterable[str], clock: Callable[[], int]) -> None:
        self._log = log
        self._users = users
        self._rooms = rooms
        self._freed = set(freed)
        self._clock = clock

    def was_released(self, key: str) -> bool:
        """Return whether a folded name was ever released."""
        return key in self._freed

    def record(self, user: User, what: Renewal, by: str = "", cause: Connection | None = None) -> None:
        """Record a change in its place in the log; the caller schedules the batch.

        Args:
            user: the owner of the name. A name is released after this call, and taken before it.
            what: the change.
            by: the operator who made it, or ``OPERATOR``; empty if the owner did.
            cause: the connection that pays for the notices; None if an operator made the change.
        """
        name = user.name
        record = NameChangeRecord(key=user.key, user=user.id, what=what, by=by, at=self._clock())

        def written(error: StoreError | None) -> None:
            if error is None:
                told = self._tell(user, name, record)
                if cause is not None and not cause.closed:
                    cause.account.charge(told * NOTIFIED)

        self._log.append_change(record, written)

    def _tell(self, user: User, name: str, record: NameChangeRecord) -> int:
        """Push a change to the feeds of those whom it concerns; return their number."""
        if record.what == "released":
            self._freed.add(record.key)
        self._rooms.delivered_seq = max(self._rooms.delivered_seq, record.seq)
        line = encode(NameChange(name, record.what, record.at, record.seq, record.by))
        told = 0
        for other in self._concerned(user, record):
            for feed in (*other.feeds, *other.limited_feeds):
                if feed.connection.revision >= 1 and feed.includes_change(user.id):
                    feed.push(record.seq, line)
                    told += 1
        return told

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
