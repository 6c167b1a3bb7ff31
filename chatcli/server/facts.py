"""Follows the log: every fact that it has changes memory here, whoever has asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatcli.protocol import codes
from chatcli.protocol.values.names import name_before_release
from chatcli.server import slices
from chatcli.server.security.prices import NOTIFIED
from chatcli.server.state.moderation import ids_of
from chatcli.store.records import (
    DropKey,
    DropToken,
    Fact,
    KeyRecord,
    MemberRecord,
    NameChangeRecord,
    Rename,
    Ruling,
    Seen,
    TokenRecord,
    UserRecord,
    UseToken,
)

if TYPE_CHECKING:
    from chatcli.protocol.frames import Happening
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.security.ban_enforcement import BanEnforcement
    from chatcli.server.security.device_links import LinkCodes
    from chatcli.server.security.tokens import Tokens
    from chatcli.server.state.invitations import Invitations
    from chatcli.server.state.membership import Membership
    from chatcli.server.state.moderation import Moderation
    from chatcli.server.state.name_changes import NameChanges
    from chatcli.server.state.presence import Presence
    from chatcli.server.state.room_events import RoomEvents
    from chatcli.server.state.rooms import Rooms
    from chatcli.server.state.users import Users
    from chatcli.server.throttle import Later
    from chatcli.store.batch import Outcome
    from chatcli.store.records import Leave, RoomRecord, SetOwner, SetTopic

REVOKED: Final = "The key of this device was revoked."
_REPLACED: Final = "An operator has given {} a new key: the one of this device is revoked."
_AT_ONCE: Final = 100  # connections that are closed in one tick of the loop


def key_ended(user: User, *, replaced: bool) -> str:
    """Return the sentence for those who are connected with a key that has ended."""
    return _REPLACED.format(user.name) if replaced else REVOKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Follows facts: changes memory as the log has changed, and sends events to those who are here.

    Attributes:
        users: all users.
        rooms: all rooms.
        membership: follows rooms and their members.
        moderation: follows decisions.
        invitations: follow those that are invitations to rooms.
        tokens: follow tokens.
        names: follow changes of the owners and keys of names.
        presence: knows who is here.
        link_codes: end with a key, whose device may have asked for one.
        bans: close the connections of those who are banned.
        room_events: send those in rooms the news.
        later: calls a function after a number of seconds.
    """

    users: Users
    rooms: Rooms
    membership: Membership
    moderation: Moderation
    invitations: Invitations
    tokens: Tokens
    names: NameChanges
    presence: Presence
    link_codes: LinkCodes
    bans: BanEnforcement
    room_events: RoomEvents
    later: Later

    def apply(self, fact: Fact, outcome: Outcome) -> None:
        """Follow a fact.

        Args:
            fact: the fact.
            outcome: the outcome of its record, which counts the connections that are closed.
        """
        cause: Connection | None = outcome.cause
        match fact:
            case UserRecord():
                self.users.add(fact)
            case KeyRecord():
                self.users.add_key(fact)
            case DropKey():
                self._drop_key(fact)
            case Rename():
                outcome.closed += self._rename(fact)
            case NameChangeRecord():
                self.names.apply(fact, cause)
            case TokenRecord() | UseToken() | DropToken():
                outcome.closed += self.tokens.apply(fact)
            case Ruling():
                self._rule(fact, cause)
            case Seen():
                self.presence.apply(fact)
            case _:
                self._follow_room(fact, cause)

    def _drop_key(self, fact: DropKey) -> None:
        user = self.users.get(fact.user)
        if user is not None:
            user.keys.pop(fact.key, None)
            self.link_codes.discard(user)
            text = key_ended(user, replaced=fact.why == "recovered")
            # After the answer, for which one of them may wait.
            self.later(0.0, lambda: slices.run(self.later, _close_sessions(user, fact.key, text)))

    def _rename(self, fact: Rename) -> int:
        """Give a user the name that is left to them; return the number of their connections, which are closed."""
        user = self.users.get(fact.user)
        if user is None:
            return 0
        text = f"The name {name_before_release(fact.name)} has been released by an operator."
        sessions = tuple(user.sessions)
        for session in sessions:  # before they lose the name, so that others learn under it that they have left
            session.close(codes.KICKED, text)
        self.users.rename(user, fact.name, fact.key)
        return len(sessions)

    def _rule(self, ruling: Ruling, cause: Connection | None) -> None:
        sanction = self.moderation.apply(ruling)
        if ruling.kind == "ban" and sanction is not None:
            self.bans.add(ruling.subject, sanction.reason)
        if not ruling.kind.startswith("room_"):
            return
        room_id, user_id = ids_of(ruling.subject)
        room, user = self.rooms.by_id(room_id), self.users.get(user_id)
        if room is None or user is None:  # the log is damaged
            return
        if ruling.kind == "room_invitation":
            by = None if sanction is None else self.users.get(sanction.by)
            self.invitations.apply(room, user, by)
        if ruling.event:
            self._send_event(ruling.event, room, user, ruling, cause)

    def _send_event(self, event: Happening, room: Room, user: User, ruling: Ruling, cause: Connection | None) -> None:
        send = self.room_events.notify if ruling.kind == "room_invitation" else self.room_events.broadcast
        notified = send(room, event, user, by=self.users.get(ruling.by), text=ruling.reason)
        if cause is not None and not cause.closed:
            cause.account.charge(notified * NOTIFIED)

    def _follow_room(
        self, fact: RoomRecord | SetTopic | MemberRecord | Leave | SetOwner, cause: Connection | None
    ) -> None:
        self.membership.apply(fact, cause)
        if isinstance(fact, MemberRecord):
            user = self.users.get(fact.user)
            if user is not None and self.presence.is_here(user):
                self.presence.send_notices()  # members know now that the user is here, and get the news when that ends


def _close_sessions(user: User, key: bytes, text: str) -> Iterator[None]:
    """Close the user's connections that have proved a key, in slices."""
    for sessions in slices.portions(tuple(user.sessions), _AT_ONCE):
        for session in sessions:
            if session.key == key:
                session.close(codes.KICKED, text)
        yield
