"""Read positions, and the receipts that others get of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Read, Receipt
from chatcli.server.security.prices import NOTIFIED

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.throttle import Throttle
    from chatcli.store.interface import Log

_MOST_WATCHED: Final = 100  # rooms, by one connection
_MOST_WAITERS: Final = 1000  # senders who wait for the receipts of one user


def receipt(user: User, room: Room) -> Receipt:
    """Return a member's receipt for the messages of a room since they entered it."""
    since, seq = room.members[user], min(user.public_cursor, room.newest)
    return Receipt(user.name, seq if seq > since else 0, room.name, since)


class Receipts:
    """Moves read positions and sends receipts.

    A receipt never reveals more than the position within one's own messages, or within a room that one may read.

    Args:
        log: stores the positions.
        throttle: limits how often others get receipts of the same user.
    """

    def __init__(self, log: Log, throttle: Throttle) -> None:
        self._log = log
        self._throttle = throttle
        self._last_sent: dict[User, int] = {}  # the positions of which others know, where they have moved since
        self._watched: dict[Connection, dict[Room, None]] = {}

    def read(self, session: Connection, user: User, seq: int, *, public: bool) -> None:
        """Record that a user was shown everything up to ``seq``.

        Args:
            session: the connection that has shown it.
            user: the user.
            seq: the position in the user's feed.
            public: whether others get receipts.
        """
        if seq > user.cursor:
            user.cursor = seq
            self._log.move_cursor(user.id, seq, public=False)
            line = encode(Read(seq))
            for feed in user.feeds:
                if feed.connection is not session:
                    feed.connection.try_send(line)
            session.account.charge((len(user.feeds) - 1) * NOTIFIED)
        if public and seq > user.public_cursor:
            before, user.public_cursor = user.public_cursor, seq
            self._log.move_cursor(user.id, seq)
            self._last_sent.setdefault(user, before)
            sent = self._throttle.submit(user, seq, lambda: self._send(user))
            session.account.charge(sent * NOTIFIED)

    def await_receipt(self, reader: User, sender: User, seq: int) -> None:
        """Have a sender get a receipt when the reader was shown the message with that ``seq``."""
        if reader.receipt_waiters is None:
            reader.receipt_waiters = {}
        reader.receipt_waiters[sender] = seq
        if len(reader.receipt_waiters) > _MOST_WAITERS:
            del reader.receipt_waiters[next(iter(reader.receipt_waiters))]

    def _send(self, user: User) -> int:
        before = self._last_sent.pop(user, user.public_cursor)
        return self._send_to_senders(user) + self._send_to_watchers(user, before)

    def _send_to_senders(self, user: User) -> int:
        if user.receipt_waiters is None:
            return 0
        remaining, sent = {}, 0
        for sender, newest in user.receipt_waiters.items():
            if sender.sessions:
                line = encode(Receipt(user.name, min(user.public_cursor, newest)))
                for session in sender.sessions:
                    session.try_send(line)
                sent += len(sender.sessions)
            if newest > user.public_cursor:
                remaining[sender] = newest
        user.receipt_waiters = remaining or None
        return sent

    def _send_to_watchers(self, user: User, before: int) -> int:
        sent = 0
        for room in user.rooms:
            if room.watchers and before < room.newest:
                line = encode(receipt(user, room))
                for session in room.watchers:
                    session.try_send(line)
                sent += len(room.watchers)
        return sent

    def watch(self, session: Connection, room: Room) -> None:
        """Have a connection get the receipts of a room's members from now on.

        Raises:
            Refused: it watches too many rooms.
        """
        watched = self._watched.setdefault(session, {})
        if room not in watched and len(watched) >= _MOST_WATCHED:
            raise Refused(codes.TOO_MANY, f"One connection can watch {_MOST_WATCHED} rooms, and no more.")
        watched[room] = None
        room.watchers.add(session)

    def forget(self, session: Connection) -> None:
        """Forget a connection that has ended."""
        for room in self._watched.pop(session, ()):
            room.watchers.discard(session)
