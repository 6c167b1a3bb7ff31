"""Handlers that move the positions of a user, and count what is after these."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import ChatError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import is_room
from chatcli.server.handlers import answers
from chatcli.server.security.prices import LISTED, NOTIFIED
from chatcli.server.state import read_positions
from chatcli.server.state.read_positions import positions, read_up_to
from chatcli.server.state.rooms import snippet
from chatcli.store.queries import (
    ConversationPage,
    ConversationsQuery,
    HistoryQuery,
    OnResult,
    Page,
    Unread,
    UnreadQuery,
)

if TYPE_CHECKING:
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import Room, User

_SHARED: Final = 1000  # milliseconds within which the same count is shared


def _ack(session: HubConnection, frame: f.Ack) -> None:
    feed = session.feed
    if feed is None or session.places is not None:
        return  # one that has some conversations only does not know what the user has received
    hub, seq = session.hub, min(frame.seq, feed.position)  # what was not sent cannot be received
    if read_positions.receive(hub.log, feed.user, seq) and feed.user.delivery_waiters is not None:
        session.account.charge(hub.receipts.announce_received(feed.user) * NOTIFIED)
    if session.revision < 1:
        _read_all(session, feed.user, seq)


def _mark_read(session: HubConnection, frame: f.MarkRead) -> None:
    hub, user = session.hub, session.require_user()
    seq = min(frame.seq, hub.log.head)  # what is yet to come cannot be read
    if not frame.of:
        if frame.back:
            raise Refused(codes.INVALID, "Only the messages of one conversation can be unread again: name it in `of`.")
        _read_all(session, user, seq)
    else:
        _mark_conversation_read(session, user, frame, seq)


def _mark_conversation_read(session: HubConnection, user: User, frame: f.MarkRead, seq: int) -> None:
    hub = session.hub
    of: User | Room | None
    try:
        of = hub.rooms.find(user, frame.of) if is_room(frame.of) else hub.find_user(frame.of, user)
    except UnknownRecipient as unknown:
        of = hub.rooms.find_hidden(frame.of) if is_room(frame.of) else hub.users.find_released(frame.of)
        if of is None:
            raise
        _mark_hidden_read(session, frame, of, seq, unknown)
    else:
        _read(session, user, of, seq, back=frame.back)


def _mark_hidden_read(
    session: HubConnection, frame: f.MarkRead, of: User | Room, seq: int, unknown: UnknownRecipient
) -> None:
    """Move the position in a room or with a released name, which the user may know only with messages from there."""
    hub, user = session.hub, session.require_user()

    def found(page: Page | None, error: ChatError | None) -> None:
        if page is None or not page.rows:
            session.answer(frame, error or unknown)
            return
        _read(session, user, of, seq, back=frame.back)
        session.answer(frame, b"")

    query = HistoryQuery(user=user.id, of=of.id, limit=1, own=is_room(frame.of))
    answers.after_own_messages(session, lambda: hub.log.read(query, found))


def _read(session: HubConnection, user: User, of: User | Room, seq: int, *, back: bool) -> None:
    """Record that a user has read one conversation up to a message; ``back`` makes the rest unread again."""
    hub, account = session.hub, session.account
    before, count, is_new = positions(user, of.id), len(user.reads), of.id not in user.reads
    if not read_positions.move(hub.log, user, of.id, seq, public=session.shares_receipts, back=back):
        return
    if is_new and len(user.reads) <= count:  # there were too many single positions
        account.charge(count * LISTED)
    account.charge(hub.receipts.announce_read(user, of, before, session) * NOTIFIED)


def _read_all(session: HubConnection, user: User, seq: int) -> None:
    """Record that a user has read all conversations up to a message."""
    hub, account, before = session.hub, session.account, user.public_read
    account.charge(len(user.reads) * LISTED)
    has_read = read_positions.move_all(hub.log, user, seq, public=session.shares_receipts)
    told = hub.receipts.announce_all_read(user, before, seq if has_read else None, session)
    account.charge(told * NOTIFIED)


def _unread(session: HubConnection, frame: f.Unread) -> None:
    hub, user = session.hub, session.require_user()
    received = user.received

    def make(found: list[Unread]) -> f.ServerFrame:
        counts = [
            f.UnreadCount(hub.name_of(one.of), one.count, one.newest, one.mentions)
            for one in found
            if session.token is None or session.token.includes(one.of)
        ]
        return f.UnreadList(received, counts, frame.n)

    def start(on_result: OnResult[list[Unread]]) -> None:
        hub.unread_counter.count(hub.log.read, _unread_query(hub, user), on_result)

    answers.read_with(session, frame, start, make)


def _unread_query(hub: Hub, user: User) -> UnreadQuery:
    now = hub.clock() // _SHARED * _SHARED  # equal queries share a count
    reads = {of: seq for of, (seq, _) in user.reads.items()}
    return UnreadQuery(user=user.id, after=user.read, reads=reads, name=user.name, now=now)


def _conversations(session: HubConnection, frame: f.Conversations) -> None:
    hub, user = session.hub, session.require_user()
    query = ConversationsQuery(
        user=user.id,
        unread=_unread_query(hub, user),
        limit=frame.limit,
        before=frame.before,
        only=None if session.token is None else session.token.places,
    )

    def make(page: ConversationPage) -> f.ServerFrame:
        listed = [
            f.ConversationInfo(
                hub.name_of(one.of),
                None if one.last is None else snippet(hub.to_frame(one.last)),
                one.unread,
                one.mentions,
                read_up_to(user, one.of),
            )
            for one in page.conversations
        ]
        return f.ConversationList(listed, page.more, frame.n)

    answers.read(session, frame, query, make)


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {
    f.Ack: _ack,
    f.MarkRead: _mark_read,
    f.Unread: _unread,
    f.Conversations: _conversations,
}
