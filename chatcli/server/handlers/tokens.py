"""Tokens: logging in with one, and the handlers with which their owner makes, lists and revokes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.protocol.values.names import Name, fold, is_room
from chatcli.protocol.values.text import printable_line
from chatcli.server.handlers import answers
from chatcli.server.handlers.auth import check_origin, check_version
from chatcli.server.refusals import not_stored
from chatcli.server.security import scopes
from chatcli.server.security.prices import LISTED

if TYPE_CHECKING:
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import Connection, Token, User
    from chatcli.store.batch import Outcome

logger = logging.getLogger(__name__)

_LIMITED: Final = 'A token with the scope "{}" cannot be limited to rooms or people: choose "send" or "read".'
_FOR_OPERATORS: Final = (
    'Only an operator makes tokens for the metrics, on the server: "chatcli admin token NAME --scope metrics".'
)


def admit(hub: Hub, session: Connection, hello: f.Hello) -> Token:
    """Return the token with which a client logs in.

    A wrong token counts as a wrong proof. Why it is wrong is not said: a guess must teach nothing.

    Raises:
        Refused: the token lets nobody in, or not for that purpose.
    """
    check_version(hello)
    check_origin(session, hello)
    hub.rate_limits.check_failures(session.caller)
    token = hub.tokens.find(hello.token)
    if token is None:
        hub.rate_limits.record_failure(session.caller)
        raise Refused(codes.BAD_TOKEN, "That token is wrong, revoked or too old: make another one.")
    user = token.user
    if hello.user and fold(hello.user) != user.key:
        text = f"That token is for {user.name}, and the name given is another one: leave it out."
        raise Refused(codes.BAD_TOKEN, text)
    hub.moderation.check_ban(Name(user.name, user.key), token.key)
    scopes.check_purpose(token, hello.purpose)
    logger.info("%s has shown the token %s of %s", session.peer, token.id, user.name)
    return token


def describe(hub: Hub, token: Token, welcome: f.Welcome) -> None:
    """Say in a welcome what its token is good for; of the user's rooms only those that the token is for."""
    welcome.scope = token.scope
    if token.places is not None:
        welcome.to = sorted(map(hub.name_of, token.places))
        welcome.rooms = [room.name for room in token.user.rooms if token.includes(room.id)]


def to_info(hub: Hub, token: Token) -> f.TokenInfo:
    """Return the description of a token for its owner."""
    return f.TokenInfo(
        id=token.id,
        scope=token.scope,
        since=token.created,
        label=token.label,
        limited=token.places is not None,
        to=sorted(map(hub.name_of, token.places or ())),
        until=token.until,
        used=token.used,
        key=ed25519_fingerprint(token.key) if token.key else "",
    )


def check_terms(scope: f.Scope, places: list[str], label: str) -> None:
    """Raise unless a token of these terms can be made.

    Raises:
        Refused: it cannot.
    """
    if scope in ("all", "metrics", "recover") and places:
        raise Refused(codes.INVALID, _LIMITED.format(scope))
    if label != printable_line(label):
        raise Refused(codes.INVALID, "The label of a token is one line of text.")


def _make(session: HubConnection, frame: f.MakeToken) -> None:
    hub, user = session.hub, session.require_user()
    if not user.has(session.key):  # it is being revoked, with all that it has made
        raise Refused(codes.NOT_ALLOWED, "Only a key makes tokens, and that of this connection is not valid any more.")
    if frame.scope == "metrics":  # which are about everybody
        raise Refused(codes.NOT_ALLOWED, _FOR_OPERATORS)
    check_terms(frame.scope, frame.to, frame.label)
    places = tuple(dict.fromkeys(_place(hub, user, name) for name in frame.to)) or None

    def made(text: str, token: Token | None, outcome: Outcome) -> None:
        if token is None:
            session.answer(frame, not_stored(outcome))
        else:
            session.answer(frame, f.Token(text, token.id, token.until, frame.n))

    hub.tokens.make(
        user,
        label=frame.label,
        scope=frame.scope,
        places=places,
        seconds=frame.seconds,
        key=session.key,
        on_made=made,
    )
    session.suspend()


def _place(hub: Hub, user: User, name: str) -> int:
    return hub.rooms.find(user, name).id if is_room(name) else hub.find_user(name, user).id


def _list(session: HubConnection, frame: f.Tokens) -> None:
    tokens = session.hub.tokens.of(session.require_user())
    session.account.charge(sum(len(token.places or ()) for token in tokens) * LISTED)
    session.send(encode(f.TokenList([to_info(session.hub, token) for token in tokens], frame.n)))


def _revoke(session: HubConnection, frame: f.RevokeToken) -> None:
    hub, user = session.hub, session.require_user()
    token = next((token for token in hub.tokens.of(user) if token.id == frame.token), None)
    if token is None:
        raise Refused(codes.NOT_ALLOWED, f'That is no token of {user.name}; "chatcli key tokens" lists those that are.')

    hub.tokens.revoke(token, "revoked", answers.done_when_stored(session, frame))


HANDLERS: Final[dict[type, Callable[[HubConnection, Any], None]]] = {
    f.MakeToken: _make,
    f.Tokens: _list,
    f.RevokeToken: _revoke,
}
