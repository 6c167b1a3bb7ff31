"""Scopes of tokens: which frames each permits, and where.

What is in no table is refused, so that a new kind of frame is out of reach until somebody has decided otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f

if TYPE_CHECKING:
    from chatcli.server.model import Token

#: Returns the name in a frame to which a limited token is held; None if the handler leaves out the rest.
_Place = Callable[[Any], str | None]


def _filtered(_frame: f.ClientFrame) -> None:
    """Return None: the frame names nothing, and its handler leaves out what a limited token is not for."""


def _to(frame: f.Send | f.Check | f.Who | f.Receipts) -> str:
    return frame.to


def _of(frame: f.MarkRead | f.History) -> str:
    return frame.of


_ALWAYS: Final[Mapping[type, _Place]] = {f.Ping: _filtered, f.Bye: _filtered}
_SEND: Final[Mapping[type, _Place]] = {**_ALWAYS, f.Send: _to, f.Check: _to, f.Answers: _filtered}
_READ: Final[Mapping[type, _Place]] = {
    **_ALWAYS,
    f.Ack: _filtered,
    f.MarkRead: _of,
    f.Who: _to,
    f.Rooms: lambda frame: frame.room or None,
    f.History: _of,
    f.Search: lambda frame: frame.where,
    f.Receipts: _to,
    f.Answers: _filtered,
    f.Unread: _filtered,
    f.Conversations: _filtered,
}
_ALL: Final[Mapping[type, _Place]] = {
    **_SEND,
    **_READ,
    f.Away: _filtered,
    f.Idle: _filtered,
    f.Join: _filtered,
    f.Leave: _filtered,
    f.Topic: _filtered,
}
PERMITTED: Final[Mapping[f.Scope, Mapping[type, _Place]]] = {
    "send": _SEND,
    "read": _READ,
    "all": _ALL,
    "metrics": _ALWAYS,
    "recover": {},
}

#: Purposes of a connection for which each scope is enough.
_PURPOSES: Final[Mapping[f.Scope, frozenset[f.Purpose]]] = {
    "send": frozenset({"send", "query"}),
    "read": frozenset({"send", "query", "listen"}),
    "all": frozenset({"send", "query", "listen", "join"}),
    "metrics": frozenset({"query"}),
    "recover": frozenset(),
}
_GOOD_FOR: Final[Mapping[f.Scope, str]] = {
    "send": "sends messages, and does nothing else",
    "read": "reads, and does nothing else",
    "all": "does not manage keys, tokens, people or rooms",
    "metrics": "reads the metrics of the server, and does nothing else",
    "recover": 'adds a key to its name, with "chatcli join --link", and does nothing else',
}


def check_purpose(token: Token, purpose: f.Purpose) -> None:
    """Raise unless a token is good for a connection of that purpose.

    Raises:
        Refused: it is not.
    """
    if purpose not in _PURPOSES[token.scope]:
        raise Refused(codes.NOT_ALLOWED, f"This token {_GOOD_FOR[token.scope]}: use your key, or another token.")


def check(token: Token, frame: f.ClientFrame, now: int, find: Callable[[f.ClientFrame, str], int | None]) -> None:
    """Raise unless a token permits a frame.

    A name that nobody has is refused like one that the token is not for: the answer does not tell them apart.

    Args:
        token: the token.
        frame: the frame.
        now: milliseconds since 1970-01-01 UTC.
        find: returns the id of the user or room that the handler of a frame will find under a name.

    Raises:
        Refused: it does not.
    """
    if not token.valid(now):  # its connections are about to be closed
        raise Refused(codes.BAD_TOKEN, "This token is not valid any more: make another one.")
    place = PERMITTED[token.scope].get(type(frame))
    if place is None:
        raise Refused(codes.NOT_ALLOWED, f"This token {_GOOD_FOR[token.scope]}: use your key, or another token.")
    if token.places is None:
        return
    name = place(frame)
    if name is not None and (not name or find(frame, name) not in token.places):
        raise Refused(codes.NOT_ALLOWED, "This token is for certain rooms and people only: name one of these.")
