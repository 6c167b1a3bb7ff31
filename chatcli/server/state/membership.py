"""Rooms and their members: requests for changes, and memory that follows the facts once they are on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from chatcli.protocol.values.lookalikes import look_of
from chatcli.server.security.prices import NOTIFIED
from chatcli.store.batch import ignore
from chatcli.store.records import Enter, Found, Leave, MemberRecord, RoomRecord, SetOwner, SetTopic

if TYPE_CHECKING:
    from chatcli.protocol.frames import Happening, RoomKind
    from chatcli.protocol.values.names import Name
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.state.invitations import Invitations
    from chatcli.server.state.moderation import Moderation
    from chatcli.server.state.presence import Presence
    from chatcli.server.state.room_events import RoomEvents
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.store.batch import OnOutcome, Outcome
    from chatcli.store.interface import Log
    from chatcli.store.records import Record

logger = logging.getLogger(__name__)

_ANSWERED: Final = frozenset({"joined", "left", "topic"})  # events of which the answer tells whoever has caused them


class Membership:
    """Requests changes of rooms and their members from the log, and follows the facts of any request.

    Args:
        log: decides and stores them.
        batcher: schedules the commit.
        users: all users.
        rooms: all rooms.
        moderation: bans and mutes in rooms, which end with them.
        invitations: to rooms, which end with the membership of those who gave them.
        room_events: sends members the news.
        presence: knows who is in the chat.
    """

    def __init__(
        self,
        *,
        log: Log,
        batcher: TickBatcher,
        users: Users,
        rooms: Rooms,
        moderation: Moderation,
        invitations: Invitations,
        room_events: RoomEvents,
        presence: Presence,
    ) -> None:
        self._log = log
        self._batcher = batcher
        self._users = users
        self._rooms = rooms
        self._moderation = moderation
        self._invitations = invitations
        self._room_events = room_events
        self._presence = presence

    def restore(self, members: Iterable[MemberRecord]) -> None:
        """Put the members of the log into their rooms, and finish what an older version was killed in.

        Args:
            members: those of each room in the order in which they entered it.
        """
        for member in members:
            self._add_member(member)
        self._invitations.restore(self._rooms.by_id, self._users)
        for room in self._rooms.all():
            if not room.members:
                self._drop_decisions(room)
            elif not room.owners:
                self.set_owner(room, next(iter(room.members)), owner=True)

    def _drop_decisions(self, room: Room) -> None:
        """Drop the decisions of earlier owners from a room without members.

        A room that is not private keeps its messages, and so its topic and its bans.
        """
        self._invitations.end_of_room(room)
        self._moderation.lift_in(room.id, "room_mute")
        if room.kind == "private":
            self._moderation.lift_in(room.id, "room_ban")
            if room.topic:
                self._append(SetTopic(room.id, ""))

    # Requests: nothing changes here until the log has decided

    def create(
        self, name: Name, kind: RoomKind, created: int, *, founder: User, on_outcome: OnOutcome, cause: Connection
    ) -> None:
        """Request a room of which the founder is the first member and owner.

        Args:
            name: the room's name.
            kind: decides who may enter, read and write.
            created: milliseconds since 1970-01-01 UTC.
            founder: the user who makes it.
            on_outcome: called once it is there, or with the reason why it is not.
            cause: the connection that has asked for it.
        """
        record = RoomRecord(
            id=self._log.new_room_id(),
            name=name.text,
            key=name.key,
            look=look_of(name.text),
            kind=kind,
            topic="",
            created=created,
        )
        self._append(Found(record, founder.id), on_outcome, cause)

    def enter(self, room: Room, user: User, on_outcome: OnOutcome = ignore, cause: Connection | None = None) -> None:
        """Request that a user becomes a member of a room, and its owner if it has no members."""
        self._append(Enter(user.id, room.id), on_outcome, cause)

    def leave(
        self,
        room: Room,
        user: User,
        event: Happening | Literal[""] = "left",
        *,
        by: User | None = None,
        reason: str = "",
        on_outcome: OnOutcome = ignore,
        cause: Connection | None = None,
    ) -> None:
        """Request the end of a user's membership of a room, in which they have no rights from now on.

        Args:
            room: the room.
            user: the user.
            event: the event for the other members.
            by: the user who has caused it; None for the user.
            reason: in their words.
            on_outcome: called with the outcome.
            cause: the connection that has asked for it.
        """
        room.leaving.add(user)

        def finish(outcome: Outcome) -> None:
            room.leaving.discard(user)
            on_outcome(outcome)

        self._append(Leave(user.id, room.id, event, by.id if by else 0, reason), finish, cause)

    def set_owner(
        self,
        room: Room,
        user: User,
        *,
        owner: bool,
        by: User | None = None,
        reason: str = "",
        on_outcome: OnOutcome = ignore,
        cause: Connection | None = None,
    ) -> None:
        """Request that a member becomes an owner of a room, or ceases to be one; arguments as of :meth:`leave`."""
        self._append(SetOwner(user.id, room.id, owner, by.id if by else 0, reason), on_outcome, cause)

    def set_topic(self, room: Room, topic: str, by: User, on_outcome: OnOutcome, cause: Connection) -> None:
        """Request a new topic of a room."""
        self._append(SetTopic(room.id, topic, by.id), on_outcome, cause)

    def _append(self, record: Record, on_outcome: OnOutcome = ignore, cause: Connection | None = None) -> None:
        self._log.append_change(record, on_outcome, cause)
        self._batcher.schedule()

    # Facts: what the log has decided

    def apply(self, fact: RoomRecord | SetTopic | MemberRecord | Leave | SetOwner, cause: Connection | None) -> None:
        """Follow a fact, and send the event to those who are here.

        Args:
            fact: the fact.
            cause: the connection that has asked for it, which pays for the events.
        """
        match fact:
            case RoomRecord():
                self._rooms.add(fact)
            case SetTopic():
                self._apply_topic(fact, cause)
            case MemberRecord():
                added = self._add_member(fact)
                if added is not None:
                    self._broadcast(added[0], "joined", added[1], cause=cause)
            case Leave():
                self._apply_leave(fact, cause)
            case SetOwner():
                self._apply_owner(fact, cause)

    def _find(self, room: int, user: int) -> tuple[Room, User] | None:
        found = self._rooms.by_id(room), self._users.get(user)
        if found[0] is None or found[1] is None:
            logger.error("The log is damaged: user %d of room %d is not there.", user, room)
            return None
        return found[0], found[1]

    def _apply_topic(self, fact: SetTopic, cause: Connection | None) -> None:
        room, by = self._rooms.by_id(fact.room), self._users.get(fact.by)
        if room is not None:
            room.topic = fact.topic
            if by is not None:
                self._broadcast(room, "topic", by=by, text=fact.topic, cause=cause)

    def _add_member(self, member: MemberRecord) -> tuple[Room, User] | None:
        found = self._find(member.room, member.user)
        if found is None:
            return None
        room, user = found
        if user not in room.members:
            room.members[user] = member.since
            user.rooms += (room,)
            self._rooms.update_list(room)
        if member.owner:
            room.owners.add(user)
        if self._presence.is_here(user):
            room.here.add(user)
        room.feeds.update(dict.fromkeys(feed for feed in user.feeds if feed.listening))
        for feed in user.limited_feeds:
            if feed.listening and feed.includes(room.id):
                room.feeds[feed] = None
        return room, user

    def _apply_leave(self, fact: Leave, cause: Connection | None) -> None:
        found = self._find(fact.room, fact.user)
        if found is None:
            return
        room, user = found
        room.members.pop(user, None)
        self._rooms.update_list(room)
        room.owners.discard(user)
        room.here.discard(user)
        user.rooms = tuple(one for one in user.rooms if one is not room)
        for feed in (*user.feeds, *user.limited_feeds):
            room.feeds.pop(feed, None)
        room.watchers = {one for one in room.watchers if one.user is not user}
        if fact.event:
            by = self._users.get(fact.by)
            self._broadcast(room, fact.event, user, by=by, text=fact.reason, cause=cause)

    def _apply_owner(self, fact: SetOwner, cause: Connection | None) -> None:
        found = self._find(fact.room, fact.user)
        if found is None:
            return
        room, user = found
        (room.owners.add if fact.owner else room.owners.discard)(user)
        event: Happening = "owner" if fact.owner else "disowned"
        self._broadcast(room, event, user, by=self._users.get(fact.by), text=fact.reason, cause=cause)

    def _broadcast(
        self,
        room: Room,
        event: Happening,
        user: User | None = None,
        *,
        by: User | None = None,
        text: str = "",
        cause: Connection | None,
    ) -> None:
        besides = cause if event in _ANSWERED else None
        notified = self._room_events.broadcast(room, event, user, by=by, text=text, besides=besides)
        if cause is not None and not cause.closed:
            cause.account.charge(notified * NOTIFIED)
