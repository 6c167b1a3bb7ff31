"""Moderation actions in a room, by its owners and by operators of the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.admin import MAX_REASON
from chatcli.server.handlers import answers
from chatcli.server.handlers.rooms import check_purpose
from chatcli.server.state.moderation import Kind, News, subject

if TYPE_CHECKING:
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import Room, User
    from chatcli.store.batch import OnOutcome

_MOST_OWNERS: Final = 100  # of one room: each of them is named in every list of rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAction:
    """A moderation action in a room.

    Attributes:
        session: the connection that asked for it.
        frame: the request.
        room: the room.
        by: the user who acts.
        target: the user on whom they act.
    """

    session: HubConnection
    frame: f.Operate
    room: Room
    by: User
    target: User

    @property
    def hub(self) -> Hub:
        """The hub."""
        return self.session.hub

    @property
    def subject(self) -> str:
        """The subject of sanctions of the target in the room."""
        return subject(self.room, self.target)

    def finish(self) -> OnOutcome:
        """Return the callback of the change, which answers."""
        return answers.done_when_stored(self.session, self.frame)

    def news(self, event: f.Happening) -> News:
        """Return the event that goes with the change."""
        return News(event, self.by.id, self.frame.reason)

    def lift(self, kind: Kind, event: f.Happening) -> None:
        """Lift a sanction of the target."""
        moderation, news = self.hub.moderation, self.news(event)
        moderation.lift(kind, self.subject, news=news, on_outcome=self.finish(), cause=self.session)

    def check_sanction(self, kind: Kind, what: str) -> None:
        """Raise unless there is a sanction of that kind to be lifted.

        Raises:
            Refused: there is none.
        """
        if self.hub.moderation.get(kind, self.subject) is None:
            raise Refused(codes.NOT_ALLOWED, f"{self.target.name} is not {what} {self.room.name}.")


def operate(session: HubConnection, frame: f.Operate) -> None:
    """Carry out a moderation action in a room.

    Raises:
        Refused: the user may not do that, or it makes no sense.
    """
    hub, user = session.hub, session.require_user()
    check_purpose(session)
    hub.moderation.check_mute(user)  # a reason is a text, too
    if len(frame.reason) > MAX_REASON:
        raise Refused(codes.TEXT_TOO_LONG, f"A reason has {MAX_REASON} characters at most.")
    room = hub.rooms.find(user, frame.room)
    if frame.do == "invite" and room.kind != "private":
        hub.permissions.check_member(room, user)
    else:
        hub.permissions.check_manage(room, user)
    target = hub.find_user(frame.to, user, or_room=False)
    ACTIONS[frame.do](RoomAction(session=session, frame=frame, room=room, by=user, target=target))


def _kick(action: RoomAction) -> None:
    action.hub.permissions.check_member(action.room, action.target)
    action.hub.membership.leave(
        action.room,
        action.target,
        "kicked",
        by=action.by,
        reason=action.frame.reason,
        on_outcome=action.finish(),
        cause=action.session,
    )


def _ban(action: RoomAction) -> None:
    hub, room, target, frame = action.hub, action.room, action.target, action.frame
    on_outcome = action.finish()
    if hub.moderation.get("room_invitation", action.subject) is not None:
        hub.invitations.end(room, target)
    hub.moderation.impose(
        "room_ban",
        action.subject,
        seconds=frame.seconds,
        reason=frame.reason,
        news=action.news("banned"),
        cause=action.session,
    )
    hub.membership.leave(room, target, "", on_outcome=on_outcome)  # they may not be a member yet: it is being written


def _unban(action: RoomAction) -> None:
    action.check_sanction("room_ban", "banned from")
    action.lift("room_ban", "unbanned")


def _mute(action: RoomAction) -> None:
    action.hub.moderation.impose(
        "room_mute",
        action.subject,
        seconds=action.frame.seconds,
        reason=action.frame.reason,
        news=action.news("muted"),
        on_outcome=action.finish(),
        cause=action.session,
    )


def _unmute(action: RoomAction) -> None:
    action.check_sanction("room_mute", "muted in")
    action.lift("room_mute", "unmuted")


def _invite(action: RoomAction) -> None:
    hub, room, target = action.hub, action.room, action.target
    if target in room.members:
        raise Refused(codes.NOT_ALLOWED, f"{target.name} belongs to {room.name} already.")
    if hub.moderation.get("room_ban", action.subject) is not None:
        raise Refused(codes.NOT_ALLOWED, f"{target.name} is banned from {room.name}: unban them first.")
    hub.invitations.check(room, target, action.by)
    reason, on_outcome = action.frame.reason, action.finish()
    hub.invitations.give(room, target, action.by, reason=reason, on_outcome=on_outcome, cause=action.session)


def _uninvite(action: RoomAction) -> None:
    action.check_sanction("room_invitation", "invited to")
    action.lift("room_invitation", "uninvited")


def _make_owner(action: RoomAction) -> None:
    hub, room, target = action.hub, action.room, action.target
    hub.permissions.check_member(room, target)
    if target in room.owners:
        raise Refused(codes.NOT_ALLOWED, f"{target.name} owns {room.name} already.")
    if len(room.owners) >= _MOST_OWNERS:
        text = f"{room.name} has {_MOST_OWNERS} owners, and can have no more: remove one of them first, with disown."
        raise Refused(codes.TOO_MANY, text)
    _set_owner(action, owner=True)


def _disown(action: RoomAction) -> None:
    room, target = action.room, action.target
    if target not in room.owners:
        raise Refused(codes.NOT_ALLOWED, f"{target.name} does not own {room.name}.")
    if room.owners == {target}:
        text = f"{target.name} is the only owner of {room.name}: make somebody else an owner first."
        raise Refused(codes.NOT_ALLOWED, text)
    _set_owner(action, owner=False)


def _set_owner(action: RoomAction, *, owner: bool) -> None:
    action.hub.membership.set_owner(
        action.room,
        action.target,
        owner=owner,
        by=action.by,
        reason=action.frame.reason,
        on_outcome=action.finish(),
        cause=action.session,
    )


ACTIONS: Final[dict[f.Operation, Callable[[RoomAction], None]]] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _unban,
    "mute": _mute,
    "unmute": _unmute,
    "invite": _invite,
    "uninvite": _uninvite,
    "own": _make_owner,
    "disown": _disown,
}
