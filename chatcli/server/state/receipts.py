"""Read positions, and the receipts that others get of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Read, Receipt
from chatcli.server.model import User
from chatcli.server.security.prices import NOTIFIED
from chatcli.server.state import read_positions
from chatcli.server.state.read_positions import public_up_to, read_up_to

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room
    from chatcli.server.throttle import Throttle
    from chatcli.store.interface import Log

_MOST_WATCHED: Final = 100  # rooms, by one connection
_MOST_WAITERS: Final = 1000  # senders who wait for the receipts of one user


def receipt(user: User, room: Room) -> Receipt:
    """Return a member's receipt for the messages of a room since they entered it."""
    since, seq, received = room.members[user], public_up_to(user, room.id), user.received
    seq, received = min(seq, room.newest), min(received, room.newest)
    return Receipt(user.name, seq if seq > since else 0, room.name, since, received=received if received > since else 0)


class Receipts:
    """Moves the positions of users and sends receipts.

    A receipt never reveals more than the position within one's own messages, or within a room that one may read.

    Args:
        log: stores the positions.
        throttle: limits how often others get receipts of the same user.
    """

    def __init__(self, log: Log, throttle: Throttle) -> None:
        self._log = log
        self._throttle = throttle
        self._watched: dict[Connection, dict[Room, None]] = {}

    def received(self, session: Connection, user: User, seq: int) -> None:
        """Record that a client has received the user's feed up to ``seq``."""
        if seq <= user.received:
            return
        user.received = seq
        self._log.set_received(user.id, seq)
        if user.delivery_waiters is not None:
            session.account.charge(self._send_deliveries(user) * NOTIFIED)

    def read(self, session: Connection, user: User, of: User | Room, seq: int, *, back: bool = False) -> None:
        """Record that the user has read one conversation up to ``seq``; ``back`` makes the rest unread again."""
        public = session.shares_receipts
        before, shown = read_up_to(user, of.id), public_up_to(user, of.id)
        if not read_positions.move(self._log, user, of.id, seq, public=public, back=back):
            return
        if read_up_to(user, of.id) != before:
            self._notify_devices(session, user, Read(read_up_to(user, of.id), of.name))
        if public_up_to(user, of.id) != shown:
            self._submit(session, user, of)

    def read_all(self, session: Connection, user: User, seq: int) -> None:
        """Record that the user has read all conversations up to ``seq``."""
        before, shown = user.read, user.public_read
        if not read_positions.move_all(self._log, user, seq, public=session.shares_receipts):
            return
        if user.read != before or user.reads:
            self._notify_devices(session, user, Read(seq))
        if user.public_read != shown:
            self._submit(session, user, None)

    def _notify_devices(self, session: Connection, user: User, frame: Read) -> None:
        line = encode(frame)
        others = [feed.connection for feed in user.feeds if feed.connection is not session]
        for other in others:
            if not frame.of or other.revision >= 1:  # one that knows no conversations would count all as read
                other.try_send(line)
        session.account.charge(len(others) * NOTIFIED)

    def _submit(self, session: Connection, user: User, of: User | Room | None) -> None:
        """Send receipts of a conversation, or of all, now or when it is time."""
        position = user.public_read if of is None else public_up_to(user, of.id)
        sent = self._throttle.submit((user, of), position, lambda: self._send(user, of))
        session.account.charge(sent * NOTIFIED)

    def _send(self, user: User, of: User | Room | None) -> int:
        if of is None:
            senders = tuple(user.receipt_waiters or ())
            return sum(self._send_to_sender(user, one) for one in senders) + sum(
                self._send_to_watchers(user, room) for room in user.rooms
            )
        return self._send_to_sender(user, of) if isinstance(of, User) else self._send_to_watchers(user, of)

    def _send_to_sender(self, user: User, sender: User) -> int:
        newest = (user.receipt_waiters or {}).get(sender)
        if user.receipt_waiters is None or newest is None:
            return 0
        seen = public_up_to(user, sender.id)
        line = encode(Receipt(user.name, min(seen, newest), received=min(user.received, newest)))
        for session in sender.sessions:
            session.try_send(line)
        if newest <= seen:
            del user.receipt_waiters[sender]
            user.receipt_waiters = user.receipt_waiters or None
        return len(sender.sessions)

    def _send_to_watchers(self, user: User, room: Room) -> int:
        if not room.watchers or user not in room.members:
            return 0
        line = encode(receipt(user, room))
        for session in room.watchers:
            session.try_send(line)
        return len(room.watchers)

    def await_delivery(self, recipient: User, sender: User, seq: int) -> None:
        """Have a sender get a receipt when a client of the recipient has received the message with that ``seq``."""
        recipient.delivery_waiters = _with_waiter(recipient.delivery_waiters, sender, seq)

    def _send_deliveries(self, user: User) -> int:
        waiting, user.delivery_waiters = user.delivery_waiters or {}, None
        sent = 0
        for sender, newest in waiting.items():
            seen = min(public_up_to(user, sender.id), newest)
            line = encode(Receipt(user.name, seen, received=min(user.received, newest)))
            for session in sender.sessions:
                session.try_send(line)
            sent += len(sender.sessions)
            if newest > user.received:
                user.delivery_waiters = _with_waiter(user.delivery_waiters, sender, newest)
        return sent

    def await_receipt(self, reader: User, sender: User, seq: int) -> None:
        """Have a sender get a receipt when the reader has read the message with that ``seq``."""
        reader.receipt_waiters = _with_waiter(reader.receipt_waiters, sender, seq)

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


def _with_waiter(waiters: dict[User, int] | None, sender: User, seq: int) -> dict[User, int]:
    waiters = {} if waiters is None else waiters
    waiters[sender] = seq
    if len(waiters) > _MOST_WAITERS:
        del waiters[next(iter(waiters))]
    return waiters
