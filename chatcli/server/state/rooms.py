"""The rooms: found by id, by name as people spell it, and in pages of the list."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from chatcli.errors import InputError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.frames import Message, RoomInfo
from chatcli.protocol.values.lookalikes import look_of
from chatcli.protocol.values.names import Name, check_room_name
from chatcli.protocol.values.text import printable_line
from chatcli.server.model import Room, User
from chatcli.server.security.rate_limits import RateLimits
from chatcli.server.state.invitations import Invitations
from chatcli.server.state.moderation import Moderation
from chatcli.server.state.room_list import RoomList
from chatcli.server.state.room_permissions import RoomPermissions
from chatcli.server.state.users import close_names
from chatcli.store.records import RoomRecord

_SNIPPET: Final = 200  # characters of the last message, in a list of rooms
_SPELLINGS: Final = 10_000  # cached, so that a name is not folded anew for each message
_CANDIDATES: Final = 1000  # rooms compared with a name that is misspelt


class Rooms:
    """All rooms, in memory. A room without members is hidden until someone enters it.

    Args:
        records: the rooms of the log, oldest first.
        moderation: bans from rooms.
        invitations: to rooms.
        permissions: decide which rooms a user may know of.
        rate_limits: decide who may have close names looked up.

    Attributes:
        delivered_seq: the ``seq`` of the message that was delivered last. New members get what comes after it.
    """

    def __init__(
        self,
        records: Iterable[RoomRecord],
        *,
        moderation: Moderation,
        invitations: Invitations,
        permissions: RoomPermissions,
        rate_limits: RateLimits,
        delivered_seq: int,
    ) -> None:
        self.delivered_seq = delivered_seq
        self._moderation = moderation
        self._invitations = invitations
        self._permissions = permissions
        self._rate_limits = rate_limits
        self._listed = RoomList()  # those with members, but for private ones
        self._open: tuple[int, ...] | None = None  # the ids of all but private rooms; None after a change
        self._by_id: dict[int, Room] = {}
        self._by_key: dict[str, Room] = {}
        self._by_look: dict[str, Room] = {}
        self._by_spelling: dict[str, Room] = {}
        for record in records:
            self.add(record)

    def add(self, record: RoomRecord) -> None:
        """Add a room that the log has, which has no members yet."""
        room = Room(record)
        self._by_id[room.id] = room
        self._by_key[room.key] = room
        self._by_look.setdefault(room.look, room)
        self._open = None

    def update_list(self, room: Room) -> None:
        """Add a room to the list that everyone gets, or remove it: to be called when members come or go."""
        if room.members and room.kind != "private":
            self._listed.add(room)
        else:
            self._listed.discard(room)

    @property
    def count(self) -> int:
        """The number of rooms that have members."""
        return sum(bool(room.members) for room in self._by_id.values())

    def all(self) -> list[Room]:
        """Return all rooms."""
        return list(self._by_id.values())

    def by_id(self, identity: int) -> Room | None:
        """Return the room with that id."""
        return self._by_id.get(identity)

    def by_key(self, key: str) -> Room | None:
        """Return the room with that folded name."""
        return self._by_key.get(key)

    def name_of(self, identity: int) -> str:
        """Return the name of the room with that id, or a stand-in if it is missing from a damaged log."""
        room = self._by_id.get(identity)
        return room.name if room is not None else "#?"

    def by_name(self, name: Name) -> Room | None:
        """Return the room of that name.

        Raises:
            Refused: there is no such room, and another one looks like it.
        """
        room = self._by_key.get(name.key)
        other = self._by_look.get(look_of(name.text))
        if room is None and other is not None:
            alike = other.name if other.kind != "private" else "the name of another room"  # which not all may know
            raise Refused(codes.BAD_NAME, f"{name.text} looks like {alike}, which is there already.")
        return room

    def find(self, user: User, spelling: str) -> Room:
        """Return the room of that name, in any spelling, if the user is a member or it is not private.

        Raises:
            UnknownRecipient: there is no such room.
        """
        room = self._by_spelling.get(spelling)
        if room is None or not room.members:
            room = self._look_up(user, spelling)
        if room.kind == "private" and (user not in room.members or user in room.leaving):
            if self._invitations.holds(room, user):
                text = f"You are invited to {room.name}: join it first."
                raise UnknownRecipient(codes.UNKNOWN_ROOM, text, [room.name])
            raise self._unknown(user, spelling)
        return room

    def find_visible(self, user: User, spelling: str) -> Room | None:
        """Return the room of that name if the user may know of it."""
        room = self._by_spelled_name(spelling)
        return room if room is not None and self._permissions.may_see(room, user) else None

    def find_hidden(self, spelling: str) -> Room | None:
        """Return the room of that name, whoever may know of it."""
        return self._by_spelled_name(spelling)

    def find_invited(self, user: User, spelling: str) -> Room | None:
        """Return the room of that name if the user is invited to it and is not a member."""
        room = self._by_spelled_name(spelling)
        outside = room is not None and user not in room.members
        return room if room is not None and outside and self._invitations.holds(room, user) else None

    def _by_spelled_name(self, spelling: str) -> Room | None:
        try:
            return self._by_key.get(check_room_name(spelling).key)
        except InputError:
            return None

    def _look_up(self, user: User, spelling: str) -> Room:
        try:
            room = self._by_key.get(check_room_name(spelling).key)
        except InputError as error:
            raise UnknownRecipient(codes.UNKNOWN_ROOM, f"There is no such room: {error}", []) from None
        if room is None or not room.members:
            raise self._unknown(user, spelling)
        if len(self._by_spelling) >= _SPELLINGS:
            self._by_spelling.clear()
        self._by_spelling[spelling] = room
        return room

    def _unknown(self, user: User, spelling: str) -> UnknownRecipient:
        names: list[str] = []
        if self._rate_limits.charge_hints(user):
            newest = islice(reversed(self._by_id.values()), _CANDIDATES)
            visible = ((room.key, room.name) for room in newest if self._permissions.may_see(room, user))
            names = close_names(spelling, visible, _CANDIDATES)
        hint = "join it to create it, unless a private room has that name."
        if names:
            hint = f"did you mean {' or '.join(names)}?"
        text = f'There is no room "{printable_line(spelling[:64])}" that you may see: {printable_line(hint)}'
        return UnknownRecipient(codes.UNKNOWN_ROOM, text, names)

    def page(self, user: User, after: str, limit: int) -> list[Room]:
        """Return the rooms that a user may know of and whose folded names follow ``after``, by name."""
        own = (room for room in (*user.rooms, *user.invited) if room.kind == "private")
        visible = [room for room in dict.fromkeys(own) if self._permissions.may_see(room, user)]
        return self._listed.page(visible, after, limit)

    def visible_among(self, identities: Iterable[int], user: User, after: str) -> list[Room]:
        """Return those of some rooms that a user may know of and whose folded names follow ``after``, by name."""
        rooms = [room for identity in identities if (room := self._by_id.get(identity)) is not None]
        return sorted(
            (room for room in rooms if room.key > after and self._permissions.may_see(room, user)),
            key=lambda room: room.key,
        )

    def may_read_in(self, identity: int, user: User, seq: int, *, was_there: bool) -> bool:
        """Return whether a user may read a message in the room with that id; see :meth:`RoomPermissions.may_read`."""
        room = self._by_id.get(identity)
        return room is not None and self._permissions.may_read(room, user, seq, was_there=was_there)

    def readable_ids(self, user: User) -> tuple[int, ...]:
        """Return the ids of the rooms that are not private and from which the user is not banned."""
        if self._open is None:
            self._open = tuple(room.id for room in self._by_id.values() if room.kind != "private")
        banned = self._moderation.banned_from(user.id)
        return self._open if not banned else tuple(identity for identity in self._open if identity not in banned)

    def info(self, room: Room, user: User, last: Message | None = None) -> RoomInfo:
        """Return the description of a room for a user, with a snippet of its last message."""
        return RoomInfo(
            name=room.name,
            kind=room.kind,
            members=len(room.members),
            topic=room.topic,
            owners=sorted(owner.name for owner in room.owners),
            joined=user in room.members,
            invited=self._invitations.holds(room, user),
            last=None if last is None else snippet(last),
        )


def snippet(message: Message) -> Message:
    """Return a message, which is changed, with the start of its text."""
    message.text = message.text[:_SNIPPET]
    return message
