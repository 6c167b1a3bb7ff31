"""The table of handlers: one for each frame that a client may send once it is logged in."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.admin import MAX_REASON, Request, Row
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.protocol.values.names import check_name, is_room
from chatcli.server import slices
from chatcli.server.handlers import admission, history, messages, positions, room_actions, rooms, tokens
from chatcli.server.refusals import last_key, not_stored
from chatcli.server.security.prices import LISTED, NOTIFIED

if TYPE_CHECKING:
    from chatcli.server.handlers.operators import Operators
    from chatcli.server.hub import HubConnection
    from chatcli.server.model import User
    from chatcli.store.batch import Outcome

    Handler = Callable[[HubConnection, Any], None]

_FEW: Final = 1000  # users who are listed at once


def _idle(session: HubConnection, frame: f.Idle) -> None:
    if session.hub.seats.has(session):
        session.hub.presence.set_idle(session, idle=not frame.back)


def _who(session: HubConnection, frame: f.Who) -> None:
    hub = session.hub
    if frame.to and not is_room(frame.to):
        _watch(session, frame.to)
        person = hub.find_user(frame.to, session.require_user())
        session.send(hub.presence.list_few([person], frame.n, person.name))
    elif frame.to:
        room = hub.rooms.find(session.require_user(), frame.to)
        hub.permissions.check_read(room, session.require_user())
        _list(session, frame, room.members, room.name)
    elif 0 < frame.limit <= _FEW:
        session.send(hub.presence.list_some(frame.n, frame.limit, session.user))
    else:
        _list(session, frame, hub.presence.users(), "")


def _watch(session: HubConnection, spelling: str) -> None:
    with contextlib.suppress(InputError):  # nobody can have the name
        key = check_name(spelling).key
        session.hub.presence.watch(session, key, session.hub.users.by_key(key))


def _list(session: HubConnection, frame: f.Who, users: Collection[User], to: str) -> None:
    hub = session.hub
    session.account.charge(len(users) * LISTED)
    if len(users) <= _FEW:
        session.send(hub.presence.list_few(users, frame.n, to))
        return
    session.suspend()
    slices.run(hub.later, hub.presence.list_all(users, frame.n, to, lambda line: session.answer(frame, line)))


def _away(session: HubConnection, frame: f.Away) -> None:
    user = session.require_user()
    if session.purpose == "query" or not session.hub.presence.is_here(user):
        raise Refused(codes.NOT_ALLOWED, "You can be away only while you are in the chat: join first.")
    if len(frame.text) > MAX_REASON:
        raise Refused(codes.TEXT_TOO_LONG, f"Say it in {MAX_REASON} characters at most.")
    if frame.text:
        session.hub.moderation.check_mute(user)
    session.account.charge(len(user.joined) * NOTIFIED)
    session.hub.presence.set_away(user, None if frame.back else frame.text)
    session.send(encode(f.Done(frame.n)))


def _link(session: HubConnection, frame: f.Link) -> None:
    user = session.require_user()
    admission.check_key(session, user)
    code, seconds = session.hub.link_codes.issue(user)
    session.send(encode(f.LinkCode(code, session.hub.clock() + int(seconds * 1000), frame.n)))


def _keys(session: HubConnection, frame: f.Keys) -> None:
    keys = sorted(session.require_user().keys.values(), key=lambda key: key.since)
    infos = [f.KeyInfo(ed25519_fingerprint(one.key), one.since, one.device) for one in keys]
    session.send(encode(f.KeyList(infos, frame.n)))


def _revoke(session: HubConnection, frame: f.Revoke) -> None:
    user = session.require_user()
    admission.check_key(session, user)

    def finish(outcome: Outcome) -> None:
        if outcome.accepted:
            session.answer(frame, f.Done(frame.n))
        else:
            session.answer(frame, last_key(user.name) if outcome.conflict == "last_key" else not_stored(outcome))

    admission.revoke(session.hub, user, frame.key, finish)
    session.suspend()


def _operate(operators: Operators, session: HubConnection, frame: f.Operate) -> None:
    if frame.room:
        room_actions.operate(session, frame)
        return

    def answer(outcome: list[Row] | Refused) -> None:
        session.answer(frame, outcome if isinstance(outcome, Refused) else f.Done(frame.n))

    request = Request(frame.do, frame.to, frame.seconds, reason=frame.reason)
    session.suspend()
    try:
        operators.execute_from_chat(session.require_user(), request, answer)
    except Refused as refusal:
        answer(refusal)


def _ping(session: HubConnection, frame: f.Ping) -> None:
    session.send(encode(f.Pong(frame.n)))


_HANDLERS: Final[dict[type, Handler]] = {
    f.Send: messages.accept,
    f.Check: messages.check,
    f.Who: _who,
    f.Away: _away,
    f.Idle: _idle,
    f.Link: _link,
    f.Keys: _keys,
    f.Revoke: _revoke,
    f.Ping: _ping,
    **history.HANDLERS,
    **positions.HANDLERS,
    **rooms.HANDLERS,
    **tokens.HANDLERS,
}


def handlers(operators: Operators) -> Mapping[type, Handler]:
    """Return the handler of each frame that a client may send once it is logged in.

    Args:
        operators: execute the commands of the server's operators.
    """
    return {**_HANDLERS, f.Operate: functools.partial(_operate, operators)}
