"""A session's position in its user's feed: live at the head of the log, or reading on from the log at its own pace.

This is the one idea of chatcli (see ``docs/architecture.md``): offline messages, reconnecting and slow readers are all
the same thing, a cursor that has yet to reach the head.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.errors import ChatError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode, encode_all
from chatcli.protocol.frames import Error, Live, Message, Skipped
from chatcli.store.queries import Backlog, BacklogQuery, FeedPage, FeedQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatcli.server.model import Connection, Room, Subscription, User
    from chatcli.server.throttle import Later
    from chatcli.store.interface import Log
    from chatcli.store.records import MessageRow

_PAGE: Final = 500  # messages
_HELD: Final = 256 * 1024  # bytes
_ROOMS_AT_ONCE: Final = 1000  # that feeds are taken out of in one turn of the loop: a third of a millisecond
_PIECES: Final = 256  # each takes about a hundred bytes beside what it holds, which others may hold, too


class Mode(enum.Enum):
    """How a feed gets its messages."""

    LIVE = "live"  # pushed as they are committed
    READING = "reading"  # a page of the log was asked for, and what comes is held
    LAGGING = "lagging"  # behind, and waiting for the socket to take what it was given; what comes may be held


# Looked up in their class they take as long as a call, and every delivery asks for them.
_LIVE: Final = Mode.LIVE
_LAGGING: Final = Mode.LAGGING


class FeedSource(NamedTuple):
    """Where feeds read; one for all of them.

    Attributes:
        log: the log.
        to_frame: returns the frame of a message from the log.
        room_name: returns the name of the room with that id.
    """

    log: Log
    to_frame: Callable[[MessageRow], Message]
    room_name: Callable[[int], str]


class Feed:
    """Gives one session every message of its user behind ``position``, in order, each once.

    What is committed while a page is being read is held, so that the feed can go live as soon as the page has come.
    So is what comes once the socket of a live feed is full: after a burst that was more than sockets take at once, not
    everyone whom it concerns has to read it from the log, each for themselves. If it becomes too much it is let go, to
    be read from the log in its turn.

    Args:
        connection: gets the messages.
        user: whose feed it is.
        source: where it reads.
        position: the ``seq`` behind which to begin.
        unread_only: until it is live for the first time, leave out what the user said to others.
        newest: until then, leave out of each room what was missed but for so many messages; None for nothing.

    Attributes:
        listening: whether it is among the feeds of its user's rooms. One that has fallen behind, and cannot read on for
            now, is not: what is said in a room costs nothing for those who take nothing.
    """

    __slots__ = (
        "_ended", "_floors", "_held", "_held_bytes", "_newest", "_source", "_unread_only", "connection", "listening",
        "mode", "position", "user",
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
    ) -> None:
        self.connection = connection
        self.user = user
        self.position = position
        self.mode = Mode.LAGGING
        self._source = source
        self._unread_only = unread_only
        self._newest = newest
        self._floors: dict[int, int] = {}
        self._held: list[tuple[int, bytes]] | None = None
        self._held_bytes = 0
        self._ended = False
        self.listening = False

    def push(self, seq: int, lines: bytes) -> bool:
        """Take messages that were just committed; return whether they are on their way to the client, who keeps up.

        Args:
            seq: of the last of them; between them there is no other of this feed, nor the end of a batch.
            lines: as the client is to get them.
        """
        if self.mode is _LIVE:
            if self.connection.try_send(lines):
                self.position = seq
                return True
            self._fall_behind()
        return self._hold(seq, lines) and self.mode is not _LAGGING

    def _fall_behind(self) -> None:
        """Stop being live, and hold what comes."""
        self.mode = _LAGGING
        self._held, self._held_bytes = [], 0

    @property
    def live(self) -> bool:
        """Whether messages are passed on as they are committed."""
        return self.mode is _LIVE

    def skip_own(self, seq: int) -> None:
        """Note a message that this session sent itself: it need not be told."""
        if self.mode is _LIVE:
            self.position = seq

    def _hold(self, seq: int, lines: bytes) -> bool:
        if self._held is None:
            return False
        self._held_bytes += len(lines)
        if self._held_bytes > _HELD or len(self._held) >= _PIECES:
            self._held = None
            self.connection.wake()  # not now: whoever hands this over may be going through the feeds of a room
            return False
        self._held.append((seq, lines))
        return True

    def resume(self) -> None:
        """Read on, if the feed is behind and nothing is being read; the session calls it whenever it can take more."""
        if self.mode is not _LAGGING:
            return
        if self._held is not None:
            self._hand_over(self._held)
            return
        if not self.listening:
            self._subscribe()
        upto = self._source.log.head
        if self.position >= upto:
            self._go_live()
            return
        self.mode = Mode.READING
        if self._newest is not None:
            backlog = BacklogQuery(
                user=self.user.id, after=self.position, upto=upto, newest=self._newest, unread_only=self._unread_only
            )
            self._newest = None
            self._source.log.read(backlog, self._backlog_read)
            return
        self._held, self._held_bytes = [], 0
        query = FeedQuery(
            user=self.user.id,
            after=self.position,
            upto=upto,
            limit=_PAGE,
            unread_only=self._unread_only,
            floors=self._floors,
        )
        self._source.log.read(query, lambda page, error: self._page_read(upto, page, error))

    def _backlog_read(self, backlog: list[Backlog] | None, error: ChatError | None) -> None:
        """Say what is left out, and go on with the rest."""
        if self._ended or self.connection.closed:
            return
        if backlog is None:
            self._give_up(error)
            return
        for one in backlog:
            self._floors[one.room] = one.floor
            self.connection.send(encode(Skipped(self._source.room_name(one.room), one.count, one.floor + 1)))
        self.mode = Mode.LAGGING
        self.connection.wake()

    def _give_up(self, error: ChatError | None) -> None:
        self.connection.close(codes.STORAGE, f"The server cannot read its log: {error}. Try again later.")

    def _hand_over(self, held: list[tuple[int, bytes]]) -> None:
        """Go live with what was held, as far as the socket takes it."""
        self.mode, self._held = _LIVE, None
        for seq, lines in held:
            if seq > self.position:
                self.push(seq, lines)

    def pause(self) -> None:
        """Stop being live: the socket is full."""
        if self.mode is _LIVE:
            self._fall_behind()
        elif self.mode is _LAGGING and self._held is None:
            self.stop_listening()

    def _subscribe(self) -> None:
        self.listening = True
        for room in self.user.rooms:
            room.feeds[self] = None

    def stop_listening(self) -> None:
        """Be told no more of what is said in rooms."""
        self.listening = False
        for room in self.user.rooms:
            room.feeds.pop(self, None)

    def end(self) -> bool:
        """Take nothing more; return whether the rooms of its user have yet to let go of it."""
        self._ended, listened, self.listening = True, self.listening, False
        self.mode, self._held = Mode.READING, None  # what is pushed goes nowhere, and no page is asked for
        return listened

    def _page_read(self, upto: int, page: FeedPage | None, error: ChatError | None) -> None:
        if self._ended or self.connection.closed:
            return
        if page is None:
            self._give_up(error)
            return
        if page.rows:
            self.connection.send(encode_all([self._source.to_frame(row) for row in page.rows]))
        if page.damaged:
            text = f"The server's log is damaged: {page.damaged} of your messages cannot be read. Tell its operator."
            self.connection.send(encode(Error(codes.STORAGE, text)))
        self.mode = Mode.LAGGING
        self.position = max(self.position, page.upto)
        if page.upto < upto:
            self._held = None
            if self.connection.full:
                self.stop_listening()
            self.connection.wake()
            return
        self._catch_up_with_held()

    def _catch_up_with_held(self) -> None:
        """Go live if everything that came meanwhile was held. No await between the page and this."""
        held, self._held = self._held, None
        if held is None:
            if self.connection.full:
                self.stop_listening()
            self.connection.wake()
            return
        self._go_live()
        self._hand_over(held)
        if self.mode is _LAGGING:
            self.connection.wake()

    def _go_live(self) -> None:
        self.mode = Mode.LIVE
        self._unread_only = False
        self._floors = {}
        self.connection.send(encode(Live(self.position)))


class EndedFeeds:
    """Takes feeds that have ended out of rooms, some in each turn of the loop.

    A thousand connections of somebody in hundreds of rooms may be gone at once, and nobody is to wait for that.

    Args:
        later: runs a callable after so many seconds.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._waiting: deque[tuple[Subscription, tuple[Room, ...]]] = deque()

    def add(self, feed: Subscription, rooms: tuple[Room, ...]) -> None:
        """Have rooms let go of a feed."""
        self._waiting.append((feed, rooms))
        if len(self._waiting) == 1:
            self._later(0.0, self._go_on)

    def _go_on(self) -> None:
        left = _ROOMS_AT_ONCE
        while self._waiting and left > 0:
            feed, rooms = self._waiting.popleft()
            for room in rooms:
                room.feeds.pop(feed, None)
            left -= len(rooms) + 1
        if self._waiting:
            self._later(0.0, self._go_on)
