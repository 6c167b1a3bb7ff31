"""Who is here and what goes where: delivers what the log commits, in log order, and tells the sender only then.

The hub knows no sockets and no event loop. All of it is plain functions, called in one thread: nothing can change
between a check and what it guards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from chatcli.errors import StoreError
from chatcli.protocol import codes
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Error, Message, Send, Sent
from chatcli.server.allowances import Allowances
from chatcli.server.directory import Directory, User
from chatcli.server.feed import Feed, Mode
from chatcli.server.limits import Limits
from chatcli.server.links import Links
from chatcli.server.presence import Later, Presence
from chatcli.server.rulings import Rulings
from chatcli.server.turn import Turn
from chatcli.store.log import Batch, Committed, Entry, Log, Rename, Settled

if TYPE_CHECKING:
    from chatcli.server.admin import Admin
    from chatcli.server.session import Session

logger = logging.getLogger(__name__)


class Origin(NamedTuple):
    """What the hub needs to know of a message when it is committed."""

    session: Session
    id: str
    sender: User
    recipient: User


class Hub:
    """The middle of the server.

    Args:
        open_log: opens the log, given what to tell of each batch.
        limits: what clients may do.
        turn: gathers output and batches.
        later: runs a callable after so many seconds.
        clock: the time in milliseconds since 1970-01-01 UTC.
        seconds: a clock that never goes back.

    Attributes:
        server_key: the fingerprint of the server's key, which the clients' proofs are bound to.
        admin: carries out what operators ask for, once it is there.
    """

    def __init__(
        self,
        open_log: Callable[[Committed], Log],
        limits: Limits,
        turn: Turn,
        later: Later,
        clock: Callable[[], int],
        seconds: Callable[[], float],
    ) -> None:
        self.limits = limits
        self.turn = turn
        self.clock = clock
        self.log = open_log(self._committed)
        self.server_key = ""
        self.admin: Admin | None = None
        self.directory = Directory(self.log.users(), self.log.keys())
        self.rulings = Rulings(self.log, turn, clock)
        self.allowances = Allowances(limits, seconds)
        self.links = Links(seconds)
        self.presence = Presence(later)
        self.sessions: set[Session] = set()
        self.server_key = ""  # its fingerprint; known before the first connection is taken
        turn.begin_with(self.log.commit)

    def tick(self, seconds: float) -> None:
        """Note that so many seconds have passed: see to deadlines, and write how far people have read."""
        self.log.commit(cursors=True)
        for session in tuple(self.sessions):
            try:
                session.tick(seconds)
            except Exception:
                # A fault of ours with one connection: the others have deadlines, too.
                logger.exception("%s could not be looked after.", session)

    def enter(self, session: Session, user: User, since: int | None) -> Feed:
        """Give a session its feed, from ``since`` or from where its user left off; the session sets it going."""
        position = user.cursor if since is None else min(since, self.log.head)
        feed = Feed(session, user, self.log, self.directory, position, unread_only=since is None)
        user.feeds.append(feed)
        return feed

    def leave(self, session: Session) -> None:
        """Forget a session; if it was someone's open ``join``, they are gone from everyone's list at once."""
        user, feed = session.user, session.feed
        if user is None:
            return
        if feed in user.feeds:
            user.feeds.remove(feed)
        if session in user.joined:
            user.joined.remove(session)
            if not user.joined:
                self.presence.went(user)

    def say(self, session: Session, sender: User, recipient: User, frame: Send, raw_id: bytes) -> None:
        """Queue a message for the log."""
        origin = Origin(session, frame.id, sender, recipient)
        self.log.add(Entry(raw_id, sender.id, recipient.id, self.clock(), frame.text, origin))
        self.turn.wake()

    def rename(self, user: User, name: str, settled: Settled) -> None:
        """Give someone a name that nobody can ask for, and the one they had free, once that is on disk.

        Not before: whoever takes the free name could be written first, or without this.
        """
        key = f"\0{user.id}"

        def written(error: StoreError | None) -> None:
            settled(error)  # while they still have the name, so that others hear under it that they have left
            if error is None:
                self.directory.rename(user, name, key)

        self.log.change(Rename(user.id, name, key), written)
        self.turn.wake()

    def read(self, user: User, seq: int) -> None:
        """Note that everything up to ``seq`` was shown to someone."""
        if seq > user.cursor:
            user.cursor = seq
            self.log.move_cursor(user.id, seq)

    def _committed(self, batch: Batch, error: StoreError | None) -> None:
        for change in batch.changes:
            try:
                change.settled(error)
            except Exception:
                # A fault of ours, as below.
                logger.exception("What was changed was not followed up.")
        for entry in batch.entries:
            origin = entry.origin
            assert isinstance(origin, Origin)  # noqa: S101 (the hub put it there)
            try:
                origin.session.settle(entry, self._answer(entry, origin, error))
            except Exception:
                # A fault of ours: the others of the batch are committed, and must not go without.
                logger.exception("Message %d was not handed on.", entry.seq)

    def _answer(self, entry: Entry, origin: Origin, error: StoreError | None) -> bytes:
        refusal = self._refusal(entry, origin, error)
        if refusal is not None:
            return refusal
        return self._repeat(entry, origin) if entry.duplicate else self._deliver(entry, origin)

    def _refusal(self, entry: Entry, origin: Origin, error: StoreError | None) -> bytes | None:
        if error is not None:
            text = (
                "The server cannot write its log; the message was not stored. Tell its operator, and try again later."
            )
            return encode(Error(codes.STORAGE, text, origin.id))
        if entry.refused:
            return encode(Error(codes.ID_TAKEN, "Someone else's message has this id; make a new one.", origin.id))
        return None

    def _deliver(self, entry: Entry, origin: Origin) -> bytes:
        """Hand the message, encoded once, to every live connection of both ends; return the answer to its sender."""
        session, identity, sender, recipient = origin
        seq = entry.seq
        line = encode(Message(seq, identity, sender.name, recipient.name, entry.text, entry.at))
        delivered = False
        for feed in recipient.feeds:
            if feed.session is not session and feed.push(seq, line):
                delivered = True
        if sender is not recipient:
            for feed in sender.feeds:
                if feed.session is not session:
                    feed.push(seq, line)
        if session.feed is not None:
            session.feed.passed(seq)
        return encode(Sent(identity, seq, entry.at, "delivered" if delivered else "stored"))

    def _repeat(self, entry: Entry, origin: Origin) -> bytes:
        """Answer a retry: the message has its place already."""
        recipient = origin.recipient
        delivered = recipient.cursor >= entry.seq or any(
            feed.mode is Mode.LIVE and feed.position >= entry.seq for feed in recipient.feeds
        )
        return encode(Sent(origin.id, entry.seq, entry.at, "delivered" if delivered else "stored"))
