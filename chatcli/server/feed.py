"""A session's position in its user's feed: live at the head of the log, or reading on from the log at its own pace.

This is the one idea of chatcli (see ``docs/architecture.md``): offline messages, reconnecting and slow readers are all
the same thing, a cursor that has yet to reach the head.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from chatcli.errors import StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Message
from chatcli.protocol.ids import id_text
from chatcli.store.log import FeedPage, FeedQuery, FeedRow

if TYPE_CHECKING:
    from chatcli.server.directory import Directory, User
    from chatcli.server.session import Session
    from chatcli.store.log import Log

_PAGE: Final = 500  # messages
_HELD: Final = 256 * 1024  # bytes


class Mode(enum.Enum):
    """How a feed gets its messages."""

    LIVE = "live"  # pushed as they are committed
    READING = "reading"  # a page of the log was asked for
    LAGGING = "lagging"  # behind, and waiting for the socket to take what it was given


class Feed:
    """Gives one session every message of its user behind ``position``, in order, each once.

    What is committed while a page is being read is held, so that the feed can go live as soon as the page has come; if
    that becomes too much it is let go, and read from the log in its turn.

    Args:
        session: gets the messages.
        user: whose feed it is.
        position: the ``seq`` behind which to begin.
        unread_only: until it is live for the first time, leave out what the user said to others.
    """

    __slots__ = ("_directory", "_held", "_held_bytes", "_log", "_unread_only", "mode", "position", "session", "user")

    def __init__(
        self, session: Session, user: User, log: Log, directory: Directory, position: int, *, unread_only: bool
    ) -> None:
        self.session = session
        self.user = user
        self.position = position
        self.mode = Mode.LAGGING
        self._log = log
        self._directory = directory
        self._unread_only = unread_only
        self._held: list[tuple[int, bytes]] | None = None
        self._held_bytes = 0

    def push(self, seq: int, line: bytes) -> bool:
        """Take a message that was just committed; return whether it is on its way to the client, who keeps up."""
        if self.mode is Mode.LIVE:
            if self.session.take(line):
                self.position = seq
                return True
            self.mode = Mode.LAGGING
        return self._hold(seq, line)

    def passed(self, seq: int) -> None:
        """Note a message that this session sent itself: it need not be told."""
        if self.mode is Mode.LIVE:
            self.position = seq

    def _hold(self, seq: int, line: bytes) -> bool:
        if self._held is None:
            return False
        self._held_bytes += len(line)
        if self._held_bytes > _HELD:
            self._held = None
            return False
        self._held.append((seq, line))
        return True

    def go_on(self) -> None:
        """Read on, if the feed is behind and nothing is being read; the session calls it whenever it can take more."""
        if self.mode is not Mode.LAGGING:
            return
        upto = self._log.head
        if self.position >= upto:
            self._go_live()
            return
        self.mode = Mode.READING
        self._held, self._held_bytes = [], 0
        query = FeedQuery(self.user.id, self.position, upto, _PAGE, self._unread_only)
        self._log.read_feed(query, lambda page, error: self._page_read(upto, page, error))

    def stalled(self) -> None:
        """Stop being live: the socket is full."""
        if self.mode is Mode.LIVE:
            self.mode = Mode.LAGGING

    def _page_read(self, upto: int, page: FeedPage | None, error: StoreError | None) -> None:
        if self.session.closed:
            return
        if page is None:
            self.session.close(codes.STORAGE, f"The server cannot read its log: {error}. Try again later.")
            return
        for row in page.rows:
            self.session.put(self._line(row))
        self.mode = Mode.LAGGING
        if not page.complete:
            self._held = None
            self.position = page.rows[-1].seq
            self.session.wake()
            return
        self.position = max(self.position, upto)
        self._catch_up_with_held()

    def _catch_up_with_held(self) -> None:
        """Go live if everything that came meanwhile was held. No await between the page and this."""
        held, self._held = self._held, None
        if held is None:
            self.session.wake()
            return
        self._go_live()
        for seq, line in held:
            if seq > self.position:
                self.push(seq, line)
        if self.mode is Mode.LAGGING:
            self.session.wake()

    def _go_live(self) -> None:
        self.mode = Mode.LIVE
        self._unread_only = False
        self.session.caught_up(self.position)

    def _line(self, row: FeedRow) -> bytes:
        sender, recipient = self._directory.name_of(row.sender), self._directory.name_of(row.recipient)
        return encode(Message(row.seq, id_text(row.id), sender, recipient, row.text, row.at))
