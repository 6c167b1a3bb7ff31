"""Handlers for messages: they are checked and queued for the log."""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Final

from chatcli.errors import ChatError, Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame, encode
from chatcli.protocol.values.ids import all_id_bytes, id_bytes
from chatcli.protocol.values.names import is_room
from chatcli.server.delivery import Origin
from chatcli.server.state import questions
from chatcli.store.batch import Entry
from chatcli.store.queries import HistoryQuery, Page
from chatcli.store.records import Lookup, MessageRow

if TYPE_CHECKING:
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import Room, User
    from chatcli.store.batch import Outcome
    from chatcli.store.question_data import QuestionData

_NO_SENDER: Final = "A query cannot send; say hello with a name and another purpose."


def accept_plain(session: HubConnection, frames: list[f.ClientFrame | BadFrame], start: int) -> int:
    """Queue the plain messages with which ``frames[start:]`` begins; return the index of the first other frame.

    Almost all messages come this way. Checks that are the same for all messages of one read are made once. It stops at
    any message that is not plain or not permitted, and leaves it to :func:`accept`.
    """
    sender = session.user
    if sender is None or session.purpose == "query" or sender.away is not None or session.token is not None:
        return start
    hub = session.hub
    at, sends = hub.clock(), _plain(frames, start, hub.limits.text)
    entries: list[Entry] = []
    size, to, origin, recipient = 0, "", None, 0
    for frame, raw_id in zip(sends, _ids(sends), strict=False):  # zip stops before the first bad id
        if origin is None or frame.to != to:
            to = frame.to
            try:
                origin = Origin(session, sender, _check_recipient(hub, sender, to))
            except Refused:
                break
            recipient = origin.recipient.id
        text = frame.text
        size += len(text)
        entries.append(
            Entry(id=raw_id, sender=sender.id, recipient=recipient, at=at, text=text, origin=origin, id_text=frame.id)
        )
    if entries:
        hub.log.append_messages(entries, size)
        hub.batcher.schedule()
        session.charge(size, len(entries), _reach(entries[-1].origin.recipient))
    return start + len(entries)


def _reach(recipient: User | Room) -> int:
    """Return the number of connections that a message to a room is delivered to; 0 for a message to a user."""
    return len(recipient.feeds) if recipient.id < 0 else 0


def _plain(frames: list[f.ClientFrame | BadFrame], start: int, limit: int) -> list[f.Send]:
    """Return the messages with which ``frames[start:]`` begins, up to one with a long text or anything but a text."""
    longest = limit // 4  # characters: each has four bytes at most
    found = []
    for frame in islice(frames, start, None):
        if (
            type(frame) is not f.Send
            or frame.re is not None
            or frame.choices
            or frame.answer is not None
            or frame.seconds is not None
        ):
            break
        text = frame.text
        if not text or len(text) > longest or text.isspace():
            break
        found.append(frame)
    return found


def _ids(frames: list[f.Send]) -> list[bytes]:
    """Return the ids, as bytes, up to the first bad one."""
    ids = [frame.id for frame in frames]
    try:
        return all_id_bytes(ids)
    except ValueError:
        good = []
        with contextlib.suppress(ValueError):
            for identity in ids:
                good.append(id_bytes(identity))  # noqa: PERF401 (those before the bad one are needed)
        return good


def accept(session: HubConnection, frame: f.Send) -> None:
    """Queue one message of any kind.

    Raises:
        Refused: the message is wrong, or its sender may not send it there.
    """
    sender = session.user
    if sender is None or session.purpose == "query":
        raise Refused(codes.NOT_ALLOWED, _NO_SENDER)
    hub = session.hub
    raw_id = _check_message(hub, frame)
    extra = None
    if frame.choices or frame.answer is not None or frame.seconds is not None:
        extra = questions.check(frame)
    try:
        recipient = _check_recipient(hub, sender, frame.to)
    except Refused as refusal:
        _refuse_unless_stored(session, frame, raw_id, refusal)
        return
    if sender.away is not None and session.purpose == "join":
        hub.presence.set_away(sender, None)
    if frame.re is None:
        origin = Origin(session, sender, recipient)
        session.charge(queue(hub, origin, frame, raw_id, extra), 1, _reach(recipient))
    else:
        _reply(session, frame, recipient, raw_id, extra)


def queue(hub: Hub, origin: Origin, frame: f.Send, raw_id: bytes, data: QuestionData | None = None) -> int:
    """Queue a message for the log; return its size.

    Args:
        hub: the hub.
        origin: the connection and the sender, who may send messages to the recipient.
        frame: the message.
        raw_id: its id, as bytes.
        data: its choices or its answer, if it is a question or answers one.
    """
    at = hub.clock()
    entry = Entry(
        id=raw_id,
        sender=origin.sender.id,
        recipient=origin.recipient.id,
        at=at,
        text=frame.text,
        origin=origin,
        re=frame.re,
        extra=None if data is None else questions.stored(data, frame.seconds, at),
        id_text=frame.id,
    )
    hub.log.append_message(entry)
    hub.batcher.schedule()
    return entry.size


def check(session: HubConnection, frame: f.Check) -> None:
    """Answer whether the user may send messages to a recipient.

    Raises:
        Refused: they may not.
    """
    sender = session.user
    if sender is None or session.purpose == "query":
        raise Refused(codes.NOT_ALLOWED, _NO_SENDER)
    _check_recipient(session.hub, sender, frame.to)
    session.send(encode(f.Done(frame.n)))


def _reply(
    session: HubConnection, frame: f.Send, recipient: User | Room, raw_id: bytes, extra: QuestionData | None
) -> None:
    """Queue a reply once the log shows that the message it answers belongs to the same conversation."""
    hub, sender = session.hub, session.require_user()
    answered = frame.re or 0

    def read(page: Page | None, error: ChatError | None) -> None:
        if page is None:
            session.answer(frame, error or ChatError())
        elif not page.rows or page.rows[-1].seq != answered:
            text = f"{recipient.name} and you have no message {answered}: answer one by its seq."
            _look_up(session, frame, raw_id, Refused(codes.UNKNOWN_REPLY, text))
        elif not session.closed:
            queue_reply(page.rows[-1])

    def queue_reply(row: MessageRow) -> None:
        try:
            more = extra if frame.answer is None else hub.questions.answer(sender, recipient, frame, row)
        except Refused as refusal:
            _look_up(session, frame, raw_id, refusal)
        else:
            origin = Origin(session, sender, recipient)
            session.resume_charged(queue(hub, origin, frame, raw_id, more), _reach(recipient))

    query = HistoryQuery(
        user=sender.id, of=recipient.id, limit=1, before=answered + 1, own=getattr(recipient, "kind", "") == "private"
    )
    if session.suspend():
        hub.after_flush(lambda: hub.log.read(query, read))
    else:
        hub.log.read(query, read)


def _check_recipient(hub: Hub, sender: User, to: str) -> User | Room:
    """Return the user or room of that name, if the sender may send messages there.

    Raises:
        Refused: the sender may not, or there is no such user or room.
    """
    if hub.moderation.mutes:
        hub.moderation.check_mute(sender)
    if not is_room(to):
        return hub.find_user(to, sender)
    room = hub.rooms.find(sender, to)
    hub.permissions.check_write(room, sender)
    return room


def _refuse_unless_stored(session: HubConnection, frame: f.Send, raw_id: bytes, refusal: Refused) -> None:
    """Refuse a message, unless it repeats one that was stored before its sender was muted or kicked."""
    session.suspend()
    _look_up(session, frame, raw_id, refusal)


def _look_up(session: HubConnection, frame: f.Send, raw_id: bytes, refusal: Refused) -> None:
    """Answer with the outcome of the first attempt to send the message, if it was stored; otherwise refuse it."""
    sender = session.require_user()
    lookup = Lookup(raw_id, sender.id)

    def answered(outcome: Outcome) -> None:
        known = outcome.accepted and lookup.sender == sender.id
        session.answer(frame, f.Sent(frame.id, lookup.seq, lookup.at, "stored") if known else refusal)

    session.hub.log.append_change(lookup, answered)
    session.hub.batcher.schedule()


def _check_message(hub: Hub, frame: f.Send) -> bytes:
    text, limit = frame.text, hub.limits.text
    if (not text or text.isspace()) and frame.answer is None:
        raise Refused(codes.EMPTY_TEXT, "There is no text in that message.")
    # A character has four bytes at most: most texts need not be encoded to be measured.
    if len(text) * 4 > limit and (size := len(text.encode())) > limit:
        raise Refused(
            codes.TEXT_TOO_LONG, f"A message may have {limit} bytes, and this one has {size}: send it in parts."
        )
    try:
        return id_bytes(frame.id)
    except ValueError:
        raise Refused(codes.BAD_ID, "A message id is a UUID, as in 01890a5d-ac96-774b-bcce-b302099a8057.") from None
