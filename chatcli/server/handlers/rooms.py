"""Handlers for rooms: entering and leaving, topics, and the list of rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from chatcli.errors import ChatError, InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import raw
from chatcli.protocol.values.names import check_room_name
from chatcli.server import slices
from chatcli.server.handlers import answers
from chatcli.server.refusals import not_stored
from chatcli.store.queries import NewestQuery, OnResult

if TYPE_CHECKING:
    from msgspec import Raw

    from chatcli.protocol.values.names import Name
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import Room, User
    from chatcli.store.batch import Outcome
    from chatcli.store.records import MessageRow

_MAX_TOPIC: Final = 500  # characters
_ROOMS: Final = 500  # in one answer
_AT_ONCE: Final = 50  # rooms that are encoded in one tick: each may have a hundred owners, who are named


def check_purpose(session: HubConnection) -> None:
    """Raise unless the purpose of a connection includes changes.

    Raises:
        Refused: the connection is a query.
    """
    if session.purpose == "query":
        raise Refused(codes.NOT_ALLOWED, "A query only asks; say hello with another purpose.")


def _join(session: HubConnection, frame: f.Join) -> None:
    hub, user = session.hub, session.require_user()
    check_purpose(session)
    try:
        name = check_room_name(frame.room)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None
    room = hub.rooms.by_name(name)
    if room is None or user not in room.members:
        hub.permissions.check_count(user)
    if room is None:
        hub.moderation.check_mute(user)  # the name of a room is a text, too
        hub.rate_limits.record_name(session.caller)
        _found(session, frame, name)
        return
    if user not in room.members:
        hub.permissions.check_enter(room, user)
    hub.permissions.check_kind(room, frame.kind)
    _Entry(session, frame, room, user).start()


def _found(session: HubConnection, frame: f.Join, name: Name) -> None:
    """Make a room; one that somebody else makes at the same time is entered."""
    hub, user = session.hub, session.require_user()

    def finish(outcome: Outcome) -> None:
        room = hub.rooms.by_key(name.key)
        if outcome.accepted and room is not None:
            since = room.members.get(user, hub.rooms.delivered_seq)
            session.answer(frame, f.Room(hub.rooms.info(room, user), since, frame.n))
        elif outcome.conflict == "taken" and room is not None and not session.closed:
            session.retry(frame)
        else:
            session.answer(frame, not_stored(outcome))

    session.suspend()
    created, kind = hub.clock(), frame.kind or "open"
    hub.membership.create(name, kind, created, founder=user, on_outcome=finish, cause=session)


class _Entry:
    """A user's entry into a room. The answer waits until it is written and the room's last message was read.

    Both happen at the same time, so that hardly any message of the room reaches the user before the answer.
    """

    def __init__(self, session: HubConnection, frame: f.Join, room: Room, user: User) -> None:
        self._session = session
        self._frame = frame
        self._room = room
        self._user = user
        self._since: int | None = None
        self._newest: dict[int, MessageRow] | None = None

    def start(self) -> None:
        """Enter the room, unless the user is a member already, and read its last message."""
        hub, room = self._session.hub, self._room
        if self._session.suspend():
            hub.after_flush(self._read)
        else:
            self._read()
        if self._user in room.members:
            self._since = room.members[self._user]
        else:
            hub.membership.enter(room, self._user, self._stored, self._session)

    def _read(self) -> None:
        _read_newest(self._session.hub, [self._room], self._user, self._found)

    def _found(self, newest: dict[int, MessageRow] | None, _error: ChatError | None) -> None:
        self._newest = newest or {}  # the user has entered the room, also if its last message cannot be read
        self._finish()

    def _stored(self, outcome: Outcome) -> None:
        if outcome.accepted:
            self._since = self._room.members.get(self._user, self._session.hub.rooms.delivered_seq)
            self._finish()
        else:
            self._session.answer(self._frame, not_stored(outcome))

    def _finish(self) -> None:
        if self._since is not None and self._newest is not None:
            info = _info(self._session.hub, self._room, self._user, self._newest)
            self._session.answer(self._frame, f.Room(info, self._since, self._frame.n))


def _leave(session: HubConnection, frame: f.Leave) -> None:
    hub, user = session.hub, session.require_user()
    check_purpose(session)
    invitation = hub.rooms.find_invited(user, frame.room)
    if invitation is not None:
        hub.invitations.end(invitation, user, on_outcome=answers.done_when_stored(session, frame), cause=session)
        return
    room = hub.rooms.find(user, frame.room)
    hub.permissions.check_member(room, user)
    hub.membership.leave(room, user, on_outcome=answers.done_when_stored(session, frame), cause=session)


def _topic(session: HubConnection, frame: f.Topic) -> None:
    hub, user = session.hub, session.require_user()
    check_purpose(session)
    hub.moderation.check_mute(user)
    room = hub.rooms.find(user, frame.room)
    if room.kind == "announcement" or user not in room.members:
        hub.permissions.check_manage(room, user)
    hub.permissions.check_write(room, user)
    if len(frame.text) > _MAX_TOPIC:
        text = f"A topic has {_MAX_TOPIC} characters at most; this one has {len(frame.text)}."
        raise Refused(codes.TEXT_TOO_LONG, text)
    hub.membership.set_topic(room, frame.text, user, answers.done_when_stored(session, frame), session)


def _rooms(session: HubConnection, frame: f.Rooms) -> None:
    hub, user = session.hub, session.require_user()
    if frame.room:  # also one to which the user is invited, which find() refuses
        rooms, more = [hub.rooms.find_visible(user, frame.room) or hub.rooms.find(user, frame.room)], False
    elif session.token is not None and session.token.places is not None:
        rooms, more = hub.rooms.visible_among(session.token.places, user, frame.after.casefold()), False
    else:
        rooms = hub.rooms.page(user, frame.after.casefold(), _ROOMS + 1)
        more = len(rooms) > _ROOMS
        del rooms[_ROOMS:]

    def list_rooms(newest: dict[int, MessageRow]) -> Iterator[None]:
        listed: list[Raw] = []
        for portion in slices.portions(rooms, _AT_ONCE):
            listed.extend(raw(_info(hub, room, user, newest)) for room in portion)
            yield
        session.answer(frame, f.RoomList(cast("list[f.RoomInfo]", listed), more, frame.n))

    def answer(newest: dict[int, MessageRow] | None, error: ChatError | None) -> None:
        if newest is None:
            session.answer(frame, error or ChatError())
        else:
            slices.run(hub.later, list_rooms(newest))

    answers.after_own_messages(session, lambda: _read_newest(hub, rooms, user, answer))


def _read_newest(hub: Hub, rooms: list[Room], user: User, on_result: OnResult[dict[int, MessageRow]]) -> None:
    """Read the newest message of each room; of private ones, the newest from the time of the user's membership."""
    own = [room.id for room in rooms if room.kind == "private"]
    hub.log.read(NewestQuery(user=user.id, rooms=[room.id for room in rooms], own=own), on_result)


def _info(hub: Hub, room: Room, user: User, newest: dict[int, MessageRow]) -> f.RoomInfo:
    row = newest.get(room.id)
    visible = row is not None and hub.permissions.may_read(room, user, row.seq, was_there=True)
    return hub.rooms.info(room, user, hub.to_frame(row) if row is not None and visible else None)


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {
    f.Join: _join,
    f.Leave: _leave,
    f.Topic: _topic,
    f.Rooms: _rooms,
}
