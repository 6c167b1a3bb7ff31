"""Has others learn of positions that have moved: the user's devices, senders, and those who watch a room.

Whoever has moved a position announces it, see :mod:`chatcli.server.state.read_positions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Read, Receipt
from chatcli.server.model import User
from chatcli.server.state import read_positions
from chatcli.server.state.read_positions import public_up_to
from chatcli.store.queries import HistoryQuery, PlacesQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatcli.errors import ChatError
    from chatcli.server.model import Connection, Room
    from chatcli.server.state.read_positions import Positions
    from chatcli.server.throttle import Throttle
    from chatcli.store.interface import Log
    from chatcli.store.queries import OnResult, Page

_MOST_WATCHED: Final = 100  # rooms, by one connection
_MOST_WATCHERS: Final = 100  # connections, of one room: each gets a receipt whenever one of its members reads
_MOST_WAITERS: Final = 1000  # senders who wait for the receipts of one user


def positions_in(user: User, room: Room) -> tuple[int, int]:
    """Return a member's public read position in a room, and that of receiving; both may be places of others."""
    seen = min(public_up_to(user, room.id), room.newest)
    return seen, max(seen, min(user.received, room.newest))  # what was read in the history has come, too


def read_places(
    log: Log, user: User, room: Room, positions: Iterable[int], on_result: OnResult[dict[int, int]]
) -> None:
    """Read the places of the messages of a room at or before positions in it: anything else is private."""
    newest = room.newest
    wanted = sorted({position for position in positions if position < newest})

    def found(places: dict[int, int] | None, error: ChatError | None) -> None:
        on_result(None if places is None else {**places, newest: newest}, error)

    if wanted:
        log.read(PlacesQuery(user=user.id, room=room.id, positions=wanted), found)
    else:
        found({}, None)


def receipt(user: User, room: Room, seen: int, received: int) -> Receipt:
    """Return a member's receipt for the messages of a room since they entered it, given the places of two of them."""
    since = room.members[user]
    return Receipt(
        user.name, seen if seen > since else 0, room.name, since, received=received if received > since else 0
    )


class Receipts:
    """Sends receipts, and positions to the devices of their users.

    A receipt never reveals more than the position within one's own messages, or within a room that one may read.

    Args:
        log: knows the places of messages.
        throttle: limits how often others get receipts of the same user.
    """

    def __init__(self, log: Log, throttle: Throttle) -> None:
        self._log = log
        self._throttle = throttle
        self._last_sent: dict[User, int] = {}  # the general positions that others know of, where these have moved since
        self._watched: dict[Connection, dict[Room, None]] = {}

    # Received

    def announce_received(self, user: User) -> int:
        """Send receipts of what a client of the user has received; return the number of connections that get one."""
        return 0 if user.delivery_waiters is None else self._send_deliveries(user, user.delivery_waiters)

    def await_delivery(self, recipient: User, sender: User, oldest: int, newest: int) -> None:
        """Have a sender get receipts when a client of the recipient has received messages, given as those to read."""
        waiters = recipient.delivery_waiters = recipient.delivery_waiters or {}
        waiters[sender] = waiters.get(sender, (oldest, newest))[0], newest
        _trim(waiters)

    def _send_deliveries(self, user: User, waiters: dict[User, tuple[int, int]]) -> int:
        """Send receipts of messages that have come; only of these, not of how far others' messages have come."""
        sent = 0
        for sender, (oldest, newest) in tuple(waiters.items()):
            if oldest > user.received:
                continue
            complete = newest <= user.received
            if complete:
                del waiters[sender]
            else:
                waiters[sender] = newest, newest
            sent += self._send_delivery(user, sender, newest if complete else oldest)
        user.delivery_waiters = waiters or None
        return sent

    def _send_delivery(self, user: User, sender: User, received: int) -> int:
        sessions = [session for session in _readers(sender, user) if session.revision >= 1]
        if sessions:
            seen = min(public_up_to(user, sender.id), received)
            line = encode(Receipt(user.name, seen, received=received))
            for session in sessions:
                session.try_send(line)
        return len(sessions)

    # Read

    def announce_read(self, user: User, of: User | Room, before: Positions, by: Connection | None = None) -> int:
        """Have others learn how far the user has read one conversation now.

        Args:
            user: the user.
            of: the conversation: the other user, or the room.
            before: the positions that the user's devices and others know of.
            by: the device that knows already, if it is connected here.

        Returns:
            The number of connections that learn of it at once.
        """
        told, now = 0, read_positions.positions(user, of.id)
        if now.read != before.read:
            told += _notify_devices(user, Read(now.read, of.name, back=now.read < before.read), by)
        if now.general != before.general:
            told += _notify_devices(user, Read(now.general), by)
        if now.public != before.public:
            told += self._announce(user, of, before.public)
        return told

    def announce_all_read(self, user: User, before: int, seq: int | None, by: Connection | None = None) -> int:
        """Have others learn that the user has read all conversations up to a ``seq``.

        Args:
            user: the user.
            before: the general position that others know of.
            seq: the ``seq``; None if the user had read all of that before, and only others are to learn of it now.
            by: the device that knows already, if it is connected here.

        Returns:
            The number of connections that learn of it at once.
        """
        told = 0 if seq is None else _notify_devices(user, Read(seq), by)
        if user.public_read != before:
            self._last_sent.setdefault(user, before)
            told += self._throttle.submit(user, user.public_read, lambda: self._send_all(user))
        return told

    def _announce(self, user: User, of: User | Room, before: int) -> int:
        """Send receipts of one conversation, now or when it is time, if others learn something from them."""
        if isinstance(of, User):
            if user.receipt_waiters is None or of not in user.receipt_waiters:
                return 0
        elif not of.watchers or before >= of.newest:
            return 0
        return self._throttle.submit((user, of), public_up_to(user, of.id), lambda: self._send_of(user, of))

    def _send_of(self, user: User, of: User | Room) -> int:
        return self._send_to_sender(user, of) if isinstance(of, User) else self._send_to_watchers(user, of)

    def _send_all(self, user: User) -> int:
        before = self._last_sent.pop(user, user.public_read)
        sent = sum(self._send_to_sender(user, sender) for sender in tuple(user.receipt_waiters or ()))
        return sent + sum(self._send_to_watchers(user, room, before) for room in user.rooms if before < room.newest)

    def _send_to_sender(self, user: User, sender: User) -> int:
        waiters = user.receipt_waiters
        if waiters is None or sender not in waiters:
            return 0
        (oldest, newest), seen = waiters[sender], public_up_to(user, sender.id)
        if seen < oldest:  # all that is new was written by others
            return 0
        if newest <= seen:
            del waiters[sender]
            user.receipt_waiters = waiters or None
            self._send_seen(user, sender, newest, newest)
        else:
            self._send_some_seen(user, sender, seen)
        return len(sender.sessions)

    def _send_some_seen(self, user: User, sender: User, seen: int) -> None:
        """Send the place of the newest message of these two that was seen, which only the log knows.

        The position itself may be a place of somebody else's message, which is private.
        """

        def found(page: Page | None, _error: ChatError | None) -> None:
            waiters = user.receipt_waiters
            if page is None or waiters is None or sender not in waiters:
                return
            oldest, newest = waiters[sender]
            waiters[sender] = max(oldest, seen + 1), newest
            if page.rows and page.rows[-1].seq >= oldest:
                self._send_seen(user, sender, page.rows[-1].seq, newest)

        self._log.read(HistoryQuery(user=user.id, of=sender.id, limit=1, before=seen + 1), found)

    def _send_seen(self, user: User, sender: User, seq: int, newest: int) -> None:
        sessions = _readers(sender, user)
        if sessions:
            line = encode(Receipt(user.name, seq, received=newest if newest <= user.received else seq))
            for session in sessions:
                session.try_send(line)

    def _send_to_watchers(self, user: User, room: Room, before: int = -1) -> int:
        """Send a receipt, unless the position was moved from ``before`` by reading something else."""
        if not room.watchers or user not in room.members:
            return 0
        positions = positions_in(user, room)

        def found(places: dict[int, int] | None, _error: ChatError | None) -> None:
            if places is None or user not in room.members:
                return
            seen, received = (places[position] for position in positions)
            if seen > before:
                line = encode(receipt(user, room, seen, received))
                for session in room.watchers:
                    session.try_send(line)

        read_places(self._log, user, room, positions, found)
        return len(room.watchers)

    def await_receipt(self, reader: User, sender: User, oldest: int, newest: int) -> None:
        """Have a sender get receipts when the reader has read messages, given by the first and last ``seq``."""
        waiters = reader.receipt_waiters = reader.receipt_waiters or {}
        waiters[sender] = waiters.get(sender, (oldest, newest))[0], newest
        _trim(waiters)

    def restore_waits(self, reader: User, sender: User, newest: int) -> None:
        """Have a sender get receipts for the messages up to ``newest``, which are from before the server's start."""
        if newest > public_up_to(reader, sender.id):
            self.await_receipt(reader, sender, public_up_to(reader, sender.id) + 1, newest)
        if newest > reader.received:
            self.await_delivery(reader, sender, newest, newest)

    def watch(self, session: Connection, room: Room) -> None:
        """Have a connection get the receipts of a room's members from now on.

        Raises:
            Refused: it watches too many rooms, or too many connections watch the room.
        """
        if session in room.watchers:
            return
        if len(self._watched.get(session, ())) >= _MOST_WATCHED:
            raise Refused(codes.TOO_MANY, f"One connection can watch {_MOST_WATCHED} rooms, and no more.")
        if len(room.watchers) >= _MOST_WATCHERS:
            text = f"{_MOST_WATCHERS} connections watch {room.name}, and no more can: ask without watching."
            raise Refused(codes.TOO_MANY, text)
        self._watched.setdefault(session, {})[room] = None
        room.watchers.add(session)

    def forget(self, session: Connection) -> None:
        """Forget a connection that has ended."""
        for room in self._watched.pop(session, ()):
            room.watchers.discard(session)


def _notify_devices(user: User, frame: Read, by: Connection | None) -> int:
    """Send a position to the user's other devices; return their number."""
    others = [feed.connection for feed in user.feeds if feed.connection is not by]
    if others:
        line = encode(frame)
        for other in others:
            if not frame.of or other.revision >= 1:  # one that knows no conversations would count all as read
                other.send_droppable(line)
    return len(others)


def _readers(user: User, other: User) -> list[Connection]:
    """Return the connections of a user that may know what another one has read of their messages."""
    return [one for one in user.sessions if one.token is None or one.token.reads(other.id)]


def _trim(waiters: dict[User, tuple[int, int]]) -> None:
    if len(waiters) > _MOST_WAITERS:
        del waiters[next(iter(waiters))]
