"""The toolbar: the open conversation, unread messages elsewhere, and the state of the connection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from chatcli.client.chat.conversations import DIGITS
from chatcli.client.identity.trust import TrustReason
from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.widths import columns, cut
from chatcli.client.transport.aio import LinkState
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

_BETWEEN: Final = " │ "
_NAMED: Final = 5  # unread conversations that are named
_SHORT_NAME: Final = 12  # columns
_SLOW: Final = 3.0  # seconds without an answer until the toolbar reports it

_TRUST: Final[dict[TrustReason, tuple[str, str]]] = {
    "plain": ("local, not encrypted", "local"),
    "pinned": ("TLS, key pinned", "TLS"),
    "known": ("TLS, key known", "TLS"),
    "vouched": ("TLS, vouched for", "TLS"),
}

#: The order in which pieces are shortened if the line is too long, each time to the next of their variants.
_SHORTENED: Final = (
    *("trust", "quiet", "you", "trust", "link", "link", "quiet", "unread", "own", "you", "unread", "current", "unread"),
    *("current", "unread", "trouble", "unread", "own", "unread", "trouble", "unread"),
)


class Unread(NamedTuple):
    """A conversation with unread messages.

    Attributes:
        number: the digit that opens it together with Alt; 0 if there is none.
        name: the person or the room.
        messages: the number of unread messages.
        mentions: the number of those in a room that mention the user.
    """

    number: int
    name: str
    messages: int
    mentions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The content of the toolbar.

    Attributes:
        server: the address of the server.
        user: the user's name.
        current: the open conversation; empty if there is none.
        number: the digit that opens it together with Alt; 0 if there is none.
        company: the presence there, as in ``3 here`` or ``away``; empty if it is not known.
        unread_here: the number of unread messages there.
        mentions_here: the number of those that mention the user.
        is_quiet: whether it is quiet.
        unread: the other conversations with unread messages, without the quiet ones.
        quiet: the other conversations that are quiet.
        is_away: whether others are told that the user is away.
        is_undisturbed: whether no conversation rings.
        link: the state of the connection.
        now: the time by the clock of ``link``.
        trust: the reason to trust the server.
        waiting: the number of messages that the server does not have.
    """

    server: str
    user: str
    current: str
    number: int
    company: str
    unread: tuple[Unread, ...]
    link: LinkState
    now: float
    trust: TrustReason
    waiting: int
    unread_here: int = 0
    mentions_here: int = 0
    is_quiet: bool = False
    quiet: tuple[str, ...] = ()
    is_away: bool = False
    is_undisturbed: bool = False


class _Piece(NamedTuple):
    """A part of the toolbar: its style, and its variants from the longest to the shortest."""

    name: str
    style: str
    variants: list[str]


def toolbar(state: State, width: int) -> Fragments:
    """Return the toolbar, at most ``width`` columns wide; the least important pieces are left out first."""
    pieces = [*_places(state), *_connection(state)]
    shown = {piece.name: 0 for piece in pieces}
    for name in _SHORTENED:
        if _columns(pieces, shown) + 1 <= width:
            break
        piece = next((piece for piece in pieces if piece.name == name), None)
        if piece is not None:
            shown[name] = min(shown[name] + 1, len(piece.variants) - 1)
    fragments: Fragments = []
    for piece in pieces:
        if text := piece.variants[shown[piece.name]]:
            fragments += [("", _BETWEEN if fragments else " "), (piece.style, text)]
    return _fitting(fragments, width)


def changes_in(link: LinkState, now: float) -> float | None:
    """Return the seconds until the toolbar changes by itself, or None if it does not."""
    if link.kind == "waiting" and link.until > now:
        left = link.until - now
        return left - math.ceil(left) + 1
    if link.asked is not None:
        asked = now - link.asked
        return _SLOW - asked if asked < _SLOW else 1 - asked % 1
    return None


def _fitting(fragments: Fragments, width: int) -> Fragments:
    """Return styled text cut to a width; cut text ends with ``…``."""
    kept: Fragments = []
    for index, (style, text) in enumerate(fragments):
        rest = columns("".join(text for _, text in fragments[index:]))
        if rest > width and columns(text) >= width:
            return [*kept, (style, cut(text + "…", width))]
        kept.append((style, text))
        width -= columns(text)
    return kept


def _short(name: str) -> str:
    return cut(name, _SHORT_NAME)


def _places(state: State) -> list[_Piece]:
    user = printable_line(state.user)
    pieces = [_Piece("you", "", [f"{user}@{state.server}", user, ""])]
    if own := _own(state):
        pieces.append(_Piece("own", "class:toolbar.own", own))
    if state.current:
        name = printable_line(state.current)
        company = ", ".join(filter(None, (state.company, "quiet" if state.is_quiet else "")))
        unread = f"{state.unread_here:,} unread{_mentions(state.mentions_here)}" if state.unread_here else ""
        company = " · ".join(filter(None, (unread, company)))  # apart: what they have seen, and what the user has not
        company = f" {company}" if company else ""
        number = _numbered(state.number)
        variants = [f"{number}{name}{company}", f"{name}{company}", f"{_short(name)}{company}"]
        pieces.append(_Piece("current", "class:toolbar.current", variants))
    if state.unread:
        pieces.append(_Piece("unread", "class:toolbar.unread", _unread(state.unread)))
    if state.quiet:
        names = [f"{_short(printable_line(name))} quiet" for name in state.quiet]
        pieces.append(_Piece("quiet", "", [names[0] if len(names) == 1 else f"{len(names)} quiet", ""]))
    return pieces


def _own(state: State) -> list[str]:
    """Return the switches that the user may have forgotten, the longest form first; empty if none is on."""
    if state.is_away and state.is_undisturbed:
        return ["you are away · do not disturb", "away · dnd", ""]
    if state.is_away:
        return ["you are away", "away", ""]
    return ["do not disturb", "dnd", ""] if state.is_undisturbed else []


def _unread(unread: tuple[Unread, ...]) -> list[str]:
    by_weight = sorted(unread, key=lambda one: (not one.mentions, is_room(one.name)))  # those that stay longest first

    def named(count: int, shown: Callable[[str], str]) -> str:
        parts = [
            f"{_numbered(one.number)}{shown(printable_line(one.name))} {one.messages:,}{_mentions(one.mentions)}"
            for one in unread
            if one in by_weight[:count]
        ]
        rest = len(unread) - count
        return " · ".join([*parts, f"+{rest} more"] if rest > 0 else parts)

    total, mentions = sum(one.messages for one in unread), _mentions(sum(one.mentions for one in unread))
    counts = range(min(len(unread), _NAMED), 0, -1)
    variants = [named(counts[0], str), *(named(count, _short) for count in counts)]
    # Always three in the middle, as _SHORTENED counts on: the last one names the most important conversation.
    middle = [variants[1], variants[-1] if len(variants) < 4 else variants[2], variants[-1]]
    return [variants[0], *middle, f"{total:,} unread{mentions}", f"{total:,}{mentions}", ""]


def _mentions(count: int) -> str:
    return f" @{count:,}" if count else ""


def _numbered(number: int) -> str:
    return f"{number}:" if 1 <= number <= DIGITS else ""


def _connection(state: State) -> list[_Piece]:
    pieces = [_Piece("waiting", "class:toolbar.trouble", [f"{state.waiting:,} waiting"])] if state.waiting else []
    link = state.link
    if link.kind == "waiting":
        left = max(1, math.ceil(link.until - state.now))
        again = f"reconnecting in {left} s"
        variants = [f"{again} · Enter to try now", again, f"again in {left} s"]
        return [*pieces, _Piece("trouble", "class:toolbar.trouble", variants)]
    if link.kind == "connecting":
        return [*pieces, _Piece("trouble", "class:toolbar.trouble", ["connecting"])]
    if link.asked is not None and state.now - link.asked >= _SLOW:
        quiet = f"no answer for {math.floor(state.now - link.asked)} s"
        return [*pieces, _Piece("trouble", "class:toolbar.trouble", [quiet])]
    trip = "" if link.round_trip is None else _duration(link.round_trip)
    pieces.append(_Piece("link", "", [f"connected {trip}".rstrip(), trip, ""]))
    return [*pieces, _Piece("trust", "", [*_TRUST[state.trust], ""])]


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000)):,} ms"


def _columns(pieces: list[_Piece], shown: dict[str, int]) -> int:
    """Return the width of the pieces beside each other."""
    texts = [text for piece in pieces if (text := piece.variants[shown[piece.name]])]
    return sum(map(columns, texts)) + columns(_BETWEEN) * (len(texts) - 1)
