"""Entering and leaving rooms, and what their owners do in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chatcli.errors import ChatError, InputError, Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.admin import MAX_REASON
from chatcli.protocol.names import check_room_name
from chatcli.server.handlers import history as reading
from chatcli.server.security.prices import TOLD
from chatcli.server.state.moderation import Kind, subject
from chatcli.server.state.rooms import MAX_TOPIC
from chatcli.store.records import MessageRow, OnWritten

if TYPE_CHECKING:
    from chatcli.server.hub import HubConnection
    from chatcli.server.model import Room, User

_MOST_OWNERS: Final = 100  # of one room: each of them is named in every list of rooms
_CANNOT_WRITE: Final = (
    "The server cannot write its log, so nothing was changed. Tell its operator, and try again later."
)

_Frame = f.Join | f.Leave | f.Topic | f.Operate


def _answering(session: HubConnection, frame: _Frame, finish: Callable[[], f.ServerFrame]) -> OnWritten:
    """Have a session wait; return what the log is to call: it finishes what was asked for, or says why it cannot be."""

    def settled(error: StoreError | None) -> None:
        session.answer(frame, finish() if error is None else Refused(codes.STORAGE, _CANNOT_WRITE))

    session.suspend()
    return settled


def _join(session: HubConnection, frame: f.Join) -> None:
    hub, user = session.hub, session.require_user()
    _check_purpose(session)
    try:
        name = check_room_name(frame.room)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None
    room = hub.rooms.claimed(name)
    if room is not None and room.pending:
        # Whether it will be there, and whose it is, is known once it is written.
        session.suspend()
        hub.after_flush(lambda: None if session.closed else session.retry(frame))
        return
    if room is None or user not in room.members:
        hub.rooms.check_number(user)
    if room is None:
        hub.rulings.check_mute(user.key)
        hub.allowances.take_name(session.host)
        room = hub.rooms.create(name, frame.kind or "open")
    elif user not in room.members:
        hub.rooms.check_enter(room, user)
    hub.rooms.check_kind(room, frame.kind)
    _Entering(session, frame, room, user).start()


class _Entering:
    """A ``join`` on its way: answered once it is written, and once it is known what was last said in the room.

    The latter is read meanwhile, so that next to nothing that is said in the room comes before the answer.
    """

    def __init__(self, session: HubConnection, frame: f.Join, room: Room, user: User) -> None:
        self._session = session
        self._frame = frame
        self._room = room
        self._user = user
        self._since: int | None = None
        self._newest: dict[int, MessageRow] | None = None

    def start(self) -> None:
        """Enter, unless the user belongs to the room already, and read."""
        hub, room = self._session.hub, self._room
        if self._session.suspend():
            hub.after_flush(self._read)
        else:
            self._read()
        if self._user in room.members:
            self._since = room.members[self._user]
        else:
            hub.rooms.enter(room, self._user, self._written)

    def _read(self) -> None:
        reading.read_last(self._session.hub, [self._room], self._user, self._found)

    def _found(self, newest: dict[int, MessageRow] | None, _error: ChatError | None) -> None:
        self._newest = newest or {}  # what cannot be read is left out: the user has entered all the same
        self._finish()

    def _written(self, error: StoreError | None) -> None:
        hub, room, user = self._session.hub, self._room, self._user
        if error is not None:
            self._session.answer(self._frame, Refused(codes.STORAGE, _CANNOT_WRITE))
            return
        hub.presence.tell()  # those in the room know from now on that they are here, and are to hear when they go
        self._session.account.charge(hub.notices.tell(room, "joined", user, besides=self._session) * TOLD)
        self._since = room.members.get(user, hub.rooms.delivered_seq)
        self._finish()

    def _finish(self) -> None:
        if self._since is not None and self._newest is not None:
            info = reading.info(self._session.hub, self._room, self._user, self._newest)
            self._session.answer(self._frame, f.Room(info, self._since, self._frame.n))


def _check_purpose(session: HubConnection) -> None:
    if session.purpose == "query":
        raise Refused(codes.NOT_ALLOWED, "A query only asks; say hello with another purpose.")


def _leave(session: HubConnection, frame: f.Leave) -> None:
    hub, user = session.hub, session.require_user()
    _check_purpose(session)
    invitation = hub.rooms.invitation(user, frame.room)
    if invitation is not None:
        hub.rooms.invitations.end(invitation, user, _answering(session, frame, lambda: f.Done(frame.n)))
        return
    room = hub.rooms.find(user, frame.room)
    _check_member(room, user)

    def left() -> f.ServerFrame:
        session.account.charge(hub.notices.tell(room, "left", user, besides=session) * TOLD)
        return f.Done(frame.n)

    hub.rooms.leave(room, user, _answering(session, frame, left))


def _check_member(room: Room, user: User) -> None:
    if user not in room.members:
        raise Refused(codes.NOT_ALLOWED, f"{user.name} does not belong to {room.name}.")


def _topic(session: HubConnection, frame: f.Topic) -> None:
    hub, user = session.hub, session.require_user()
    _check_purpose(session)
    hub.rulings.check_mute(user.key)
    room = hub.rooms.find(user, frame.room)
    if room.kind == "announcement" or user not in room.members:
        hub.rooms.check_rule(room, user)
    hub.rooms.check_write(room, user)
    if len(frame.text) > MAX_TOPIC:
        text = f"A topic has {MAX_TOPIC} characters at most; this one has {len(frame.text)}."
        raise Refused(codes.TEXT_TOO_LONG, text)

    def done() -> f.ServerFrame:
        told = hub.notices.tell(room, "topic", by=user, text=frame.text, besides=session)
        session.account.charge(told * TOLD)
        return f.Done(frame.n)

    hub.rooms.set_topic(room, frame.text, _answering(session, frame, done))


class _Deed(NamedTuple):
    """What someone does to someone in a room."""

    session: HubConnection
    frame: f.Operate
    room: Room
    by: User
    whom: User

    def told(self, what: f.Happening) -> OnWritten:
        """Return what the log is to call: members and whom it meets are told, and it is answered."""

        def finish() -> f.ServerFrame:
            told = self.session.hub.notices.tell(self.room, what, self.whom, self.by, self.frame.reason)
            self.session.account.charge(told * TOLD)
            return f.Done(self.frame.n)

        return _answering(self.session, self.frame, finish)

    def told_to_them(self, what: f.Happening) -> OnWritten:
        """Do as :meth:`told`, but tell only whom it meets."""

        def finish() -> f.ServerFrame:
            told = self.session.hub.notices.tell_user(self.room, what, self.whom, self.by, self.frame.reason)
            self.session.account.charge(told * TOLD)
            return f.Done(self.frame.n)

        return _answering(self.session, self.frame, finish)


def operate(session: HubConnection, frame: f.Operate) -> None:
    """Carry out what the owner of a room, or an operator of the server, does there.

    Raises:
        Refused: the user may not, or it makes no sense.
    """
    hub, user = session.hub, session.require_user()
    _check_purpose(session)
    hub.rulings.check_mute(user.key)  # a reason is a text, too
    if len(frame.reason) > MAX_REASON:
        raise Refused(codes.TEXT_TOO_LONG, f"A reason has {MAX_REASON} characters at most.")
    room = hub.rooms.find(user, frame.room)
    if frame.do == "invite" and room.kind != "private":
        _check_member(room, user)
    else:
        hub.rooms.check_rule(room, user)
    _DEEDS[frame.do](_Deed(session, frame, room, user, hub.find_user(frame.to, user, or_room=False)))


def _kick(deed: _Deed) -> None:
    _check_member(deed.room, deed.whom)
    deed.session.hub.rooms.leave(deed.room, deed.whom, deed.told("kicked"))


def _ban(deed: _Deed) -> None:
    hub, room, whom, frame = deed.session.hub, deed.room, deed.whom, deed.frame
    settled = deed.told("banned")
    hub.rooms.invitations.end(room, whom)
    hub.rulings.make("room_ban", subject(room, whom), seconds=frame.seconds, reason=frame.reason)
    hub.rooms.leave(room, whom, settled)  # they may just be on their way in


def _unban(deed: _Deed) -> None:
    _check_ruling(deed, "room_ban", "banned from")
    deed.session.hub.rulings.lift("room_ban", subject(deed.room, deed.whom), settled=deed.told("unbanned"))


def _mute(deed: _Deed) -> None:
    frame = deed.frame
    deed.session.hub.rulings.make(
        "room_mute",
        subject(deed.room, deed.whom),
        seconds=frame.seconds,
        reason=frame.reason,
        settled=deed.told("muted"),
    )


def _unmute(deed: _Deed) -> None:
    _check_ruling(deed, "room_mute", "muted in")
    deed.session.hub.rulings.lift("room_mute", subject(deed.room, deed.whom), settled=deed.told("unmuted"))


def _invite(deed: _Deed) -> None:
    if deed.whom in deed.room.members:
        raise Refused(codes.NOT_ALLOWED, f"{deed.whom.name} belongs to {deed.room.name} already.")
    hub = deed.session.hub
    if hub.rulings.get("room_ban", subject(deed.room, deed.whom)) is not None:
        raise Refused(codes.NOT_ALLOWED, f"{deed.whom.name} is banned from {deed.room.name}: unban them first.")
    hub.rooms.invitations.check(deed.room, deed.whom, deed.by)
    hub.rooms.invitations.give(deed.room, deed.whom, deed.by, deed.told_to_them("invited"))


def _check_ruling(deed: _Deed, kind: Kind, what: str) -> None:
    if deed.session.hub.rulings.get(kind, subject(deed.room, deed.whom)) is None:
        raise Refused(codes.NOT_ALLOWED, f"{deed.whom.name} is not {what} {deed.room.name}.")


def _uninvite(deed: _Deed) -> None:
    _check_ruling(deed, "room_invitation", "invited to")
    deed.session.hub.rooms.invitations.end(deed.room, deed.whom, deed.told_to_them("uninvited"))


def _own(deed: _Deed) -> None:
    _check_member(deed.room, deed.whom)
    if deed.whom in deed.room.owners:
        raise Refused(codes.NOT_ALLOWED, f"{deed.whom.name} owns {deed.room.name} already.")
    if len(deed.room.owners) >= _MOST_OWNERS:
        text = f"{_MOST_OWNERS} people own {deed.room.name}, and no more can: take it from somebody first, with disown."
        raise Refused(codes.TOO_MANY, text)
    deed.session.hub.rooms.own(deed.room, deed.whom, owner=True, settled=deed.told("owner"))


def _disown(deed: _Deed) -> None:
    if deed.whom not in deed.room.owners:
        raise Refused(codes.NOT_ALLOWED, f"{deed.whom.name} does not own {deed.room.name}.")
    if deed.room.owners == {deed.whom}:
        text = f"{deed.whom.name} is the only one who owns {deed.room.name}: have somebody else own it first."
        raise Refused(codes.NOT_ALLOWED, text)
    deed.session.hub.rooms.own(deed.room, deed.whom, owner=False, settled=deed.told("disowned"))


_DEEDS: Final[dict[f.Operation, Callable[[_Deed], None]]] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _unban,
    "mute": _mute,
    "unmute": _unmute,
    "invite": _invite,
    "uninvite": _uninvite,
    "own": _own,
    "disown": _disown,
}


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {f.Join: _join, f.Leave: _leave, f.Topic: _topic}
