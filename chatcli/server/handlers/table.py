"""What may be asked by who is in: a handler for each frame."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.admin import MAX_REASON, Request, Row
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server import slices
from chatcli.server.handlers import auth
from chatcli.server.handlers import history as reading
from chatcli.server.handlers import messages as sending
from chatcli.server.handlers import rooms as room_requests
from chatcli.server.security.prices import LISTED

if TYPE_CHECKING:
    from chatcli.server.session import Session
    from chatcli.server.state.users import User

_FEW: Final = 1000  # people who are listed in one go


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
        _list(session, frame, room.members, room.name)
    elif 0 < frame.limit <= _FEW:
        session.put(hub.presence.people(frame.n, frame.limit, session.user))
    else:
        _list(session, frame, hub.presence.users(), "")


def _list(session: Session, frame: f.Who, users: Collection[User], to: str) -> None:
    hub = session.hub
    session.account.charge(len(users) * LISTED)
    if len(users) <= _FEW:
        session.put(hub.presence.list_few(users, frame.n, to))
        return
    session.wait()
    slices.run(hub.later, hub.presence.list_all(users, frame.n, to, lambda line: session.answer(frame, line)))


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
        session.answer(frame, f.Done(frame.n) if error is None else Refused(codes.STORAGE, auth.NOT_CHANGED))

    auth.revoke(session.hub, session.own(), frame.key, settled)
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
    f.Send: sending.send,
    f.Check: sending.check,
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
