"""The hub: owns users, rooms and sessions, and has what the log commits delivered in the order of the log.

It knows no sockets and no event loop. All of it is plain functions, called in one thread: nothing can change between a
check and what it guards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from chatcli.errors import InputError, StoreError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.frames import Message, ReadPosition
from chatcli.protocol.values.ids import id_text
from chatcli.protocol.values.names import check_name, is_room, released_name
from chatcli.protocol.values.text import printable_line
from chatcli.server import slices
from chatcli.server.arrival.resumption import Resumption
from chatcli.server.arrival.seats import Seats
from chatcli.server.batcher import TickBatcher
from chatcli.server.counts import Counts
from chatcli.server.delivery import Delivery
from chatcli.server.facts import Facts
from chatcli.server.feed import EndedFeeds, Feed, FeedSource
from chatcli.server.limits import Limits
from chatcli.server.model import Connection, User
from chatcli.server.refusals import released_user, unknown_user
from chatcli.server.security.ban_enforcement import BanEnforcement
from chatcli.server.security.device_links import LinkCodes
from chatcli.server.security.rate_limits import RateLimits
from chatcli.server.security.tokens import Tokens
from chatcli.server.state import questions
from chatcli.server.state.invitations import Invitations
from chatcli.server.state.membership import Membership
from chatcli.server.state.moderation import Moderation
from chatcli.server.state.name_changes import NameChanges
from chatcli.server.state.presence import Presence
from chatcli.server.state.questions import Questions
from chatcli.server.state.receipts import Receipts
from chatcli.server.state.recoveries import Recoveries
from chatcli.server.state.room_events import RoomEvents
from chatcli.server.state.room_permissions import RoomPermissions
from chatcli.server.state.rooms import Rooms
from chatcli.server.state.unread import UnreadCounter
from chatcli.server.state.users import Users
from chatcli.server.throttle import Later, Throttle
from chatcli.store.batch import Batch, Change, OnOutcome, Outcome
from chatcli.store.interface import Log
from chatcli.store.records import Barrier, MessageRow, Record, Release

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 1000  # connections whose deadlines are checked in one tick of the loop
_AROUND: Final = "@:,<>"  # characters that people may write around a name


class HubConnection(Connection, Protocol):
    """A session, as the hub and the handlers see it."""

    @property
    def hub(self) -> Hub:
        """The hub that it belongs to."""

    @property
    def feed(self) -> Feed | None:
        """The feed of messages, if the connection's purpose includes one."""


class OpenConnection(Protocol):
    """A connection, with a session or before it has one: what counts as open, and ends when the server stops."""

    @property
    def speaks(self) -> str:
        """The dialect of the caller: ``lines``, ``http``, ``websocket``, ``tunnel``, or ``nothing`` yet."""

    @property
    def session(self) -> HubConnection | None:
        """Its session; None until the first word of the caller."""

    def tick(self, seconds: float) -> None:
        """Check the deadlines; called regularly."""

    def stop_reading(self) -> None:
        """Process nothing more from the caller: the server is about to stop."""

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""

    def abort(self) -> None:
        """Close at once, without sending what is unsent."""


class Hub:
    """Everything that the parts of the server share.

    Args:
        log: the log, which reports its batches to :meth:`committed`.
        limits: what clients may do.
        batcher: collects output and batches.
        later: calls a function after a number of seconds.
        clock: the time in milliseconds since 1970-01-01 UTC.
        seconds: a clock that never goes back.
        server_key: the fingerprint of the server's key, which the clients' proofs are bound to.

    Attributes:
        server_key: as given, or a newer one, once the certificate was read again.
        connections: all open connections, with a session or without one.
        counts: numbers for the metrics.
        losing_names: users whose names are free once that is on disk.
    """

    def __init__(
        self,
        *,
        log: Log,
        limits: Limits,
        batcher: TickBatcher,
        later: Later,
        clock: Callable[[], int],
        seconds: Callable[[], float],
        server_key: str,
    ) -> None:
        self.limits = limits
        self.batcher = batcher
        self.clock = clock
        self.seconds = seconds
        self.later = later
        self.log = log
        self.server_key = server_key
        state = log.load()
        self.users = Users(state.users, state.keys, state.reads)
        self.moderation = Moderation(log, state.rulings, batcher=batcher, clock=lambda: self.clock(), later=later)  # noqa: PLW0108 (tests set it)
        self.rate_limits = RateLimits(limits, seconds, later)
        self.link_codes = LinkCodes(seconds)
        self.tokens = Tokens(
            log,
            state.tokens,
            self.users.get,
            batcher=batcher,
            clock=lambda: self.clock(),  # noqa: PLW0108 (tests set it)
            later=later,
        )
        self.recoveries = Recoveries(self.moderation)
        self.room_events = RoomEvents(later)
        self.invitations = Invitations(self.moderation)
        self.permissions = RoomPermissions(self.moderation, self.invitations)
        self.rooms = Rooms(
            state.rooms,
            moderation=self.moderation,
            invitations=self.invitations,
            permissions=self.permissions,
            rate_limits=self.rate_limits,
            delivered_seq=log.head,
        )
        self.presence = Presence(log, self.users, later, clock)
        self.seats = Seats(self.presence)
        self.membership = Membership(
            log=log,
            batcher=batcher,
            users=self.users,
            rooms=self.rooms,
            moderation=self.moderation,
            invitations=self.invitations,
            room_events=self.room_events,
            presence=self.presence,
        )
        self.membership.restore(state.members)
        self.names = NameChanges(self.users, self.rooms, state.freed)
        self.receipts = Receipts(log, Throttle(later))
        self.questions = Questions(clock, self.users.name_of, self.may_read)
        self.unread_counter = UnreadCounter()
        self.connections: set[OpenConnection] = set()
        self.counts = Counts()
        self.losing_names: set[User] = set()
        self.bans = BanEnforcement(later, lambda: self.sessions)
        self._facts = Facts(
            users=self.users,
            rooms=self.rooms,
            membership=self.membership,
            moderation=self.moderation,
            invitations=self.invitations,
            tokens=self.tokens,
            names=self.names,
            presence=self.presence,
            link_codes=self.link_codes,
            bans=self.bans,
            room_events=self.room_events,
            later=later,
        )
        self._delivery = Delivery(
            users=self.users,
            rooms=self.rooms,
            receipts=self.receipts,
            presence=self.presence,
            questions=self.questions,
            counts=self.counts,
        )
        self._feed_source = FeedSource(log, self.to_frame, self.names.to_frame, self.rooms.name_of)
        self._ended_feeds = EndedFeeds(later)

    @property
    def sessions(self) -> list[HubConnection]:
        """The sessions of all connections that have one: those who can be sent away."""
        sessions = (connection.session for connection in self.connections)
        return [session for session in sessions if session is not None]

    def tick(self, seconds: float) -> None:
        """Check deadlines and commit positions of users; called regularly."""
        self.log.commit(positions=True)
        slices.run(self.later, self._check_deadlines(seconds))

    def _check_deadlines(self, seconds: float) -> Iterator[None]:
        for connections in slices.portions(tuple(self.connections), _AT_ONCE):
            for connection in connections:
                try:
                    connection.tick(seconds)
                except Exception:
                    # A bug with one connection must not keep the others from their deadlines.
                    logger.exception("The deadlines of %s could not be checked.", connection)
            yield

    def when_reached(self, seq: int, then: Callable[[], None]) -> None:  # noqa: ARG002 (nobody else writes to this log)
        """Call a function once the log has reached a ``seq``, or it is certain that it will not: at once."""
        then()

    def open_feed(self, session: Connection, user: User, start: Resumption, newest: int | None) -> Feed:
        """Return the feed of a session; the session starts it.

        Args:
            session: the session.
            user: its user.
            start: the place where the feed starts.
            newest: the number of missed messages of each room that come; None for all.
        """
        places = session.places
        feed = Feed(
            session,
            user,
            self._feed_source,
            position=start.position,
            unread_only=not start.resumes,
            newest=newest,
            changes=start.untold if session.revision >= 1 and places is None else None,
            places=places,
            has_changes=session.token is None or session.token.places is None,
        )
        if places is not None:
            user.limited_feeds += (feed,)
        else:
            user.feeds.append(feed)
        return feed

    def read_positions(self, user: User) -> list[ReadPosition]:
        """Return the positions of the conversations in which a user has one of its own."""
        return [ReadPosition(self.name_of(of), seq) for of, (seq, _) in user.reads.items()]

    def forget(self, session: Connection) -> None:
        """Forget a session that has ended; a user whose last open ``join`` it was leaves everyone's list at once."""
        user = session.user
        if user is None:
            return
        if session in user.sessions:
            user.sessions.remove(session)
            self.rate_limits.charge_visit(user)
        self.receipts.forget(session)
        self.presence.forget(session)
        self.questions.forget(session)
        feed = session.feed
        if session.token is not None:
            self.tokens.close(session.token, session)
        if feed is not None and (feed in user.feeds or feed in user.limited_feeds):
            if feed in user.feeds:
                user.feeds.remove(feed)
            user.limited_feeds = tuple(one for one in user.limited_feeds if one is not feed)
            if feed.end():
                self._ended_feeds.add(feed, user.rooms)
        self.seats.vacate(session, user)

    def find_user(self, spelling: str, asker: User, *, or_room: bool = True) -> User:
        """Return the user of that name, in any spelling.

        Args:
            spelling: as the asker has typed it.
            asker: the user who asks; they pay for a search for close names.
            or_room: whether the asker may have meant a room.

        Raises:
            UnknownRecipient: there is no such user.
        """
        user = self.users.find(spelling)
        if user is not None:
            return user
        try:
            name = check_name(spelling)
        except InputError:
            meant = self.users.find(spelling.strip(_AROUND))
            hint = f"did you mean {meant.name}?" if meant is not None else "name one person, as they call themselves."
            text = f'Nobody can be called "{printable_line(spelling[:64])}": {hint}'
            raise UnknownRecipient(codes.UNKNOWN_USER, text, [meant.name] if meant is not None else []) from None
        if self.names.was_released(name.key):
            raise released_user(spelling)
        names = self.users.suggestions(spelling, self.presence.users()) if self.rate_limits.charge_hints(asker) else []
        room = self.rooms.find_visible(asker, f"#{spelling}") if or_room else None
        if room is not None:
            names.insert(0, room.name)
        raise unknown_user(spelling, names)

    def place_of(self, spelling: str, *, released: bool) -> int | None:
        """Return the id of the user or room of that name, if there is one, as handlers find it.

        Args:
            spelling: the name, in any spelling.
            released: whether it may be a name that was released.
        """
        if is_room(spelling):
            room = self.rooms.find_hidden(spelling)
            return None if room is None else room.id
        user = self.users.find(spelling) or (self.users.find_released(spelling) if released else None)
        return None if user is None else user.id

    def name_of(self, identity: int) -> str:
        """Return the name of the room or the user with that id."""
        return self.rooms.name_of(identity) if identity < 0 else self.users.name_of(identity)

    def to_frame(self, row: MessageRow) -> Message:
        """Return the frame of a message from the log."""
        name_of = self.users.name_of if row.recipient > 0 else self.rooms.name_of
        sender, recipient = self.users.name_of(row.sender), name_of(row.recipient)
        message = Message(
            seq=row.seq, id=id_text(row.id), sender=sender, to=recipient, text=row.text, at=row.at, re=row.re
        )
        if row.extra is not None:
            questions.add(message, row.extra)
        return message

    def may_read(self, user: User, sender: int, recipient: int, seq: int) -> bool:
        """Return whether a user may read a message, given by the ids of its sender and recipient and its ``seq``."""
        if recipient > 0:
            return user.id in (sender, recipient)
        return self.rooms.may_read_in(recipient, user, seq, was_there=sender == user.id)

    def after_flush(self, function: Callable[[], None]) -> None:
        """Call a function once everything queued for the log has been written, or has failed."""
        self.log.append_change(Barrier(), lambda _outcome: function())
        self.batcher.schedule()

    def release(self, user: User, by: str, on_outcome: OnOutcome) -> None:
        """Take the name from a user, who gets one that nobody can ask for.

        Args:
            user: the user.
            by: the operator.
            on_outcome: called once that is on disk, or with the reason why it is not.
        """
        self.losing_names.add(user)

        def finish(outcome: Outcome) -> None:
            self.losing_names.discard(user)
            on_outcome(outcome)

        record = Release(user.id, user.key, released_name(user.name, user.id), by, self.clock())
        self.log.append_change(record, finish)
        self.batcher.schedule()

    def committed(self, batch: Batch, error: StoreError | None) -> None:
        """Follow the records of a batch and deliver its messages, in the order of the log, and answer who asked."""
        for part in batch.in_order():
            if isinstance(part, Change):
                self._finish(part)
            else:
                self._delivery.deliver_batch(part, error)
        self.batcher.schedule()  # everything queued meanwhile is the next batch
        self.bans.run()

    def _finish(self, change: Change) -> None:
        self.apply(change.record, change.outcome)
        try:
            change.on_outcome(change.outcome)
        except Exception:
            # A bug with one record must not keep the rest of the batch from being delivered.
            logger.exception("The callback of a record failed.")

    def apply(self, record: Record, outcome: Outcome) -> None:
        """Change memory as a committed record has changed the log, whoever has written it."""
        for fact in outcome.facts:
            try:
                self._facts.apply(fact, outcome)
            except Exception:
                # As above.
                logger.exception("Memory does not follow %s of %s.", type(fact).__name__, type(record).__name__)
