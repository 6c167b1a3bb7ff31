"""Tells of what happens in rooms: the members who are connected, and whom it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Happened, Happening
from chatcli.server.throttle import Later, Pace

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room, Subscription, User

SMALL_ROOM: Final = 100  # people in the chat who belong to it; in a larger one coming and going is not told


#: What replaces what: of a member's coming and going the newest is told, of their being muted another.
_ABOUT: Final[Mapping[Happening, str]] = {
    "joined": "member",
    "left": "member",
    "kicked": "member",
    "banned": "member",
    "unbanned": "ban",
    "topic": "topic",
    "muted": "voice",
    "unmuted": "voice",
    "invited": "invitation",
    "uninvited": "invitation",
    "owner": "owner",
    "disowned": "owner",
}


class Notices:
    """Tells of what happens in rooms, of each thing and person once a second at most.

    Args:
        later: runs a callable after so many seconds.
    """

    def __init__(self, later: Later) -> None:
        self._pace = Pace(later)

    def tell(
        self,
        room: Room,
        what: Happening,
        user: User | None = None,
        by: User | None = None,
        text: str = "",
        besides: Connection | None = None,
    ) -> int:
        """Tell a room's members, and ``user`` if it is about one; of coming and going only in rooms that are small.

        Whoever does not keep up may miss it; nothing depends on it.

        Returns:
            How many connections were told now.
        """

        def tell() -> int:
            feeds = {} if what in ("joined", "left") and len(room.here) > SMALL_ROOM else dict(room.feeds)
            if user is not None:
                feeds.update(dict.fromkeys(user.feeds))
            return _say([feed for feed in feeds if feed.connection is not besides], happened)

        happened = Happened(room.name, what, user.name if user else "", by.name if by else "", text)
        return self._pace.tell((room, user, _ABOUT[what]), happened, tell)

    def tell_user(self, room: Room, what: Happening, user: User, by: User | None = None, text: str = "") -> int:
        """Tell a user what happened to them; return how many connections were told now."""
        happened = Happened(room.name, what, user.name, by.name if by else "", text)
        return self._pace.tell((room, user, _ABOUT[what]), happened, lambda: _say(user.feeds, happened))


def _say(feeds: Sequence[Subscription], happened: Happened) -> int:
    line = encode(happened)
    for feed in feeds:
        feed.connection.try_send(line)
    return len(feeds)
