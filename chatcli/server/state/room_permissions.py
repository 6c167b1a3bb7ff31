"""Permissions in rooms: who may know of a room, enter it, read and write there, and manage it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.server.state.moderation import Moderation, details, subject

if TYPE_CHECKING:
    from chatcli.protocol.frames import RoomKind
    from chatcli.server.model import Room, User
    from chatcli.server.state.invitations import Invitations

MAX_ROOMS: Final = 500  # of which one user may be a member


class RoomPermissions:
    """The rules of all rooms; every ``check_`` method raises unless something is permitted.

    Args:
        moderation: operators, and bans and mutes in rooms.
        invitations: to private rooms.
    """

    def __init__(self, moderation: Moderation, invitations: Invitations) -> None:
        self._moderation = moderation
        self._invitations = invitations

    def may_see(self, room: Room, user: User) -> bool:
        """Return whether a user may know of a room."""
        if not room.members:
            return False
        return room.kind != "private" or user in room.members or self._invitations.holds(room, user)

    def may_read(self, room: Room, user: User, seq: int, *, was_there: bool) -> bool:
        """Return whether a user may read a message in a room.

        Args:
            room: the room.
            user: the user.
            seq: the message's place in the log.
            was_there: whether the user is known to have been a member then, perhaps during an earlier membership.
        """
        if room.kind == "private":
            return user in room.members and (was_there or seq > room.members[user])
        return not (self._moderation.in_rooms and self._moderation.get("room_ban", subject(room, user)) is not None)

    def check_manage(self, room: Room, user: User) -> None:
        """Raise unless the user owns the room or is an operator.

        Raises:
            Refused: the user may not manage it.
        """
        if not self._moderation.manages(room, user):
            owners = ", ".join(sorted(owner.name for owner in room.owners)) or "nobody at the moment"
            raise Refused(codes.NOT_ALLOWED, f"Only the owners of {room.name} may do that: {owners}.")

    def check_read(self, room: Room, user: User) -> None:
        """Raise if the user is banned from the room.

        Raises:
            Refused: the user is banned.
        """
        ban = self._moderation.get("room_ban", subject(room, user))
        if ban is not None:
            raise Refused(codes.BANNED, f"You are banned from {room.name}{details(ban)}.")

    def check_write(self, room: Room, user: User) -> None:
        """Raise unless the user may post in the room.

        Raises:
            Refused: the user is banned or muted there, or only its owners may post.
        """
        if room.kind == "announcement" and not self._moderation.manages(room, user):
            raise Refused(
                codes.NOT_ALLOWED, f"Only the owners of {room.name} may write there: it is for announcements."
            )
        if self._moderation.in_rooms:
            self.check_read(room, user)
            mute = self._moderation.get("room_mute", subject(room, user))
            if mute is not None:
                raise Refused(codes.MUTED, f"You may read in {room.name}, but not write{details(mute)}.")

    def check_enter(self, room: Room, user: User) -> None:
        """Raise unless the user may enter the room.

        Raises:
            Refused: the user is banned, or the room is private and the user has no invitation.
        """
        self.check_read(room, user)
        if room.kind == "private" and room.members:
            if self._invitations.holds(room, user) or self._moderation.is_operator(user):
                return
            text = f"{room.name} is private: ask one of its owners to invite you, or choose another name."
            raise Refused(codes.NOT_INVITED, text)

    @staticmethod
    def check_member(room: Room, user: User) -> None:
        """Raise unless the user is a member of the room.

        Raises:
            Refused: the user is not.
        """
        if user not in room.members:
            raise Refused(codes.NOT_ALLOWED, f"{user.name} does not belong to {room.name}.")

    @staticmethod
    def check_kind(room: Room, kind: RoomKind | None) -> None:
        """Raise if the user expects another kind of room.

        Raises:
            Refused: the room is of another kind.
        """
        if kind is not None and kind != room.kind:
            what = "for announcements" if room.kind == "announcement" else room.kind
            text = f"{room.name} is there already, and it is {what}: join it as it is, or choose another name."
            raise Refused(codes.ROOM_EXISTS, text)

    @staticmethod
    def check_count(user: User, more: int = 1) -> None:
        """Raise unless the user may become a member of a number of further rooms.

        Raises:
            Refused: the user is a member of too many.
        """
        if more and len(user.rooms) + more > MAX_ROOMS:
            raise Refused(codes.TOO_MANY, f"You belong to {MAX_ROOMS} rooms: leave one first.")
