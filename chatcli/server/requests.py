"""What may be asked by who is in: a handler for each frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import ChatError, Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.admin import MAX_REASON, Request, Row
from chatcli.protocol.codec import encode
from chatcli.protocol.ids import id_bytes
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.protocol.names import is_room
from chatcli.server import admission, questions, reading, room_requests
from chatcli.store.log import HistoryQuery, Lookup, MessageRow, Page

if TYPE_CHECKING:
    from chatcli.server.directory import User
    from chatcli.server.hub import Hub
    from chatcli.server.rooms import Room
    from chatcli.server.session import Session
    from chatcli.store.extra import Extra


def _send(session: Session, frame: f.Send) -> None:
    sender = session.user
    if sender is None or session.purpose == "query":
        raise Refused(codes.NOT_ALLOWED, "A query cannot send; say hello with a name and another purpose.")
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
        hub.presence.step_away(sender, None)
    if frame.re is None:
        session.said(hub.say(session, sender, recipient, frame, raw_id, extra))
    else:
        _reply(session, frame, recipient, raw_id, extra)


def _reply(session: Session, frame: f.Send, recipient: User | Room, raw_id: bytes, extra: Extra | None) -> None:
    """Take a message that answers another, once it is known that its sender may read that one there."""
    hub, sender = session.hub, session.own()
    answered = frame.re or 0

    def read(page: Page | None, error: ChatError | None) -> None:
        if page is None:
            session.answer(frame, error or ChatError())
        elif not page.rows or page.rows[-1].seq != answered:
            text = f"{recipient.name} and you have no message {answered} to answer: it is the seq of one."
            _look_up(session, frame, raw_id, Refused(codes.INVALID, text))
        elif not session.closed:
            say(page.rows[-1])

    def say(row: MessageRow) -> None:
        try:
            more = extra if frame.answer is None else questions.answer(hub, sender, recipient, frame, row)
        except Refused as refusal:
            _look_up(session, frame, raw_id, refusal)
        else:
            session.take_said(hub.say(session, sender, recipient, frame, raw_id, more))

    query = HistoryQuery(sender.id, recipient.id, 1, answered + 1, own=getattr(recipient, "kind", "") == "private")
    if session.wait():
        hub.when_written(lambda: hub.log.read_history(query, read))
    else:
        hub.log.read_history(query, read)


def _check_recipient(hub: Hub, sender: User, to: str) -> User | Room:
    """Return to whom or what the sender may speak under that name.

    Raises:
        Refused: they may not, or nobody has it.
    """
    if hub.rulings.mutes:
        hub.rulings.check_mute(sender.key)
    if not is_room(to):
        return hub.find_user(to, sender)
    room = hub.rooms.find(sender, to)
    hub.rooms.check_write(room, sender)
    return room


def _refuse_unless_stored(session: Session, frame: f.Send, raw_id: bytes, refusal: Refused) -> None:
    """Refuse a message, unless it is the repetition of one that was taken before its sender was muted or sent away."""
    session.wait()
    _look_up(session, frame, raw_id, refusal)


def _look_up(session: Session, frame: f.Send, raw_id: bytes, refusal: Refused) -> None:
    """Answer with what became of the message the first time, or refuse it."""
    sender = session.own()
    lookup = Lookup(raw_id)

    def answered(_error: StoreError | None) -> None:
        known = lookup.sender == sender.id
        session.answer(frame, f.Sent(frame.id, lookup.seq, lookup.at, "stored") if known else refusal)

    session.hub.log.change(lookup, answered)
    session.hub.turn.wake()


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


def _ack(session: Session, frame: f.Ack) -> None:
    feed = session.feed
    if feed is not None:
        # Nobody can have seen what was not sent to them.
        session.hub.receipts.read(session, feed.user, min(frame.seq, feed.position), tell=session.tells)


def _who(session: Session, frame: f.Who) -> None:
    hub = session.hub
    if frame.to:
        room = hub.rooms.find(session.own(), frame.to)
        hub.rooms.check_read(room, session.own())
        session.put(hub.presence.members(room, frame.n))
    else:
        session.put(hub.presence.people(frame.n, frame.limit, session.user))


def _away(session: Session, frame: f.Away) -> None:
    user = session.own()
    if session.purpose == "query" or not user.joined:
        raise Refused(codes.NOT_ALLOWED, "Only who is in the chat can be away: join first.")
    if len(frame.text) > MAX_REASON:
        raise Refused(codes.TEXT_TOO_LONG, f"Say it in {MAX_REASON} characters at most.")
    if frame.text:
        session.hub.rulings.check_mute(user.key)
    session.hub.presence.step_away(user, None if frame.back else frame.text)
    session.put(encode(f.Done(frame.n)))


def _link(session: Session, frame: f.Link) -> None:
    code, seconds = session.hub.links.make(session.own())
    session.put(encode(f.LinkCode(code, session.hub.clock() + int(seconds * 1000), frame.n)))


def _keys(session: Session, frame: f.Keys) -> None:
    keys = [f.KeyInfo(ed25519_fingerprint(key), since) for key, since in session.own().keys.items()]
    session.put(encode(f.KeyList(sorted(keys, key=lambda key: key.since), frame.n)))


def _revoke(session: Session, frame: f.Revoke) -> None:
    def settled(error: StoreError | None) -> None:
        session.answer(frame, f.Done(frame.n) if error is None else Refused(codes.STORAGE, admission.NOT_CHANGED))

    admission.revoke(session.hub, session.own(), frame.key, settled)
    session.wait()


def _operate(session: Session, frame: f.Operate) -> None:
    if frame.room:
        room_requests.operate(session, frame)
        return
    hub = session.hub
    if hub.admin is None:
        raise Refused(codes.NOT_ALLOWED, "This server has no operators.")

    def answer(outcome: list[Row] | Refused) -> None:
        session.answer(frame, outcome if isinstance(outcome, Refused) else f.Done(frame.n))

    request = Request(frame.do, frame.to, frame.seconds, reason=frame.reason)
    session.wait()
    try:
        hub.admin.do_from_inside(session.own(), request, answer)
    except Refused as refusal:
        answer(refusal)


def _ping(session: Session, frame: f.Ping) -> None:
    session.put(encode(f.Pong(frame.n)))


HANDLERS: Final[dict[type, Callable[[Session, Any], None]]] = {
    f.Send: _send,
    f.Ack: _ack,
    f.Who: _who,
    f.Away: _away,
    f.Link: _link,
    f.Keys: _keys,
    f.Revoke: _revoke,
    f.Operate: _operate,
    f.Ping: _ping,
    **reading.HANDLERS,
    **room_requests.HANDLERS,
}
