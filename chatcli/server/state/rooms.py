"""The rooms: who belongs to which, who owns it, and what each of them may do there.

What is decided here holds once it is on disk: a room's members are those of whom the log knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from typing import Final

from msgspec.structs import replace

from chatcli.errors import InputError, Refused, StoreError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.frames import Message, RoomInfo, RoomKind
from chatcli.protocol.lookalikes import look_of
from chatcli.protocol.names import Name, check_room_name
from chatcli.protocol.text import printable_line
from chatcli.server.batcher import TickBatcher
from chatcli.server.model import Room, User
from chatcli.server.security.rate_limits import Allowances
from chatcli.server.state.invitations import Invitations
from chatcli.server.state.moderation import Rulings, details, subject
from chatcli.server.state.room_events import Notices
from chatcli.server.state.room_list import RoomList
from chatcli.server.state.users import Directory, close_names
from chatcli.store.interface import Log, State
from chatcli.store.records import Enter, Leave, OnWritten, Record, RoomRecord, SetOwner, ignore

logger = logging.getLogger(__name__)

MOST_ROOMS: Final = 500  # that one user may belong to
MAX_TOPIC: Final = 500  # characters
_GLIMPSE: Final = 200  # characters of what was last said, in a list of rooms
_SPELLINGS: Final = 10_000  # remembered, so that a name is not folded anew for each message
_CANDIDATES: Final = 1000  # rooms looked at for a near miss


class Rooms:
    """All rooms, in memory.

    Args:
        log: where they are kept.
        state: what the log holds.
        batcher: so that changes are written at the end of it.
        directory: everyone.
        rulings: who is banned from a room, muted in it or invited to it.
        allowances: who may have names looked for that come close.
        notices: tells what happens in them.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(
        self,
        log: Log,
        state: State,
        batcher: TickBatcher,
        directory: Directory,
        rulings: Rulings,
        allowances: Allowances,
        notices: Notices,
        clock: Callable[[], int],
    ) -> None:
        self._log = log
        self._batcher = batcher
        self._rulings = rulings
        self._allowances = allowances
        self._notices = notices
        self._listed = RoomList()  # the rooms that everyone may see
        self._open: tuple[int, ...] | None = None  # the ids of the rooms that everyone may read, until there is another
        self._clock = clock
        self.invitations = Invitations(rulings, self.may_invite, notices)
        self._by_id: dict[int, Room] = {}
        self._by_key: dict[str, Room] = {}
        self._by_look: dict[str, Room] = {}
        self._by_spelling: dict[str, Room] = {}
        self.delivered_seq = log.head  # of the newest message that was delivered: new members get what follows it
        for record in state.rooms:
            self._add(Room(record, settled=True))
        for member in state.members:
            place, user = self._by_id.get(member.room), directory.get(member.user)
            if place is None or user is None:
                logger.error("The log is damaged: user %d of room %d is not there.", member.user, member.room)
            else:
                self._let_in(place, user, member.since, owner=member.owner)
        for room in self._by_id.values():
            self._find_heir(room)  # the server may have been killed before that was written
        self.invitations.load(self._by_id.get, directory)
        self._empty([room for room in self._by_id.values() if not room.members])  # as above
        self._next_id = min(self._by_id, default=0) - 1

    def _add(self, room: Room) -> None:
        self._by_id[room.id] = room
        self._by_key[room.key] = room
        self._by_look.setdefault(look_of(room.name), room)
        self._open = None

    # Finding rooms

    def name_of(self, identity: int) -> str:
        """Return the name of the room with that id, or a stand-in where a damaged log has lost it."""
        room = self._by_id.get(identity)
        return room.name if room is not None else "#?"

    def find(self, user: User, spelling: str) -> Room:
        """Return the room that a user may see under that spelling of its name.

        Raises:
            UnknownRecipient: there is none.
        """
        room = self._by_spelling.get(spelling)
        if room is None or not room.members:  # all have left: it is as if it were not there, until someone enters it
            room = self._look_up(user, spelling)
        if room.kind == "private" and (user not in room.members or user in room.leaving):
            if self.invitations.holds(room, user):
                text = f"You are invited to {room.name}: join it first."
                raise UnknownRecipient(codes.UNKNOWN_ROOM, text, [room.name])
            raise self._unknown(user, spelling)
        return room

    def seen(self, user: User, spelling: str) -> Room | None:
        """Return the room of that name, if there is one that a user may see."""
        try:
            room = self._by_key.get(check_room_name(spelling).key)
        except InputError:
            return None
        return room if room is not None and self.sees(user, room) else None

    def _look_up(self, user: User, spelling: str) -> Room:
        try:
            room = self._by_key.get(check_room_name(spelling).key)
        except InputError as error:
            raise UnknownRecipient(codes.UNKNOWN_ROOM, f"There is no such room: {error}", []) from None
        if room is None or room.pending or not room.members:
            raise self._unknown(user, spelling)
        if len(self._by_spelling) >= _SPELLINGS:
            self._by_spelling.clear()
        self._by_spelling[spelling] = room
        return room

    def _unknown(self, user: User, spelling: str) -> UnknownRecipient:
        names: list[str] = []
        if self._allowances.hints(user):
            rooms = (room for room in islice(reversed(self._by_id.values()), _CANDIDATES) if self.sees(user, room))
            names = close_names(spelling, ((room.key, room.name) for room in rooms), _CANDIDATES)
        hint = f"did you mean {' or '.join(names)}?" if names else "whoever joins it makes it, unless it is private."
        text = f'There is no room "{printable_line(spelling[:64])}" that you may see: {printable_line(hint)}'
        return UnknownRecipient(codes.UNKNOWN_ROOM, text, names)

    def seen_by(self, user: User, after: str, most: int) -> list[Room]:
        """Return so many of the rooms that a user may see, by name, behind a name as it is compared."""
        own = (room for room in (*user.rooms, *user.invited) if room.kind == "private")
        return self._listed.page([room for room in dict.fromkeys(own) if self.sees(user, room)], after, most)

    def sees(self, user: User, room: Room) -> bool:
        """Return whether a user may know of a room."""
        if room.pending or not room.members:
            return False
        return room.kind != "private" or user in room.members or self.invitations.holds(room, user)

    def reads(self, room: Room, user: User, seq: int, *, was_there: bool) -> bool:
        """Return whether a user may read the message with that ``seq`` in a room.

        Args:
            room: where.
            user: who.
            seq: the message's place.
            was_there: whether it is known that they belonged to the room when it was said, perhaps in an earlier time.
        """
        if room.kind == "private":
            return user in room.members and (was_there or seq > room.members[user])
        return not self._banned(room, user)

    def reads_in(self, identity: int, user: User, seq: int, *, was_there: bool) -> bool:
        """Do as :meth:`reads`, given the room's id."""
        room = self._by_id.get(identity)
        return room is not None and self.reads(room, user, seq, was_there=was_there)

    def readable(self, user: User) -> tuple[int, ...]:
        """Return the ids of the rooms of which everyone may read everything, but for those that banned the user."""
        if self._open is None:
            self._open = tuple(room.id for room in self._by_id.values() if room.kind != "private")
        banned = self._rulings.banned_from(user.id)
        return self._open if not banned else tuple(identity for identity in self._open if identity not in banned)

    def _banned(self, room: Room, user: User) -> bool:
        return self._rulings.in_rooms and self._rulings.get("room_ban", subject(room, user)) is not None

    def info(self, room: Room, user: User, last: Message | None = None) -> RoomInfo:
        """Return what a user is told of a room."""
        owners = sorted(owner.name for owner in room.owners)
        joined, invited = user in room.members, self.invitations.holds(room, user)
        if last is not None:
            last.text = last.text[:_GLIMPSE]
        return RoomInfo(room.name, room.kind, len(room.members), room.topic, owners, joined, invited, last)

    # Who may do what

    def invitation(self, user: User, spelling: str) -> Room | None:
        """Return the room of that name if the user is invited to it."""
        try:
            room = self._by_key.get(check_room_name(spelling).key)
        except InputError:
            return None
        outside = room is not None and user not in room.members
        return room if room is not None and outside and self.invitations.holds(room, user) else None

    def may_invite(self, room: Room, user: User) -> bool:
        """Return whether a user may invite others to a room."""
        return self.rules(room, user) if room.kind == "private" else user in room.members

    def rules(self, room: Room, user: User) -> bool:
        """Return whether a user owns a room, or all of them as an operator of the server."""
        return user in room.owners or self._operates(user)

    def check_rule(self, room: Room, user: User) -> None:
        """Keep from ruling a room who does not.

        Raises:
            Refused: the user does not own it.
        """
        if not self.rules(room, user):
            owners = ", ".join(sorted(owner.name for owner in room.owners)) or "nobody at the moment"
            raise Refused(codes.NOT_ALLOWED, f"Only those who own {room.name} may do that: {owners}.")

    def check_read(self, room: Room, user: User) -> None:
        """Keep from reading back who was banned.

        Raises:
            Refused: the user is.
        """
        ban = self._rulings.get("room_ban", subject(room, user))
        if ban is not None:
            raise Refused(codes.BANNED, f"You are banned from {room.name}{details(ban)}.")

    def check_write(self, room: Room, user: User) -> None:
        """Keep from writing who may not.

        Raises:
            Refused: the user is banned or muted there, or only its owners write.
        """
        if room.kind == "announcement" and not self.rules(room, user):
            raise Refused(
                codes.NOT_ALLOWED, f"Only those who own {room.name} may write there: it is for announcements."
            )
        if self._rulings.in_rooms:
            self.check_read(room, user)
            mute = self._rulings.get("room_mute", subject(room, user))
            if mute is not None:
                raise Refused(codes.MUTED, f"You may read in {room.name}, but not write{details(mute)}.")

    def check_enter(self, room: Room, user: User) -> None:
        """Keep out who may not come in.

        Raises:
            Refused: the room is private, or has banned them.
        """
        self.check_read(room, user)
        taken = room.members or room.pending
        if room.kind == "private" and taken and not (self.invitations.holds(room, user) or self._operates(user)):
            text = f"{room.name} is private: ask one of its owners to invite you, or choose another name."
            raise Refused(codes.NOT_INVITED, text)

    def check_kind(self, room: Room, kind: RoomKind | None) -> None:
        """Keep from expecting too much who asks for a room of some kind.

        Raises:
            Refused: the room is of another.
        """
        if kind is not None and kind != room.kind:
            what = "for announcements" if room.kind == "announcement" else room.kind
            text = f"{room.name} is there already, and it is {what}: join it as it is, or choose another name."
            raise Refused(codes.ROOM_EXISTS, text)

    def _operates(self, user: User) -> bool:
        return self._rulings.get("operator", user.key) is not None

    # Changes, in force once they are written

    def claimed(self, name: Name) -> Room | None:
        """Return the room of that name, even if it is not on disk yet.

        Raises:
            Refused: there is none, and another looks like it.
        """
        room = self._by_key.get(name.key)
        other = self._by_look.get(look_of(name.text))
        if room is None and other is not None:
            alike = other.name if other.kind != "private" else "the name of another room"  # which not all may know
            raise Refused(codes.BAD_NAME, f"{name.text} looks like {alike}, which is there already.")
        return room

    def create(self, name: Name, kind: RoomKind) -> Room:
        """Make a room that nobody belongs to yet; whoever enters it first owns it."""
        room = Room(
            RoomRecord(id=self._next_id, name=name.text, key=name.key, kind=kind, topic="", created=self._clock()),
            settled=False,
        )
        self._next_id -= 1
        self._add(room)

        def written(error: StoreError | None) -> None:
            room.pending = False
            if error is not None:
                del self._by_id[room.id], self._by_key[room.key]
                self._open = None
                if self._by_look.get(look_of(room.name)) is room:
                    del self._by_look[look_of(room.name)]

        self._change(room.record(), written)
        return room

    def check_number(self, user: User) -> None:
        """Keep a user from belonging to too many rooms.

        Raises:
            Refused: they would.
        """
        if len(user.rooms) + user.entering >= MOST_ROOMS:
            raise Refused(codes.TOO_MANY, f"You belong to {MOST_ROOMS} rooms: leave one first.")

    def enter(self, room: Room, user: User, settled: OnWritten) -> None:
        """Have a user belong to a room, and own it if nobody else does."""
        owner = not room.members
        user.entering += 1

        def written(error: StoreError | None) -> None:
            user.entering -= 1
            if error is None:
                self._let_in(room, user, self.delivered_seq, owner=owner)
                self._find_heir(room)  # its last owner may have left meanwhile
                if room in user.invited:
                    self.invitations.end(room, user)
            settled(error)

        self._change(Enter(user.id, room.id, owner), written)

    def _let_in(self, room: Room, user: User, since: int, *, owner: bool) -> None:
        if user not in room.members:
            room.members[user] = since
            if room.kind != "private":
                self._listed.add(room)
            user.rooms += (room,)
        if owner:
            room.owners.add(user)
        if user.joined:
            room.here.add(user)
        room.feeds.update(dict.fromkeys(feed for feed in user.feeds if feed.listening))

    def leave(self, room: Room, user: User, settled: OnWritten = ignore) -> None:
        """Have a user belong to a room no longer; the longest there comes to own what its last owner has left."""
        room.leaving.add(user)

        def written(error: StoreError | None) -> None:
            room.leaving.discard(user)
            if error is None:
                self._let_go(room, user)
                self.invitations.end_of_inviter(user, room)
                if not room.members:
                    self._empty([room])
            settled(error)
            self._find_heir(room)

        self._change(Leave(user.id, room.id), written)

    def _let_go(self, room: Room, user: User) -> None:
        room.members.pop(user, None)
        if not room.members:
            self._listed.discard(room)
        room.owners.discard(user)
        room.here.discard(user)
        user.rooms = tuple(one for one in user.rooms if one is not room)
        for feed in user.feeds:
            room.feeds.pop(feed, None)
        room.watchers = {one for one in room.watchers if one.user is not user}

    def _empty(self, rooms: list[Room]) -> None:
        """Have rooms that all have left begin anew: whoever enters next is not bound by what others decided there.

        Of a room that everyone may read, what was said stays, and with it the topic and the bans.
        """
        private = [room for room in rooms if room.kind == "private"]
        for room in rooms:
            self.invitations.end_of_room(room)
        self._rulings.lift_in({room.id for room in rooms}, "room_mute")
        self._rulings.lift_in({room.id for room in private}, "room_ban")
        for room in private:
            if room.topic:
                self.set_topic(room, "")

    def _find_heir(self, room: Room) -> None:
        """Have the longest there own a room that nobody owns."""
        if room.members and not room.owners:
            heir = next(iter(room.members))
            room.owners.add(heir)
            self.own(room, heir, owner=True)
            self._notices.tell(room, "owner", heir)

    def own(self, room: Room, user: User, *, owner: bool, settled: OnWritten = ignore) -> None:
        """Have a member own a room, or no longer."""

        def written(error: StoreError | None) -> None:
            if error is None and user in room.members:
                (room.owners.add if owner else room.owners.discard)(user)
                if not self.may_invite(room, user):
                    self.invitations.end_of_inviter(user, room)
                self._find_heir(room)
            settled(error)

        self._change(SetOwner(user.id, room.id, owner), written)

    def set_topic(self, room: Room, topic: str, settled: OnWritten = ignore) -> None:
        """Say what a room is about."""

        def written(error: StoreError | None) -> None:
            if error is None:
                room.topic = topic
            settled(error)

        self._change(replace(room.record(), topic=topic), written)

    def _change(self, record: Record, settled: OnWritten) -> None:
        self._log.append_change(record, settled)
        self._batcher.schedule()
