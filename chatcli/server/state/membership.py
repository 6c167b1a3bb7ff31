"""Membership of rooms: entering and leaving, owners and their heirs. A change takes effect once it is on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chatcli.store.records import Enter, Leave, MemberRecord, OnWritten, Record, SetOwner, ignore

if TYPE_CHECKING:
    from chatcli.errors import StoreError
    from chatcli.protocol.frames import RoomKind
    from chatcli.protocol.values.names import Name
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Room, User
    from chatcli.server.state.invitations import Invitations
    from chatcli.server.state.moderation import Moderation
    from chatcli.server.state.room_events import RoomEvents
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.store.interface import Log

logger = logging.getLogger(__name__)


class Membership:
    """Changes rooms and their members.

    Args:
        log: stores the changes.
        batcher: schedules the commit.
        rooms: all rooms.
        moderation: bans and mutes in rooms, which end with them.
        invitations: to rooms, which end with the membership of those who gave them.
        room_events: sends members the news of an heir.
    """

    def __init__(
        self,
        *,
        log: Log,
        batcher: TickBatcher,
        rooms: Rooms,
        moderation: Moderation,
        invitations: Invitations,
        room_events: RoomEvents,
    ) -> None:
        self._log = log
        self._batcher = batcher
        self._rooms = rooms
        self._moderation = moderation
        self._invitations = invitations
        self._room_events = room_events

    def restore(self, members: Iterable[MemberRecord], users: Users) -> None:
        """Put the members of the log into their rooms, and finish what an earlier server was killed in.

        Args:
            members: those of each room in the order in which they entered it.
            users: all users.
        """
        for member in members:
            room, user = self._rooms.by_id(member.room), users.get(member.user)
            if room is None or user is None:
                logger.error("The log is damaged: user %d of room %d is not there.", member.user, member.room)
            else:
                self._add_member(room, user, member.since, owner=member.owner)
        for room in self._rooms.all():
            self._find_heir(room)
        self._invitations.restore(self._rooms.by_id, users)
        self._reset([room for room in self._rooms.all() if not room.members])

    def create(self, name: Name, kind: RoomKind, created: int) -> Room:
        """Return a new room without members; the first to enter it owns it."""
        room = self._rooms.create(name, kind, created)

        def written(error: StoreError | None) -> None:
            room.pending = False
            if error is not None:
                self._rooms.remove(room)

        self._append(room.record(), written)
        return room

    def enter(self, room: Room, user: User, on_written: OnWritten) -> None:
        """Make a user a member of a room, and its owner if it has no members."""
        owner = not room.members
        user.entering += 1

        def written(error: StoreError | None) -> None:
            user.entering -= 1
            if error is None:
                self._add_member(room, user, self._rooms.delivered_seq, owner=owner)
                self._find_heir(room)  # its last owner may have left meanwhile
                if room in user.invited:
                    self._invitations.end(room, user)
            on_written(error)

        self._append(Enter(user.id, room.id, owner), written)

    def _add_member(self, room: Room, user: User, since: int, *, owner: bool) -> None:
        if user not in room.members:
            room.members[user] = since
            user.rooms += (room,)
            self._rooms.update_list(room)
        if owner:
            room.owners.add(user)
        if user.joined:
            room.here.add(user)
        room.feeds.update(dict.fromkeys(feed for feed in user.feeds if feed.listening))
        for feed in user.limited_feeds:
            if feed.listening and feed.includes(room.id):
                room.feeds[feed] = None

    def leave(self, room: Room, user: User, on_written: OnWritten = ignore) -> None:
        """End a user's membership of a room; the oldest member inherits it from the last owner."""
        room.leaving.add(user)

        def written(error: StoreError | None) -> None:
            room.leaving.discard(user)
            if error is None:
                self._remove_member(room, user)
                self._invitations.end_of_inviter(user, room)
                if not room.members:
                    self._reset([room])
            on_written(error)
            self._find_heir(room)

        self._append(Leave(user.id, room.id), written)

    def _remove_member(self, room: Room, user: User) -> None:
        room.members.pop(user, None)
        self._rooms.update_list(room)
        room.owners.discard(user)
        room.here.discard(user)
        user.rooms = tuple(one for one in user.rooms if one is not room)
        for feed in (*user.feeds, *user.limited_feeds):
            room.feeds.pop(feed, None)
        room.watchers = {one for one in room.watchers if one.user is not user}

    def _reset(self, rooms: Sequence[Room]) -> None:
        """Drop the decisions of earlier owners from rooms without members.

        A room that is not private keeps its messages, and so its topic and its bans.
        """
        private = [room for room in rooms if room.kind == "private"]
        for room in rooms:
            self._invitations.end_of_room(room)
        self._moderation.lift_in({room.id for room in rooms}, "room_mute")
        self._moderation.lift_in({room.id for room in private}, "room_ban")
        for room in private:
            if room.topic:
                self.set_topic(room, "")

    def _find_heir(self, room: Room) -> None:
        """Make the oldest member the owner of a room without owners."""
        if room.members and not room.owners:
            heir = next(iter(room.members))
            room.owners.add(heir)
            self.set_owner(room, heir, owner=True)
            self._room_events.broadcast(room, "owner", heir)

    def set_owner(self, room: Room, user: User, *, owner: bool, on_written: OnWritten = ignore) -> None:
        """Make a member an owner of a room, or end that."""

        def written(error: StoreError | None) -> None:
            if error is None and user in room.members:
                (room.owners.add if owner else room.owners.discard)(user)
                if not self._invitations.may_invite(room, user):
                    self._invitations.end_of_inviter(user, room)
                self._find_heir(room)
            on_written(error)

        self._append(SetOwner(user.id, room.id, owner), written)

    def set_topic(self, room: Room, topic: str, on_written: OnWritten = ignore) -> None:
        """Change a room's topic."""

        def written(error: StoreError | None) -> None:
            if error is None:
                room.topic = topic
            on_written(error)

        self._append(replace(room.record(), topic=topic), written)

    def _append(self, record: Record, on_written: OnWritten) -> None:
        self._log.append_change(record, on_written)
        self._batcher.schedule()
