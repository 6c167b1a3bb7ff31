"""Events in rooms: sent to the members who are connected, and to the user whom an event concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Happened, Happening
from chatcli.server.throttle import Later, Throttle

if TYPE_CHECKING:
    from chatcli.server.model import Connection, Room, Subscription, User

SMALL_ROOM: Final = 100  # members in the chat; in a larger room nobody gets news of who comes and goes


#: Groups events of which a newer one replaces an older one that is still waiting.
_GROUPS: Final[Mapping[Happening, str]] = {
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


class RoomEvents:
    """Sends events, those of one group about the same user once a second at most.

    A connection that does not keep up may miss an event; nothing depends on it.

    Args:
        later: runs a callable after a number of seconds.
    """

    def __init__(self, later: Later) -> None:
        self._throttle = Throttle(later)

    def broadcast(
        self,
        room: Room,
        event: Happening,
        user: User | None = None,
        *,
        by: User | None = None,
        text: str = "",
        besides: Connection | None = None,
    ) -> int:
        """Send an event to the members of a room, and to the user whom it concerns.

        That user's connections get each coming and going, at once: of what was said between two of them they have
        nothing.

        Args:
            room: the room.
            event: the event; coming and going is sent in small rooms only.
            user: the user whom it concerns.
            by: the user who has caused it.
            text: the reason, or the new topic.
            besides: a connection that knows of it already.

        Returns:
            The number of connections that get it now.
        """

        def send() -> int:
            feeds = {} if event in ("joined", "left") and len(room.here) > SMALL_ROOM else dict(room.feeds)
            if at_once:
                feeds = {feed: None for feed in feeds if feed.user is not user}
            elif user is not None:
                feeds.update(dict.fromkeys(user.feeds))
            return _send([feed for feed in feeds if feed.connection is not besides], happened)

        happened = Happened(room.name, event, user.name if user else "", by.name if by else "", text)
        at_once = user is not None and _GROUPS[event] == "member"
        own = () if user is None or not at_once else user.feeds
        sent = _send([feed for feed in own if feed.connection is not besides], happened)
        return sent + self._throttle.submit((room, user, _GROUPS[event]), happened, send)

    def notify(self, room: Room, event: Happening, user: User, *, by: User | None = None, text: str = "") -> int:
        """Send an event to the user whom it concerns, and nobody else; return the number of connections, as above."""
        happened = Happened(room.name, event, user.name, by.name if by else "", text)
        # No two are the same: an invitation may have been used, and its user sent away, since the one before.
        return self._throttle.submit((room, user, _GROUPS[event]), object(), lambda: _send(user.feeds, happened))


def _send(feeds: Sequence[Subscription], happened: Happened) -> int:
    line = encode(happened)
    for feed in feeds:
        feed.connection.try_send(line)
    return len(feeds)
