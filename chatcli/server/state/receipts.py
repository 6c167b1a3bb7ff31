"""How far people have read, and who is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Read, Receipt
from chatcli.server.security.prices import TOLD

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.throttle import Pace
    from chatcli.store.interface import Log

_MOST_WATCHED: Final = 100  # rooms, by one connection
_MOST_OWED: Final = 1000  # people who wait for one to read on


def receipt(user: User, room: Room) -> Receipt:
    """Return how far a member has read of what was said in a room since they came."""
    since, seq = room.members[user], min(user.public_cursor, room.newest)
    return Receipt(user.name, seq if seq > since else 0, room.name, since)


class Receipts:
    """Moves read positions.

    Nobody is told more than how far someone has read of what was said with them, or in a room that they may read.

    Args:
        log: where they are kept.
        pace: how often others are told of the same person.
    """

    def __init__(self, log: Log, pace: Pace) -> None:
        self._log = log
        self._pace = pace
        self._untold: dict[User, int] = {}  # how far people had read when that was last told
        self._watched: dict[Connection, dict[Room, None]] = {}

    def read(self, session: Connection, user: User, seq: int, *, tell: bool) -> None:
        """Note that everything up to ``seq`` was shown to someone.

        Args:
            session: where.
            user: to whom.
            seq: in their feed.
            tell: whether others may know.
        """
        if seq > user.cursor:
            user.cursor = seq
            self._log.move_cursor(user.id, seq, shown=False)
            line = encode(Read(seq))
            for feed in user.feeds:
                if feed.connection is not session:
                    feed.connection.try_send(line)
            session.account.charge((len(user.feeds) - 1) * TOLD)
        if tell and seq > user.public_cursor:
            before, user.public_cursor = user.public_cursor, seq
            self._log.move_cursor(user.id, seq)
            self._untold.setdefault(user, before)
            told = self._pace.tell(user, seq, lambda: self._tell_others(user))
            session.account.charge(told * TOLD)

    def owe(self, reader: User, sender: User, seq: int) -> None:
        """Have a sender told when someone has read up to that ``seq``."""
        if reader.receipt_waiters is None:
            reader.receipt_waiters = {}
        reader.receipt_waiters[sender] = seq
        if len(reader.receipt_waiters) > _MOST_OWED:
            del reader.receipt_waiters[next(iter(reader.receipt_waiters))]

    def _tell_others(self, user: User) -> int:
        before = self._untold.pop(user, user.public_cursor)
        return self._tell_senders(user) + self._tell_watchers(user, before)

    def _tell_senders(self, user: User) -> int:
        if user.receipt_waiters is None:
            return 0
        left, told = {}, 0
        for sender, newest in user.receipt_waiters.items():
            if sender.sessions:
                line = encode(Receipt(user.name, min(user.public_cursor, newest)))
                for session in sender.sessions:
                    session.try_send(line)
                told += len(sender.sessions)
            if newest > user.public_cursor:
                left[sender] = newest
        user.receipt_waiters = left or None
        return told

    def _tell_watchers(self, user: User, before: int) -> int:
        told = 0
        for room in user.rooms:
            if room.watchers and before < room.newest:
                line = encode(receipt(user, room))
                for session in room.watchers:
                    session.try_send(line)
                told += len(room.watchers)
        return told

    def watch(self, session: Connection, room: Room) -> None:
        """Tell a connection from now on how far the members of a room have read.

        Raises:
            Refused: it watches enough already.
        """
        watched = self._watched.setdefault(session, {})
        if room not in watched and len(watched) >= _MOST_WATCHED:
            raise Refused(codes.TOO_MANY, f"One connection can watch {_MOST_WATCHED} rooms, and no more.")
        watched[room] = None
        room.watchers.add(session)

    def forget(self, session: Connection) -> None:
        """Note that a connection is gone."""
        for room in self._watched.pop(session, ()):
            room.watchers.discard(session)
