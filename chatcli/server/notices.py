"""Tells of what happens in rooms: the members who are connected, and whom it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Happened, Happening

if TYPE_CHECKING:
    from chatcli.server.directory import User
    from chatcli.server.feed import Feed
    from chatcli.server.rooms import Room
    from chatcli.server.session import Session

SMALL_ROOM: Final = 100  # people in the chat who belong to it; in a larger one coming and going is not told


def tell(
    room: Room,
    what: Happening,
    user: User | None = None,
    by: User | None = None,
    text: str = "",
    besides: Session | None = None,
) -> None:
    """Tell a room's members, and ``user`` if it is about one; of who enters and leaves only in rooms that are small.

    Whoever does not keep up may miss it; nothing depends on it.
    """
    feeds = {} if what in ("joined", "left") and len(room.here) > SMALL_ROOM else dict(room.feeds)
    if user is not None:
        feeds.update(dict.fromkeys(user.feeds))
    happened = Happened(room.name, what, user.name if user else "", by.name if by else "", text)
    _say((feed for feed in feeds if feed.session is not besides), happened)


def tell_user(room: Room, what: Happening, user: User, by: User | None = None, text: str = "") -> None:
    """Tell a user what happened to them."""
    _say(user.feeds, Happened(room.name, what, user.name, by.name if by else "", text))


def _say(feeds: Iterable[Feed], happened: Happened) -> None:
    line = encode(happened)
    for feed in feeds:
        feed.session.take(line)
