"""Reading back: history, search, and how far others have read. Everyone sees what they may see, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from chatcli.errors import ChatError, Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import raw
from chatcli.protocol.names import is_room
from chatcli.server import slices
from chatcli.server.model import Room
from chatcli.server.security.prices import LISTED
from chatcli.server.state.receipts import receipt
from chatcli.store import question_data
from chatcli.store.queries import (
    HistoryQuery,
    NewestQuery,
    OnResult,
    Page,
    Question,
    QuestionQuery,
    SearchQuery,
    Unread,
    UnreadQuery,
)
from chatcli.store.records import MessageRow

if TYPE_CHECKING:
    from msgspec import Raw

    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import User

_ROOMS: Final = 500  # in one answer
_SHARED: Final = 1000  # milliseconds
_AT_ONCE: Final = 300  # people who are listed in one turn of the loop
_ROOMS_AT_ONCE: Final = 50  # each may have a hundred owners, who are named

Found = TypeVar("Found")


def _whom(session: HubConnection, user: User, spelling: str) -> User | Room:
    """Return the person, or the room that the user may read, of that name.

    Raises:
        Refused: there is none.
    """
    if not is_room(spelling):
        return session.hub.find_user(spelling, user)
    room = session.hub.rooms.find(user, spelling)
    session.hub.rooms.check_read(room, user)
    return room


def _read(
    session: HubConnection,
    frame: f.ClientFrame,
    read: Callable[[OnResult[Found]], None],
    make: Callable[[Found], f.ServerFrame | Refused],
) -> None:
    """Read something of the log, behind what the session has said itself, and answer with what is made of it.

    Args:
        session: who asks.
        frame: what they have asked.
        read: starts the reading, given what to call at its end.
        make: makes the answer, or says why there is none.
    """

    def done(found: Found | None, error: ChatError | None) -> None:
        assert found is not None or error is not None  # noqa: S101 (what the log promises)
        session.answer(frame, make(found) if found is not None else error or ChatError())

    _behind_own(session, lambda: read(done))


def _behind_own(session: HubConnection, read: Callable[[], None]) -> None:
    """Have a session wait, and read once what it has said itself is written."""
    if session.suspend():
        session.hub.after_flush(lambda: None if session.closed else read())
    else:
        read()


def _history(session: HubConnection, frame: f.History) -> None:
    hub, user = session.hub, session.require_user()
    of = _whom(session, user, frame.of)
    query = HistoryQuery(
        user=user.id,
        of=of.id,
        limit=frame.limit,
        before=frame.before,
        since=frame.since,
        own=isinstance(of, Room) and of.kind == "private",
    )

    def make(page: Page) -> f.ServerFrame:
        return f.HistoryPage(of.name, [hub.message(row) for row in page.rows], page.more, frame.n)

    _read(session, frame, lambda done: hub.log.read(query, done), make)


def _search(session: HubConnection, frame: f.Search) -> None:
    hub, user = session.hub, session.require_user()
    within = _whom(session, user, frame.where).id if frame.where else None
    sender = hub.find_user(frame.sender, user, or_room=False).id if frame.sender else None
    rooms = hub.rooms.readable(user)
    query = SearchQuery(
        user=user.id,
        words=frame.text,
        rooms=rooms,
        limit=frame.limit,
        within=within,
        sender=sender,
        before=frame.before,
    )

    def make(page: Page) -> f.ServerFrame:
        return f.Found([hub.message(row) for row in page.rows], page.more, frame.n)

    _read(session, frame, lambda done: hub.log.read(query, done), make)


def _rooms(session: HubConnection, frame: f.Rooms) -> None:
    hub, user = session.hub, session.require_user()
    if frame.room:  # they may know of one that they are invited to, and find() takes part in it
        rooms, more = [hub.rooms.seen(user, frame.room) or hub.rooms.find(user, frame.room)], False
    else:
        rooms = hub.rooms.seen_by(user, frame.after.casefold(), _ROOMS + 1)
        more = len(rooms) > _ROOMS
        del rooms[_ROOMS:]

    def list_them(newest: dict[int, MessageRow]) -> Iterator[None]:
        listed: list[Raw] = []
        for portion in slices.portions(rooms, _ROOMS_AT_ONCE):
            listed.extend(raw(info(hub, room, user, newest)) for room in portion)
            yield
        session.answer(frame, f.RoomList(cast("list[f.RoomInfo]", listed), more, frame.n))

    def told(newest: dict[int, MessageRow] | None, error: ChatError | None) -> None:
        if newest is None:
            session.answer(frame, error or ChatError())
        else:
            slices.run(hub.later, list_them(newest))

    _behind_own(session, lambda: read_last(hub, rooms, user, told))


def read_last(hub: Hub, rooms: list[Room], user: User, done: OnResult[dict[int, MessageRow]]) -> None:
    """Read what was last said in rooms, as far as a user may read it: of private ones what they were there for."""
    own = [room.id for room in rooms if room.kind == "private"]
    hub.log.read(NewestQuery(user=user.id, rooms=[room.id for room in rooms], own=own), done)


def info(hub: Hub, room: Room, user: User, newest: dict[int, MessageRow]) -> f.RoomInfo:
    """Return what a user is told of a room, given what :func:`read_last` has found."""
    row = newest.get(room.id)
    told = row is not None and hub.rooms.reads(room, user, row.seq, was_there=True)
    return hub.rooms.info(room, user, hub.message(row) if row is not None and told else None)


def _receipts(session: HubConnection, frame: f.Receipts) -> None:
    user = session.require_user()
    to = _whom(session, user, frame.to)
    if isinstance(to, Room):
        _receipts_of_room(session, frame, to)
    else:
        _receipts_of_user(session, frame, user, to)


def _receipts_of_room(session: HubConnection, frame: f.Receipts, room: Room) -> None:
    hub, user = session.hub, session.require_user()

    def list_them() -> Iterator[None]:
        people: list[Raw] = []
        for portion in slices.portions(tuple(room.members), _AT_ONCE):
            others = (member for member in portion if member is not user and member in room.members)
            people.extend(raw(receipt(member, room)) for member in others)
            yield
        session.answer(frame, f.ReceiptList(room.name, cast("list[f.Receipt]", people), frame.n))

    def told(newest: dict[int, MessageRow] | None, error: ChatError | None) -> None:
        if newest is None:
            session.answer(frame, error or ChatError())
            return
        if room.id in newest:
            room.newest = max(room.newest, newest[room.id].seq)
        slices.run(hub.later, list_them())

    if frame.watch:
        hub.receipts.watch(session, room)
    session.account.charge(len(room.members) * LISTED)
    _behind_own(session, lambda: hub.log.read(NewestQuery(user=user.id, rooms=[room.id]), told))


def _receipts_of_user(session: HubConnection, frame: f.Receipts, user: User, other: User) -> None:
    hub = session.hub
    # Not how far they have read everything: only of what was said with whoever asks.
    shown = HistoryQuery(user=user.id, of=other.id, limit=1, before=other.public_cursor + 1)

    def answered(page: Page) -> f.ServerFrame:
        seq = page.rows[-1].seq if page.rows else 0
        return f.ReceiptList(other.name, [f.Receipt(other.name, seq)], frame.n)

    def watching(page: Page | None, _error: ChatError | None) -> None:
        """Have the user told of what the server would have told them, had it not been started since."""
        if page is not None and page.rows and page.rows[-1].seq > other.public_cursor:
            hub.receipts.owe(other, user, page.rows[-1].seq)

    if frame.watch:
        hub.log.read(HistoryQuery(user=user.id, of=other.id, limit=1), watching)
    _read(session, frame, lambda done: hub.log.read(shown, done), answered)


def _answers(session: HubConnection, frame: f.Answers) -> None:
    hub, user, seq = session.hub, session.require_user(), frame.re

    def make(found: list[Question]) -> f.ServerFrame | Refused:
        until = question_data.decode(found[0].row.extra).until if found else None
        meanwhile = hub.questions.answered_meanwhile(session, seq, until)
        refusal = _check_asked(session, user, seq, found)
        if refusal is not None:
            hub.questions.stop(session, seq)
            return refusal
        answer = found[0].answer
        if answer is None:
            return f.Answered(seq, meanwhile, frame.n)
        hub.questions.stop(session, seq)
        return f.Answered(seq, hub.message(answer), frame.n)

    def read(done: OnResult[list[Question]]) -> None:
        def told(found: list[Question] | None, error: ChatError | None) -> None:
            if found is None:
                hub.questions.stop(session, seq)
            done(found, error)

        hub.log.read(QuestionQuery(user=user.id, seq=seq), told)

    hub.questions.wait(session, seq)  # first, so that what is answered while the log is read is not missed
    _read(session, frame, read, make)


def _check_asked(session: HubConnection, user: User, seq: int, found: list[Question]) -> Refused | None:
    """Return why someone is not told what a question was answered with; None if it is theirs."""
    row = found[0].row if found else None
    sees = row is not None and session.hub.sees(user, row.sender, row.recipient, seq)
    if row is None or not sees or not question_data.decode(row.extra).choices:
        return Refused(codes.INVALID, f"You have asked no question {seq}: it is the seq of one.")
    if row.sender != user.id:
        return Refused(codes.NOT_ALLOWED, "Only who has asked that can wait for the answer.")
    return None


def _unread(session: HubConnection, frame: f.Unread) -> None:
    hub, user = session.hub, session.require_user()
    cursor = user.cursor

    def name_of(identity: int) -> str:
        return hub.rooms.name_of(identity) if identity < 0 else hub.directory.name_of(identity)

    def make(found: list[Unread]) -> f.ServerFrame:
        return f.UnreadList(cursor, [f.UnreadCount(name_of(one.of), one.count, one.newest) for one in found], frame.n)

    def read(done: OnResult[list[Unread]]) -> None:
        now = hub.clock() // _SHARED * _SHARED  # who asks within the same time shares the count
        hub.counting.count(hub.log.read, UnreadQuery(user=user.id, after=cursor, now=now), done)

    _read(session, frame, read, make)


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {
    f.History: _history,
    f.Search: _search,
    f.Rooms: _rooms,
    f.Receipts: _receipts,
    f.Answers: _answers,
    f.Unread: _unread,
}
