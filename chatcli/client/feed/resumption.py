"""Resumption: finds the place to go on in a log that may have been restored from a backup, or be another one.

The server's key decides nothing: it may change while the log stays, and a backup is served under the old one. The log
is recognized by the message that was read last. If that message is gone, as with ``--keep``, the times of the messages
that are left decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from chatcli.client.feed.anchors import Anchor, Place
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message


class OtherLog(InputError):
    """The log has nothing that was read, and no way to decide which of its messages are new."""


class Resumed(NamedTuple):
    """The place to go on; ``moved`` if it is not known to be the one where the reader was."""

    place: Place
    moved: bool


class Glimpse(NamedTuple):
    """The newest message of a log, and the first of the user's after a place."""

    head: int
    first: Message | None


#: Connects after a place, and stays connected.
Look = Callable[[int], Awaitable[Glimpse]]

#: Finds the first message up to a place (the second number) that is newer than a time (the first).
FirstNewer = Callable[[int, int], Awaitable[int | None]]


async def resume(place: Place, look: Look, first_newer: FirstNewer) -> Resumed:
    """Return the place to go on; the last look was at or before that place.

    A place is kept unless the log proves to be another: one that was restored has the messages up to some point, and
    only newer ones after it. :attr:`Place.delivered` then separates messages that come again from new ones.

    Args:
        place: where the reader was.
        look: connects to the server.
        first_newer: finds messages by their time.

    Raises:
        OtherLog: nothing decides where to go on.
    """
    candidates = place.candidates
    if not candidates:
        return await _resume_by_number(place, look)
    for anchor in candidates:
        glimpse = await look(anchor.seq - 1)
        if glimpse.head >= anchor.seq and glimpse.first is not None and anchor.is_at(glimpse.first):
            return Resumed(place.at(anchor), anchor != place.anchor)
    return await _resume_by_time(place, place.anchor or place.others[0], look, first_newer)


async def _resume_by_number(place: Place, look: Look, *, moved: bool = False) -> Resumed:
    """Go on at a place of which only the number is known; the message that is found there becomes the anchor."""
    glimpse = await look(max(0, place.seq - 1))
    if glimpse.head < place.seq:
        return Resumed(place.restored(glimpse.head), moved=True)
    if glimpse.first is not None and glimpse.first.seq == place.seq:
        place = place._replace(anchor=Anchor.of(glimpse.first))
    return Resumed(place, moved)


async def _resume_by_time(place: Place, lost: Anchor, look: Look, first_newer: FirstNewer) -> Resumed:
    glimpse = await look(lost.seq - 1)
    found = await first_newer(lost.at, min(lost.seq, glimpse.head))
    if found is not None:
        place = place.restored(found - 1)
    elif glimpse.head < lost.seq:
        place = place.restored(glimpse.head)
    elif glimpse.first is not None and glimpse.first.seq == lost.seq:
        raise OtherLog(f"message {lost.seq} is another one")
    else:  # deleted, as old messages may be; but nothing proves it: the anchor is kept
        return Resumed(place.in_another_log()._replace(seq=lost.seq), lost != place.anchor)
    return await _resume_by_number(place, look, moved=True)
