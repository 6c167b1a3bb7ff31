"""Invitations to rooms: who was invited by whom, for how long that holds, and how many someone may give and have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.server.state.moderation import Rulings, subject
from chatcli.server.state.room_events import Notices
from chatcli.store.records import OnWritten, ignore

if TYPE_CHECKING:
    from chatcli.server.model import Room, User
    from chatcli.server.state.users import Directory

_SECONDS: Final = 30 * 86_400
_MOST: Final = 100  # that one user may have to private rooms
_MOST_FROM_ONE: Final = 10  # of them by the same inviter
_MOST_HINTS: Final = 20  # and to rooms that everyone may enter anyway
_MOST_GIVEN: Final = 300  # by one inviter, to all users

#: Returns whether a user may invite others to a room.
MayInvite = Callable[["Room", "User"], bool]


class Invitations:
    """All invitations, each kept as a ruling.

    An invitation to a private room is a permission, any other a hint. Both hold for thirty days, and no longer than the
    one who gave them may give any: they end when that user leaves the room, is sent away, is banned or owns it no more.

    Args:
        rulings: where they are kept.
        may_invite: whether a user may invite others to a room.
        notices: tells those who were invited.
    """

    def __init__(self, rulings: Rulings, may_invite: MayInvite, notices: Notices) -> None:
        self._notices = notices
        self._rulings = rulings
        self._may_invite = may_invite
        self._given: dict[User, dict[tuple[Room, User], None]] = {}  # by the inviter, the oldest first
        self._inviters: dict[Room, dict[User, User]] = {}  # whom each guest has their invitation from

    def load(self, room_of: Callable[[int], Room | None], directory: Directory) -> None:
        """Take over what the log had when it was opened; drop what means nothing any more."""
        for key, decision in self._rulings.all("room_invitation").items():
            room_id, user_id = map(int, key.split(":"))
            room, user = room_of(room_id), directory.get(user_id)
            # Those of older versions have the inviter's name only.
            by = directory.get(decision.by) if decision.by else directory.find(decision.reason)
            if room is None or user is None or by is None:
                self._rulings.lift("room_invitation", key)
            else:
                self._note(room, user, by)

    def _note(self, room: Room, user: User, by: User) -> None:
        user.invited |= {room}
        self._inviters.setdefault(room, {})[user] = by
        self._given.setdefault(by, {})[room, user] = None

    def _forget(self, room: Room, user: User) -> None:
        user.invited -= {room}
        guests = self._inviters.get(room, {})
        by = guests.pop(user, None)
        if by is None:
            return
        if not guests:
            del self._inviters[room]
        given = self._given[by]
        del given[room, user]
        if not given:
            del self._given[by]

    def holds(self, room: Room, user: User) -> bool:
        """Return whether a user was invited to a room, and has not entered it since."""
        if room not in user.invited:
            return False
        by = self._inviters[room][user]
        if self._rulings.get("room_invitation", subject(room, user)) is None:
            self._forget(room, user)  # its time is over
            return False
        return self._may_invite(room, by)

    def of(self, user: User) -> list[Room]:
        """Return the rooms that a user is invited to, by name."""
        return sorted((room for room in user.invited if self.holds(room, user)), key=lambda room: room.name)

    def check(self, room: Room, user: User, by: User) -> None:
        """Keep from inviting someone twice, or too often.

        Raises:
            Refused: they are invited already, or there are too many invitations.
        """
        if self.holds(room, user):
            raise Refused(codes.NOT_ALLOWED, f"{user.name} is invited to {room.name} already.")
        given = [one for one in self._given.get(by, ()) if self.holds(*one)]
        if len(given) >= _MOST_GIVEN:
            text = f"{_MOST_GIVEN} invitations of yours are open: take some back, or wait until they are used."
            raise Refused(codes.TOO_MANY, text)
        permissions = sum(whom is user and one.kind == "private" for one, whom in given)
        if room.kind == "private" and permissions >= _MOST_FROM_ONE:
            text = f"{user.name} has {_MOST_FROM_ONE} invitations from you, and has to take some up."
            raise Refused(codes.TOO_MANY, text)
        self._excess(room, user, by)

    def _excess(self, room: Room, user: User, by: User) -> Room | None:
        """Return the room to which an invitation makes way for a new one; None while there is room for both.

        It is the oldest of whoever has given the user most: nobody keeps others from being heard. Permissions and hints
        do not make way for each other.

        Raises:
            Refused: nobody has given the user more than the new inviter would have.
        """
        private = room.kind == "private"
        had = [one for one in user.invited if (one.kind == "private") is private and self.holds(one, user)]
        most = _MOST if private else _MOST_HINTS
        if len(had) < most:
            return None
        counts = Counter(self._inviters[one][user] for one in had)
        greediest, count = counts.most_common(1)[0]
        if private and count <= counts[by] + 1:
            raise Refused(codes.TOO_MANY, f"{user.name} has {most} invitations, and has to take some up.")
        return next(one for one, whom in self._given[greediest] if whom is user and one in had)

    def give(self, room: Room, user: User, by: User, settled: OnWritten) -> None:
        """Invite a user, after :meth:`check`."""
        excess = self._excess(room, user, by)
        if excess is not None:
            self._end_and_tell(excess, user)
        self._note(room, user, by)
        self._rulings.make(
            "room_invitation", subject(room, user), seconds=_SECONDS, reason=by.name, by=by.id, settled=settled
        )

    def end(self, room: Room, user: User, settled: OnWritten = ignore) -> None:
        """Take an invitation back, or note that it was used."""
        self._forget(room, user)
        self._rulings.lift("room_invitation", subject(room, user), settled=settled)

    def end_of_room(self, room: Room) -> None:
        """End all invitations to a room, and tell those who were invited."""
        for user in tuple(self._inviters.get(room, ())):
            self._end_and_tell(room, user)

    def end_of_inviter(self, by: User, room: Room | None = None) -> None:
        """End what a user has given, to one room or to all, and tell those who were invited."""
        for one, user in tuple(self._given.get(by, ())):
            if room is None or one is room:
                self._end_and_tell(one, user)

    def _end_and_tell(self, room: Room, user: User) -> None:
        self.end(room, user)
        self._notices.tell_user(room, "uninvited", user)
