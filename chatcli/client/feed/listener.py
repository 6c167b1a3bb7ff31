"""A listener with a memory: delivers each message once, and knows after a crash which were handled."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from chatcli.client import diagnostics
from chatcli.client.feed.anchors import Anchor, Place
from chatcli.client.feed.cursor import Cursor, CursorInUse, Position, adopt
from chatcli.client.feed.delivered import DeliveredIds
from chatcli.client.feed.filter import MessageFilter
from chatcli.client.feed.seek import seq_at
from chatcli.client.feed.stream import Stream
from chatcli.client.identity.credentials import Login
from chatcli.client.storage import files
from chatcli.errors import InputError
from chatcli.protocol.epochs import Relation, relation
from chatcli.protocol.frames import Message, NameChange
from chatcli.protocol.values.names import is_room

_DIRECTORY: Final = "cursors"


class Timestamp(NamedTuple):
    """A time to start from, in milliseconds since 1970-01-01 UTC."""

    at: int


#: The place to start: after a message, at a time, at the end of the log, or (None) where the listener stopped.
Since = int | Timestamp | Literal["now"] | None


class Delivery(NamedTuple):
    """A message to be handled; ``replayed`` if it may have been delivered before."""

    message: Message
    replayed: bool

    @property
    def seq(self) -> int:
        """Its place in the log."""
        return self.message.seq


class ChangeDelivery(NamedTuple):
    """A change of a name to be handled; ``replayed`` if it may have been delivered before."""

    change: NameChange
    replayed: bool

    @property
    def seq(self) -> int:
        """Its place in the log."""
        return self.change.seq


Item = Delivery | ChangeDelivery


def open_cursor(
    login: Login, name: str | None, filter_key: tuple[str, ...] = (), *, required: bool = False
) -> Cursor | None:
    """Open the file in which a listener stores its position.

    Without a name it belongs to the user's own position, which the server stores: the file then has what has not
    reached the server's disk, and what the listener has handled after messages that were not for it.

    Args:
        login: the server and the user.
        name: the listener's name.
        filter_key: the key of the listener's filter.
        required: whether it is an error if another process uses the file of the user's own position.

    Returns:
        The cursor; None if another process uses it.

    Raises:
        CursorInUse: another process uses it.
        InputError: it cannot be used.
    """
    directory = os.path.join(files.state_directory(), _DIRECTORY)
    servers = files.server_names(login.server.name)
    parts = (login.user.casefold(), *(("as", name) if name is not None else ("own", *filter_key)))
    adopt(directory, servers, parts)
    if name is not None:
        return Cursor(directory, (servers[0], *parts), f'the cursor "{name}" of {login.user}')
    try:
        return Cursor(directory, (servers[0], *parts), f"{login.user}'s own position for the same messages")
    except CursorInUse:
        if required:
            raise
        return None


class Listener:
    """A stream of messages to be handled one by one, or some at a time.

    Messages from the user to others are left out.

    Args:
        login: the server and the user.
        stream: receives the messages.
        cursor: the file of the position; None to store it on the server alone.
        own: whether it is the user's own position, which the server stores.
        message_filter: the messages for this listener; by default all.
        mark_read: whether the user has read what was handled, and the conversation up to there.
    """

    def __init__(
        self,
        login: Login,
        stream: Stream,
        cursor: Cursor | None,
        *,
        own: bool,
        message_filter: MessageFilter | None = None,
        mark_read: bool = False,
    ) -> None:
        self._login = login
        self._stream = stream
        self._cursor = cursor
        self._own = own
        self._filter = message_filter or MessageFilter((), (), (), mentions=False)
        self._position = (cursor.position if cursor is not None else None) or Position(seq=0)
        self._mark_read = mark_read
        self._unread: deque[Message] = deque()  # delivered, to be marked as read once they are handled
        self._first_unreceived = 0  # no message from here on is acknowledged: no client got it; 0 for no limit
        self._ids = DeliveredIds() if cursor is None else cursor.ids
        self._undelivered: deque[Message] = deque()  # of those that came last
        self._received: dict[int, Message | NameChange] = {}  # the last ones, by seq, those for others included

    @property
    def stream(self) -> Stream:
        """The stream of the messages."""
        return self._stream

    async def start(self, since: Since = None) -> None:
        """Connect, and find the place to start.

        Raises:
            ChatError: as :meth:`Stream.open` raises it.
            InputError: the position cannot be written, or the stored one cannot be read.
        """
        stream, position = self._stream, self._position
        is_known = self._cursor is not None and self._cursor.position is not None
        stored = None
        if since is None:
            self._check_cursor()
            if is_known:
                stored = Place(position.seq, position.delivered, position.anchor, position.others, position.epoch)
        if stored is not None and not self._own:
            await stream.open(stored)
            self._store_start(stream.pop_moved())
            return
        await stream.open()
        received = stream.acknowledged
        if stored is None:
            place = await self._place(since, received)
        else:
            is_same = not stored.epoch or relation(stored.epoch, stream.epoch) is Relation.SAME
            if stored.seq > received or not is_same:
                await stream.open(stored)
            place = max(self._reached, received)
        if place != self._reached:
            await stream.open(Place(place, position.delivered, epoch=stream.epoch))
        moved = stream.pop_moved()
        if self._own and moved is None:
            self._limit_acknowledgements(received, place)
        self._store_start(moved)

    @property
    def _reached(self) -> int:
        """The newest message that the stream has received."""
        return self._stream.place.seq if self._stream.place is not None else 0

    def _check_cursor(self) -> None:
        """Raise, or report, that the position is lost: messages would be skipped, or come again."""
        if self._cursor is None or not self._cursor.damaged:
            return
        path = self._cursor.path
        if not self._own:
            raise InputError(
                f"{path} is damaged, and the position of this listener is lost: say where to start, as in "
                '"--since 2h", or remove that file to start after what your clients have received.'
            )
        diagnostics.trouble(f"{path} is damaged: the last messages may come again, without being marked as replayed.")

    async def _place(self, since: Since, received: int) -> int:
        match since:
            case "now":
                return self._stream.head
            case Timestamp(at):
                return await seq_at(self._login.without_prompt(), at, self._stream.head)
            case int():
                return min(since, self._stream.head)
            case _:
                return received

    def _limit_acknowledgements(self, received: int, place: int) -> None:
        """Acknowledge no message that the user has not received: one skipped before, or by starting later."""
        skipped = place if place != self._position.seq else 0
        self._position = replace(self._position, skipped=max(self._position.skipped, skipped))
        self._first_unreceived = received + 1 if self._position.skipped > received else 0

    def _store_start(self, moved: Place | None) -> None:
        if moved is not None:
            self._move(moved)
        self._store_reached()
        self.flush()

    def _move(self, place: Place) -> None:
        """Start again in another log; messages that may have been delivered there are marked."""
        self._first_unreceived = 0
        self._unread.clear()
        self._store(
            Position(
                seq=place.seq, delivered=place.delivered, anchor=place.anchor, others=place.others, epoch=place.epoch
            )
        )

    def _store_reached(self) -> None:
        """Store that all messages which the stream has received were handled."""
        place = self._stream.place
        if place is not None:
            self._store(
                replace(self._position, seq=place.seq, anchor=place.anchor, others=place.others, epoch=place.epoch)
            )

    async def receive(self) -> list[Item]:
        """Return the next messages and changes of names, at least one; all that came before have been handled.

        Raises:
            Refused: the server refuses the user from now on.
            ServerNotTrusted: another server answers now than the one that was trusted.
            InputError: the position cannot be written.
        """
        self._store_reached()
        while True:
            self.flush()
            items = await self._stream.receive()
            if (moved := self._stream.pop_moved()) is not None:
                self._move(moved)
            self._received = {item.seq: item for item in items}
            delivered = self._position.delivered
            # A message that was sent again after a restore has another number, but its id.
            deliveries: list[Item] = [
                Delivery(item, item.seq <= delivered or item.id in self._ids)
                if isinstance(item, Message)
                else ChangeDelivery(item, item.seq <= delivered)
                for item in self._for_us(items)
            ]
            messages = [one.message for one in deliveries if isinstance(one, Delivery)]
            self._undelivered = deque(messages)
            if self._mark_read:
                self._unread.extend(messages)
            if deliveries:
                return deliveries
            self._store_reached()

    def _for_us(self, items: list[Message | NameChange]) -> list[Message | NameChange]:
        user = self._stream.user
        accepted, skipped = [], []
        for item in items:
            if isinstance(item, NameChange):
                is_accepted = self._filter.accepts_change(item.user)
            else:
                is_accepted = self._filter.accepts(item, user)
                if item.sender == user and item.to != user:
                    continue
            if is_accepted:
                accepted.append(item)
            else:
                skipped.append(item.seq)
        if self._own:
            self._record_skipped(skipped)
        return accepted

    def _record_skipped(self, skipped: list[int]) -> None:
        """Hold back acknowledgements from the first skipped message on, until another client has received it."""
        if self._first_unreceived and self._stream.acknowledged >= self._position.skipped:
            self._first_unreceived = 0
        if skipped:
            self._first_unreceived = self._first_unreceived or skipped[0]
            self._position = replace(self._position, skipped=skipped[-1])

    def record_delivery(self, seq: int) -> None:
        """Record that messages up to this one are about to be delivered: they are marked if they come again.

        Raises:
            InputError: the position cannot be written.
        """
        identities = []
        while self._undelivered and self._undelivered[0].seq <= seq:
            identities.append(self._undelivered.popleft().id)
        if self._cursor is not None:
            self._cursor.add_ids(identities)
        else:
            self._ids.add(identities)
        if seq > self._position.delivered:
            self._store(replace(self._position, delivered=seq))

    def acknowledge(self, seq: int) -> None:
        """Record that all messages up to this one were handled.

        Raises:
            InputError: the position cannot be written.
        """
        received = self._received[seq]
        anchor = Anchor.of(received) if isinstance(received, Message) else self._newest_anchor(seq)
        delivered = max(seq, self._position.delivered)
        self._store(replace(self._position, seq=seq, delivered=delivered, anchor=anchor))
        if self._own:
            self._stream.acknowledge(min(seq, self._first_unreceived - 1) if self._first_unreceived else seq)
        while self._unread and self._unread[0].seq <= seq:
            self._read(self._unread.popleft())

    def _newest_anchor(self, seq: int) -> Anchor | None:
        """Return the anchor of the newest message that was received before a place."""
        before = (item for item in self._received.values() if isinstance(item, Message) and item.seq < seq)
        newest = max(before, key=lambda message: message.seq, default=None)
        return self._position.anchor if newest is None else Anchor.of(newest)

    def _read(self, message: Message) -> None:
        of = message.to if is_room(message.to) else message.sender
        if self._filter.covers(of):
            self._stream.mark_read(of, message.seq)

    def flush(self) -> None:
        """Flush the position to the disk, to survive a power cut.

        Raises:
            InputError: the position cannot be written.
        """
        if self._cursor is not None:
            self._cursor.flush()

    async def close(self) -> None:
        """Say goodbye to the server, and release the cursor."""
        try:
            await self._stream.close()
        finally:
            if self._cursor is not None:
                self._cursor.close()

    def _store(self, position: Position) -> None:
        self._position = position
        if self._cursor is not None:
            self._cursor.write(position)
