"""Handlers that read the log back: history, search, receipts, and answers to questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from chatcli.errors import ChatError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import raw
from chatcli.protocol.values.names import is_room
from chatcli.server import slices
from chatcli.server.handlers import answers
from chatcli.server.model import Room, User
from chatcli.server.security.prices import LISTED
from chatcli.server.state.read_positions import public_up_to
from chatcli.server.state.receipts import positions_in, read_places, receipt
from chatcli.store import question_data
from chatcli.store.queries import (
    HistoryQuery,
    NewestQuery,
    OnResult,
    Page,
    Question,
    QuestionQuery,
    SearchQuery,
)

if TYPE_CHECKING:
    from chatcli.server.hub import HubConnection
    from chatcli.store.records import MessageRow

_AT_ONCE: Final = 300  # users who are listed in one tick of the loop


def _find(session: HubConnection, user: User, spelling: str) -> User | Room:
    """Return the user of that name, or the room that the asking user may read.

    Raises:
        Refused: there is no such user or room, or the asking user is banned from the room.
    """
    if not is_room(spelling):
        return session.hub.find_user(spelling, user)
    room = session.hub.rooms.find(user, spelling)
    session.hub.permissions.check_read(room, user)
    return room


def _find_or_released(session: HubConnection, user: User, spelling: str) -> tuple[User | Room, UnknownRecipient | None]:
    """Return as :func:`_find`, or a user of a released name, and the refusal for strangers of theirs."""
    try:
        return _find(session, user, spelling), None
    except UnknownRecipient as unknown:
        released = session.hub.users.find_released(spelling)
        if released is None:
            raise
        return released, unknown


def _history(session: HubConnection, frame: f.History) -> None:
    hub, user = session.hub, session.require_user()
    of, unknown = _find_or_released(session, user, frame.of)
    query = HistoryQuery(
        user=user.id,
        of=of.id,
        limit=frame.limit,
        before=frame.before,
        after=frame.after,
        since=frame.since,
        until=frame.until,
        forward=frame.forward,
        own=isinstance(of, Room) and of.kind == "private",
        name=of.key if isinstance(of, User) else "",
    )

    def make(page: Page) -> f.ServerFrame:
        answer = f.HistoryPage(of.name, [hub.to_frame(row) for row in page.rows], page.more, frame.n)
        if page.changes:
            answer.changes = [hub.names.to_frame(change) for change in page.changes]
        return answer

    def start(on_result: OnResult[Page]) -> None:
        def known(page: Page | None, error: ChatError | None) -> None:
            if page is None or not page.rows:
                on_result(None, error or unknown)
            else:
                hub.log.read(query, on_result)

        if unknown is None:
            hub.log.read(query, on_result)
        else:
            hub.log.read(HistoryQuery(user=user.id, of=of.id, limit=1), known)

    answers.read_with(session, frame, start, make)


def _search(session: HubConnection, frame: f.Search) -> None:
    hub, user = session.hub, session.require_user()
    within = _find(session, user, frame.where).id if frame.where else None
    sender = hub.find_user(frame.sender, user, or_room=False).id if frame.sender else None
    query = SearchQuery(
        user=user.id,
        words=frame.text,
        rooms=hub.rooms.readable_ids(user),
        limit=frame.limit,
        within=within,
        sender=sender,
        before=frame.before,
    )

    def make(page: Page) -> f.ServerFrame:
        return f.Found([hub.to_frame(row) for row in page.rows], page.more, frame.n)

    answers.read(session, frame, query, make)


def _receipts(session: HubConnection, frame: f.Receipts) -> None:
    user = session.require_user()
    to = _find(session, user, frame.to)
    if isinstance(to, Room):
        _receipts_of_room(session, frame, to)
    else:
        _receipts_of_user(session, frame, user, to)


def _receipts_of_room(session: HubConnection, frame: f.Receipts, room: Room) -> None:
    hub, user = session.hub, session.require_user()
    if frame.watch:
        hub.receipts.watch(session, room)
    session.account.charge(len(room.members) * LISTED)
    query = NewestQuery(user=user.id, rooms=[room.id])
    answers.after_own_messages(session, lambda: hub.log.read(query, _RoomReceipts(session, frame, room).list_after))


class _RoomReceipts:
    """The list of receipts of a room, in slices, for one who has asked."""

    def __init__(self, session: HubConnection, frame: f.Receipts, room: Room) -> None:
        self._session = session
        self._frame = frame
        self._room = room
        self._positions: dict[User, tuple[int, int]] = {}

    def list_after(self, newest: dict[int, MessageRow] | None, error: ChatError | None) -> None:
        """List the receipts, given the newest message of the room."""
        room = self._room
        if newest is None:
            self._session.answer(self._frame, error or ChatError())
            return
        if room.id in newest:
            room.newest = max(room.newest, newest[room.id].seq)
        slices.run(self._session.hub.later, self._read_positions())

    def _read_positions(self) -> Iterator[None]:
        room, hub, user = self._room, self._session.hub, self._session.require_user()
        for portion in slices.portions(tuple(room.members), _AT_ONCE):
            others = (member for member in portion if member is not user and member in room.members)
            self._positions.update((member, positions_in(member, room)) for member in others)
            yield
        read_places(hub.log, user, room, chain.from_iterable(self._positions.values()), self._found)

    def _found(self, places: dict[int, int] | None, error: ChatError | None) -> None:
        if places is None:
            self._session.answer(self._frame, error or ChatError())
        else:
            slices.run(self._session.hub.later, self._list(places))

    def _list(self, places: dict[int, int]) -> Iterator[None]:
        room, people = self._room, []
        for portion in slices.portions(tuple(self._positions.items()), _AT_ONCE):
            for member, (seen, received) in portion:
                if member in room.members:
                    people.append(raw(receipt(member, room, places[seen], places[received])))
            yield
        answer = f.ReceiptList(room.name, cast("list[f.Receipt]", people), self._frame.n)
        self._session.answer(self._frame, answer)


def _receipts_of_user(session: HubConnection, frame: f.Receipts, user: User, other: User) -> None:
    hub = session.hub
    # The positions within the messages of these two: what the other has read or received elsewhere is private.
    seen, received = public_up_to(other, user.id), other.received

    def read_newest(before: int | None, on_result: OnResult[Page]) -> None:
        hub.log.read(HistoryQuery(user=user.id, of=other.id, limit=1, before=before), on_result)

    def start(on_result: OnResult[list[int]]) -> None:
        def found_seen(page: Page | None, error: ChatError | None) -> None:
            if page is None:
                on_result(None, error)
            elif received <= seen:
                on_result([_newest(page)] * 2, None)
            else:
                read_newest(received + 1, lambda *found: on_result(_both(page, found[0]), found[1]))

        read_newest(seen + 1, found_seen)

    def make(positions: list[int]) -> f.ServerFrame:
        found = f.Receipt(other.name, positions[0], received=positions[1])
        return f.ReceiptList(other.name, [found], frame.n)

    def watch(page: Page | None, _error: ChatError | None) -> None:
        """Restore the waits for receipts that a restart of the server has ended."""
        if page is not None:
            hub.receipts.restore_waits(other, user, _newest(page))

    if frame.watch:
        read_newest(None, watch)
    answers.read_with(session, frame, start, make)


def _newest(page: Page) -> int:
    return page.rows[-1].seq if page.rows else 0


def _both(seen: Page, received: Page | None) -> list[int] | None:
    return None if received is None else [_newest(seen), _newest(received)]


def _answers(session: HubConnection, frame: f.Answers) -> None:
    hub, user, seq = session.hub, session.require_user(), frame.re

    def make(found: list[Question]) -> f.ServerFrame | Refused:
        until = question_data.decode(found[0].row.extra).until if found else None
        meanwhile = hub.questions.answered_meanwhile(session, seq, until)
        refusal = _check_asker(session, user, seq, found)
        if refusal is not None:
            hub.questions.stop(session, seq)
            return refusal
        answer = found[0].answer
        if answer is None:
            return f.Answered(seq, meanwhile, frame.n)
        hub.questions.stop(session, seq)
        return f.Answered(seq, hub.to_frame(answer), frame.n)

    def start(on_result: OnResult[list[Question]]) -> None:
        def found_or_failed(found: list[Question] | None, error: ChatError | None) -> None:
            if found is None:
                hub.questions.stop(session, seq)
            on_result(found, error)

        hub.log.read(QuestionQuery(user=user.id, seq=seq), found_or_failed)

    hub.questions.start_waiting(session, seq)  # first, so that no answer is missed while the log is read
    answers.read_with(session, frame, start, make)


def _check_asker(session: HubConnection, user: User, seq: int, found: list[Question]) -> Refused | None:
    """Return a refusal unless the user has asked the question that was found."""
    row = found[0].row if found else None
    sees = row is not None and session.hub.may_read(user, row.sender, row.recipient, seq)
    if row is None or not sees or not question_data.decode(row.extra).choices:
        return Refused(codes.INVALID, f"You have asked no question {seq}: name one by its seq.")
    of = row.recipient if row.recipient < 0 or row.sender == user.id else row.sender
    if session.token is not None and not session.token.includes(of):
        return Refused(codes.INVALID, f"You have asked no question {seq}: name one by its seq.")
    if row.sender != user.id:
        return Refused(codes.NOT_ALLOWED, "Only the user who has asked can wait for the answer.")
    return None


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {
    f.History: _history,
    f.Search: _search,
    f.Receipts: _receipts,
    f.Answers: _answers,
}
