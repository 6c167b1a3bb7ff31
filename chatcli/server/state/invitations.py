"""Invitations to rooms: their inviters, their duration, and limits on their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.server.state.moderation import NO_NEWS, Moderation, News, ids_of, subject
from chatcli.store.batch import ignore

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.state.users import Users
    from chatcli.store.batch import OnOutcome, Outcome

_SECONDS: Final = 30 * 86_400
_MOST: Final = 100  # to private rooms, for one user
_MOST_FROM_ONE: Final = 10  # of these, from the same inviter
_MOST_HINTS: Final = 20  # to rooms that are not private, for one user
_MOST_GIVEN: Final = 300  # by one inviter, for all users


class Invitations:
    """All invitations, stored as sanctions.

    An invitation to a private room is a permission, any other a hint. Both are valid for thirty days, and only as long
    as the inviter may invite: they end when that user leaves the room, is kicked, is banned or ceases to own it.

    Args:
        moderation: stores them.
    """

    def __init__(self, moderation: Moderation) -> None:
        self._moderation = moderation
        self._given: dict[User, dict[tuple[Room, User], None]] = {}  # by the inviter, oldest first
        self._inviters: dict[Room, dict[User, User]] = {}  # the inviter of each guest
        self._giving: dict[tuple[Room, User], User] = {}  # the inviters of those that are being written

    def restore(self, by_id: Callable[[int], Room | None], users: Users) -> None:
        """Read the invitations that the log held when it was opened; drop those whose room or users are missing."""
        for key, sanction in self._moderation.all("room_invitation").items():
            room_id, user_id = ids_of(key)
            room, user = by_id(room_id), users.get(user_id)
            # An older version has written only the inviter's name.
            by = users.get(sanction.by) if sanction.by else users.find(sanction.reason)
            if room is None or user is None or by is None:
                self._moderation.lift("room_invitation", key)
            else:
                self._add(room, user, by)

    def apply(self, room: Room, user: User, by: User | None) -> None:
        """Follow an invitation that the log has, given by its inviter, or its end if there is none."""
        self._remove(room, user)
        if by is not None:
            self._add(room, user, by)

    def _add(self, room: Room, user: User, by: User) -> None:
        user.invited |= {room}
        self._inviters.setdefault(room, {})[user] = by
        self._given.setdefault(by, {})[room, user] = None

    def _remove(self, room: Room, user: User) -> None:
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

    def may_invite(self, room: Room, user: User) -> bool:
        """Return whether a user may invite others to a room."""
        return self._moderation.manages(room, user) if room.kind == "private" else user in room.members

    def holds(self, room: Room, user: User) -> bool:
        """Return whether a user has a valid invitation to a room."""
        if room not in user.invited:
            return False
        valid = self._moderation.get("room_invitation", subject(room, user)) is not None
        return valid and self.may_invite(room, self._inviters[room][user])

    def of(self, user: User) -> list[Room]:
        """Return the rooms to which a user is invited, by name."""
        return sorted((room for room in user.invited if self.holds(room, user)), key=lambda room: room.name)

    def check(self, room: Room, user: User, by: User) -> None:
        """Raise unless one user may give another an invitation now.

        Raises:
            Refused: the other is invited already, or there are too many invitations.
        """
        if self.holds(room, user) or (room, user) in self._giving:
            raise Refused(codes.NOT_ALLOWED, f"{user.name} is invited to {room.name} already.")
        given = [one for one in self._given.get(by, ()) if self.holds(*one)]
        given += [one for one, inviter in self._giving.items() if inviter is by]
        if len(given) >= _MOST_GIVEN:
            text = f"{_MOST_GIVEN} invitations of yours are open: take some back, or wait until they are used."
            raise Refused(codes.TOO_MANY, text)
        permissions = sum(whom is user and one.kind == "private" for one, whom in given)
        if room.kind == "private" and permissions >= _MOST_FROM_ONE:
            text = f"{user.name} has {_MOST_FROM_ONE} invitations from you, and has to accept or decline some first."
            raise Refused(codes.TOO_MANY, text)
        self._excess(room, user, by)

    def _excess(self, room: Room, user: User, by: User) -> Room | None:
        """Return the room whose invitation a new one displaces; None if there is space for both.

        It is the oldest one from the inviter who has given the user most, so that nobody can crowd out the others.
        Permissions and hints are counted separately.

        Raises:
            Refused: nobody has given the user more than the new inviter would have.
        """
        private = room.kind == "private"
        had = [one for one in user.invited if (one.kind == "private") is private and self.holds(one, user)]
        coming = [
            inviter
            for (one, whom), inviter in self._giving.items()
            if whom is user and (one.kind == "private") is private
        ]
        most = _MOST if private else _MOST_HINTS
        if len(had) + len(coming) < most:
            return None
        counts = Counter(self._inviters[one][user] for one in had)
        greediest, count = counts.most_common(1)[0] if had else (by, 0)
        counts.update(coming)
        if not had or (private and count <= counts[by] + 1):
            text = f"{user.name} has {most} invitations, and has to accept or decline some first."
            raise Refused(codes.TOO_MANY, text)
        return next(one for one, whom in self._given[greediest] if whom is user and one in had)

    def give(self, room: Room, user: User, by: User, *, reason: str, on_outcome: OnOutcome, cause: Connection) -> None:
        """Invite a user; to be called after :meth:`check`."""
        excess = self._excess(room, user, by)
        if excess is not None:
            self._end_and_notify(excess, user)
        self._giving[room, user] = by

        def finish(outcome: Outcome) -> None:
            self._giving.pop((room, user), None)
            on_outcome(outcome)

        self._moderation.impose(
            "room_invitation",
            subject(room, user),
            seconds=_SECONDS,
            reason=by.name,
            by=by.id,
            news=News("invited", by.id, reason),
            on_outcome=finish,
            cause=cause,
        )

    def end(
        self,
        room: Room,
        user: User,
        *,
        news: News = NO_NEWS,
        on_outcome: OnOutcome = ignore,
        cause: Connection | None = None,
    ) -> None:
        """End an invitation that was withdrawn or declined."""
        self._moderation.lift("room_invitation", subject(room, user), news=news, on_outcome=on_outcome, cause=cause)

    def end_of_room(self, room: Room) -> None:
        """End all invitations to a room, and notify those who were invited."""
        for user in tuple(self._inviters.get(room, ())):
            self._end_and_notify(room, user)

    def end_of_inviter(self, by: User) -> None:
        """End all invitations by one user, and notify those who were invited."""
        for room, user in tuple(self._given.get(by, ())):
            self._end_and_notify(room, user)

    def _end_and_notify(self, room: Room, user: User) -> None:
        self.end(room, user, news=News("uninvited"))
