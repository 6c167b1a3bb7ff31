"""A connection's position in its user's feed: live at the head of the log, or reading on from the log at its own pace.

This is the one idea of chatcli (see ``docs/architecture.md``). Offline messages, reconnecting and slow readers are the
same thing: a position that has yet to reach the head.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.errors import ChatError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Live, Message, NameChange, Skipped
from chatcli.store.queries import Backlog, BacklogQuery, FeedPage, FeedQuery, NameChangesQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatcli.server.model import Connection, Room, Subscription, User
    from chatcli.server.throttle import Later
    from chatcli.store.interface import Log
    from chatcli.store.records import MessageRow, NameChangeRecord

_PAGE: Final = 500  # messages
_MOST_HELD: Final = 256 * 1024  # bytes
_MOST_PIECES: Final = 256  # each is about a hundred bytes beside its content, which other feeds may hold, too
_ROOMS_PER_TICK: Final = 1000  # from which feeds are removed: a third of a millisecond
_NO_FLOORS: Final[Mapping[int, int]] = MappingProxyType({})


class Mode(enum.Enum):
    """How a feed gets its messages."""

    LIVE = "live"  # pushed as they are committed
    READING = "reading"  # from a page of the log that is being read; what is committed meanwhile is held
    LAGGING = "lagging"  # not now: the socket has to take what it was given; what is committed may be held
    ENDED = "ended"  # no more


# Looked up in their class they cost as much as a call, and every delivery needs them.
_LIVE: Final = Mode.LIVE
_LAGGING: Final = Mode.LAGGING


class FeedSource(NamedTuple):
    """The sources that all feeds read from.

    Attributes:
        log: the log.
        to_frame: returns the frame of a message from the log.
        change_frame: returns the frame of a change of a name from the log.
        room_name: returns the name of the room with that id.
    """

    log: Log
    to_frame: Callable[[MessageRow], Message]
    change_frame: Callable[[NameChangeRecord], NameChange]
    room_name: Callable[[int], str]


class _Held:
    """Messages that were committed while the client could not get them."""

    __slots__ = ("pieces", "size")

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []  # the seq of the last message, and the lines
        self.size = 0  # bytes

    def add(self, seq: int, lines: bytes) -> bool:
        """Hold some more; return False, and hold nothing, if that is too much."""
        self.size += len(lines)
        if self.size > _MOST_HELD or len(self.pieces) >= _MOST_PIECES:
            return False
        self.pieces.append((seq, lines))
        return True


class _CatchUp:
    """The messages that a feed leaves out until it is live for the first time.

    Attributes:
        unread_only: whether it leaves out what the user has sent to others.
        newest: the number of messages of each room that it keeps; None for all, and once the log was asked.
        floors: by room id, the ``seq`` up to which the room's messages are left out.
        changes: the ``seq`` after which it has changes of names, if that is before its start; None once they were read.
    """

    __slots__ = ("changes", "floors", "newest", "unread_only")

    def __init__(self, newest: int | None, changes: int | None, *, unread_only: bool) -> None:
        self.unread_only = unread_only
        self.newest = newest
        self.changes = changes
        self.floors = _NO_FLOORS


class Feed:
    """Gives one connection every message of its user after ``position``, in order, each once.

    Messages that are committed while a page is being read are held, so that the feed can go live as soon as the page
    has come. While a live feed's socket is full, messages are held, too, so that a short burst does not force every
    reader back to the log. If that becomes too much, it is dropped, and read from the log later.

    Args:
        connection: gets the messages.
        user: whose feed it is.
        source: what it reads from.
        position: the ``seq`` after which it begins.
        unread_only: until it is live for the first time, leave out what the user has sent to others.
        newest: until then, the number of missed messages that are kept of each room; None for all.
        changes: the ``seq`` after which it has changes of names; None for its position.
        places: the conversations that it has, by the ids of the other users and of the rooms; None for all.
        has_changes: whether it has the changes of the names of those it has.

    Attributes:
        listening: whether it is among the feeds of its user's rooms. A feed that has fallen behind and cannot read on
            is not: a message to a room costs nothing for those who take nothing.
    """

    __slots__ = (
        "_catch_up", "_has_changes", "_held", "_output", "_places", "_source", "connection", "listening", "mode",
        "position", "user",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        user: User,
        source: FeedSource,
        *,
        position: int,
        unread_only: bool,
        newest: int | None = None,
        changes: int | None = None,
        places: frozenset[int] | None = None,
        has_changes: bool = True,
    ) -> None:
        self.connection = connection
        self.user = user
        self.position = position
        self.mode = Mode.LAGGING
        self.listening = False
        self._output = connection.output
        self._source = source
        self._catch_up: _CatchUp | None = _CatchUp(newest, changes, unread_only=unread_only)
        self._held: _Held | None = None
        self._places = places
        self._has_changes = has_changes

    @property
    def live(self) -> bool:
        """Whether messages are passed on as they are committed."""
        return self.mode is _LIVE

    def includes(self, identity: int) -> bool:
        """Return whether it has the conversation with the user, or in the room, with that id."""
        return self._places is None or identity in self._places

    def includes_change(self, identity: int) -> bool:
        """Return whether it has the changes of the name of the user with that id."""
        return self._has_changes and self.includes(identity)

    # While messages are committed

    def push(self, seq: int, lines: bytes) -> bool:
        """Pass on messages that were just committed; return whether they are on their way to a live client.

        Args:
            seq: of the last of them; between them there is no other of this feed, nor the end of a batch.
            lines: the encoded messages.
        """
        if self.mode is _LIVE:
            if self._output.try_send(lines):
                self.position = seq
                return True
            self._fall_behind()
        if self._held is None:
            return False
        if not self._held.add(seq, lines):
            self._held = None
            self._output.wake()  # later: the caller may be iterating over the feeds of a room
            return False
        return self.mode is not _LAGGING

    def skip_own(self, seq: int) -> None:
        """Move past a message that this connection has sent itself."""
        if self.mode is _LIVE:
            self.position = seq

    def pause(self) -> None:
        """Stop being live: the socket is full."""
        if self.mode is _LIVE:
            self._fall_behind()
        elif self.mode is _LAGGING and self._held is None:
            self.stop_listening()

    def _fall_behind(self) -> None:
        self.mode = _LAGGING
        self._held = _Held()

    def _subscribe(self) -> None:
        self.listening = True
        for room in self.user.rooms:
            if self.includes(room.id):
                room.feeds[self] = None

    def stop_listening(self) -> None:
        """Get no more messages of rooms."""
        self.listening = False
        for room in self.user.rooms:
            room.feeds.pop(self, None)

    def end(self) -> bool:
        """Pass on nothing more; return whether it has to be removed from the rooms of its user."""
        listened, self.listening = self.listening, False
        self.mode, self._held = Mode.ENDED, None
        return listened

    # Catching up

    def resume(self) -> None:
        """Read on, if the feed is behind and nothing is being read; called whenever the connection can take more."""
        if self.mode is not _LAGGING:
            return
        if self._held is not None:
            self._go_on_live(self._held)
            return
        if not self.listening:
            self._subscribe()
        if self._catch_up is not None and self._catch_up.changes is not None:
            self._read_changes(self._catch_up, self._catch_up.changes)
            return
        upto = self._source.log.head
        if self.position >= upto:
            self._go_live()
            return
        self.mode = Mode.READING
        if self._catch_up is not None and self._catch_up.newest is not None:
            self._read_backlog(self._catch_up, self._catch_up.newest, upto)
        else:
            self._read_page(upto)

    def _read_changes(self, catch_up: _CatchUp, after: int) -> None:
        """Send the changes of names that this client was not told of, up to the position of the feed."""

        def read(changes: list[NameChangeRecord] | None, error: ChatError | None) -> None:
            if self.mode is Mode.ENDED or self._output.closed:
                return
            if changes is None:
                self._give_up(error)
                return
            if changes:
                self._output.send(encode_all([self._source.change_frame(change) for change in changes]))
            self.mode = Mode.LAGGING
            self._output.wake()

        self.mode = Mode.READING
        catch_up.changes = None
        self._source.log.read(NameChangesQuery(user=self.user.id, after=after, upto=self.position), read)

    def _read_backlog(self, catch_up: _CatchUp, newest: int, upto: int) -> None:
        def read(backlog: list[Backlog] | None, error: ChatError | None) -> None:
            if self.mode is Mode.ENDED or self._output.closed:
                return
            if backlog is None:
                self._give_up(error)
                return
            catch_up.floors = {one.room: one.floor for one in backlog}
            for one in filter(lambda one: self.includes(one.room), backlog):
                self._output.send(encode(Skipped(self._source.room_name(one.room), one.count, one.floor + 1)))
            self.mode = Mode.LAGGING
            self._output.wake()

        catch_up.newest = None
        query = BacklogQuery(
            user=self.user.id, after=self.position, upto=upto, newest=newest, unread_only=catch_up.unread_only
        )
        self._source.log.read(query, read)

    def _read_page(self, upto: int) -> None:
        catch_up = self._catch_up
        self._held = _Held()
        query = FeedQuery(
            user=self.user.id,
            after=self.position,
            upto=upto,
            limit=_PAGE,
            unread_only=catch_up is not None and catch_up.unread_only,
            floors=_NO_FLOORS if catch_up is None else catch_up.floors,
            changes=self.connection.revision >= 1 and self._has_changes,
        )
        self._source.log.read(query, lambda page, error: self._page_read(upto, page, error))

    def _page_read(self, upto: int, page: FeedPage | None, error: ChatError | None) -> None:
        if self.mode is Mode.ENDED or self._output.closed:
            return
        if page is None:
            self._give_up(error)
            return
        frames = self._frames(page) if page.rows or page.changes else []
        if frames:
            self._output.send(encode_all(frames))
        if page.damaged:
            text = f"The server's log is damaged: {page.damaged} of your messages cannot be read. Tell its operator."
            self._output.send(encode(Error(codes.STORAGE, text)))
        self.mode = Mode.LAGGING
        self.position = max(self.position, page.upto)
        held, self._held = self._held, None
        if held is None or page.upto < upto:
            if self._output.full:
                self.stop_listening()
            self._output.wake()
            return
        # Everything that was committed meanwhile is held. No await between the page and this.
        self._go_live()
        self._go_on_live(held)
        if not self.live:
            self._output.wake()

    def _frames(self, page: FeedPage) -> list[Message | NameChange]:
        messages = [self._source.to_frame(row) for row in page.rows if self._places is None or self._includes(row)]
        if not page.changes:
            return list(messages)
        changes = [self._source.change_frame(change) for change in page.changes if self.includes_change(change.user)]
        return sorted([*messages, *changes], key=lambda frame: frame.seq)

    def _includes(self, row: MessageRow) -> bool:
        return self.includes(row.recipient if row.recipient < 0 or row.sender == self.user.id else row.sender)

    def _give_up(self, error: ChatError | None) -> None:
        self.connection.close(codes.STORAGE, f"The server cannot read its log: {error}. Try again later.")

    def _go_live(self) -> None:
        self.mode = _LIVE
        self._catch_up = None
        self._output.send(encode(Live(self.position)))

    def _go_on_live(self, held: _Held) -> None:
        """Be live, beginning with what was held, as far as the socket takes it."""
        self.mode, self._held = _LIVE, None
        for seq, lines in held.pieces:
            if seq > self.position:
                self.push(seq, lines)


class EndedFeeds:
    """Removes ended feeds from rooms, some in each tick.

    A thousand connections of one user in hundreds of rooms may be gone at once, and nobody should wait for that.

    Args:
        later: calls a function after a number of seconds.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._waiting: deque[tuple[Subscription, tuple[Room, ...]]] = deque()

    def add(self, feed: Subscription, rooms: tuple[Room, ...]) -> None:
        """Have a feed removed from rooms."""
        self._waiting.append((feed, rooms))
        if len(self._waiting) == 1:
            self._later(0.0, self._remove_some)

    def _remove_some(self) -> None:
        left = _ROOMS_PER_TICK
        while self._waiting and left > 0:
            feed, rooms = self._waiting.popleft()
            for room in rooms:
                room.feeds.pop(feed, None)
            left -= len(rooms) + 1
        if self._waiting:
            self._later(0.0, self._remove_some)
