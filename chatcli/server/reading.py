"""Reading back: history, search, and how far others have read. Everyone sees what they may see, and no more."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from chatcli.errors import ChatError
from chatcli.protocol import frames as f
from chatcli.protocol.names import is_room
from chatcli.server.receipts import receipt
from chatcli.server.rooms import Room
from chatcli.store.log import Done, HistoryQuery, MessageRow, Page, SearchQuery

if TYPE_CHECKING:
    from chatcli.server.directory import User
    from chatcli.server.session import Session

_ROOMS: Final = 500  # in one answer

Found = TypeVar("Found")


def _whom(session: Session, user: User, spelling: str) -> User | Room:
    """Return the person, or the room that the user may read, of that name.

    Raises:
        Refused: there is none.
    """
    if not is_room(spelling):
        return session.hub.find_user(spelling)
    room = session.hub.rooms.find(user, spelling)
    session.hub.rooms.check_read(room, user)
    return room


def _read(
    session: Session, frame: f.ClientFrame, read: Callable[[Done[Found]], None], make: Callable[[Found], f.ServerFrame]
) -> None:
    """Read something of the log, behind what the session has said itself, and answer with what is made of it.

    Args:
        session: who asks.
        frame: what they have asked.
        read: starts the reading, given what to call at its end.
        make: makes the answer.
    """

    def done(found: Found | None, error: ChatError | None) -> None:
        assert found is not None or error is not None  # noqa: S101 (what the log promises)
        session.answer(frame, make(found) if found is not None else error or ChatError())

    if session.wait():
        session.hub.when_written(lambda: None if session.closed else read(done))
    else:
        read(done)


def _history(session: Session, frame: f.History) -> None:
    hub, user = session.hub, session.own()
    of = _whom(session, user, frame.of)
    query = HistoryQuery(
        user.id, of.id, frame.limit, frame.before, frame.since, own=isinstance(of, Room) and of.kind == "private"
    )

    def make(page: Page) -> f.ServerFrame:
        return f.HistoryPage(of.name, [hub.message(row) for row in page.rows], page.more, frame.n)

    _read(session, frame, lambda done: hub.log.read_history(query, done), make)


def _search(session: Session, frame: f.Search) -> None:
    hub, user = session.hub, session.own()
    within = _whom(session, user, frame.where).id if frame.where else None
    sender = hub.find_user(frame.sender).id if frame.sender else None
    rooms = hub.rooms.readable(user)
    query = SearchQuery(user.id, frame.text, rooms, frame.limit, within, sender, frame.before)

    def make(page: Page) -> f.ServerFrame:
        return f.Found([hub.message(row) for row in page.rows], page.more, frame.n)

    _read(session, frame, lambda done: hub.log.search(query, done), make)


def _rooms(session: Session, frame: f.Rooms) -> None:
    hub, user = session.hub, session.own()
    if frame.room:
        rooms, more = [hub.rooms.find(user, frame.room)], False
    else:
        seen = (room for room in hub.rooms.seen_by(user) if room.key > frame.after.casefold())
        rooms = heapq.nsmallest(_ROOMS + 1, seen, key=lambda room: room.key)
        more = len(rooms) > _ROOMS
        del rooms[_ROOMS:]

    def info(room: Room, newest: MessageRow | None) -> f.RoomInfo:
        told = newest is not None and hub.rooms.reads(room, user, newest.seq)
        return hub.rooms.info(room, user, hub.message(newest) if newest is not None and told else None)

    def make(newest: dict[int, MessageRow]) -> f.ServerFrame:
        return f.RoomList([info(room, newest.get(room.id)) for room in rooms], more, frame.n)

    _read(session, frame, lambda done: hub.log.read_newest([room.id for room in rooms], done), make)


def _receipts(session: Session, frame: f.Receipts) -> None:
    user = session.own()
    to = _whom(session, user, frame.to)
    if isinstance(to, Room):
        _receipts_of_room(session, frame, to)
    else:
        _receipts_of_user(session, frame, user, to)


def _receipts_of_room(session: Session, frame: f.Receipts, room: Room) -> None:
    hub = session.hub

    def make(newest: dict[int, MessageRow]) -> f.ServerFrame:
        if room.id in newest:
            room.newest = max(room.newest, newest[room.id].seq)
        members = (member for member in room.members if member is not session.user)
        people = [receipt(member, room) for member in members]
        return f.ReceiptList(room.name, people, frame.n)

    if frame.watch:
        hub.receipts.watch(session, room)
    _read(session, frame, lambda done: hub.log.read_newest([room.id], done), make)


def _receipts_of_user(session: Session, frame: f.Receipts, user: User, other: User) -> None:
    hub = session.hub
    # Not how far they have read everything: only of what was said with whoever asks.
    shown = HistoryQuery(user.id, other.id, 1, other.shown + 1)

    def answered(page: Page) -> f.ServerFrame:
        seq = page.rows[-1].seq if page.rows else 0
        return f.ReceiptList(other.name, [f.Receipt(other.name, seq)], frame.n)

    def watching(page: Page | None, _error: ChatError | None) -> None:
        """Have the user told of what the server would have told them, had it not been started since."""
        if page is not None and page.rows and page.rows[-1].seq > other.shown:
            hub.receipts.owe(other, user, page.rows[-1].seq)

    if frame.watch:
        hub.log.read_history(HistoryQuery(user.id, other.id, 1), watching)
    _read(session, frame, lambda done: hub.log.read_history(shown, done), answered)


HANDLERS: Final[dict[type, Callable[[Session, Any], None]]] = {
    f.History: _history,
    f.Search: _search,
    f.Rooms: _rooms,
    f.Receipts: _receipts,
}
