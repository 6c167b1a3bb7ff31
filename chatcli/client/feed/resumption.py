"""Resumption: where to go on in the log that answers, which may have been put back, or be another one.

The key of the server does not tell: it may be changed while the log goes on, and a backup is served under the old one.
What tells is whether the log has what was read last. If that message is gone, as ``--keep`` has it, the times of those
that are left tell whether the log goes on all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from chatcli.client.feed.anchors import Anchor, Place
from chatcli.errors import InputError

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message


class OtherLog(InputError):
    """The log has nothing of what was read, and nothing tells what of it is new."""


class Resumed(NamedTuple):
    """Where to go on; ``moved`` if that is not where the reader had come, as far as anything tells."""

    place: Place
    moved: bool


class Glimpse(NamedTuple):
    """What a log shows behind a place: its newest message, and the first of the user's that follows the place."""

    head: int
    first: Message | None


#: Connects behind a place, and stays connected.
Look = Callable[[int], Awaitable[Glimpse]]

#: Finds the first message up to a place (the second number) that was said after a time (the first).
Newer = Callable[[int, int], Awaitable[int | None]]


async def resume(place: Place, look: Look, newer: Newer) -> Resumed:
    """Return where to go on; the last look was at or before that place.

    A place is kept unless the log proves to be another: one that was put back has what was read up to some message, and
    after that only what is newer. What comes again then is told from what is new by :attr:`Place.tried`.

    Args:
        place: where the reader had come.
        look: connects to the server.
        newer: finds messages by their time.

    Raises:
        OtherLog: nothing tells where to go on.
    """
    candidates = place.candidates
    if not candidates:
        return await _unanchored(place, look)
    for anchor in candidates:
        glimpse = await look(anchor.seq - 1)
        if glimpse.head >= anchor.seq and glimpse.first is not None and anchor.is_at(glimpse.first):
            return Resumed(place.at(anchor), anchor != place.anchor)
    return await _without_anchor(place, place.anchor or place.others[0], look, newer)


async def _unanchored(place: Place, look: Look, *, moved: bool = False) -> Resumed:
    """Go on at a place of which only the number is known; what is found there makes the anchor."""
    glimpse = await look(max(0, place.seq - 1))
    if glimpse.head < place.seq:
        return Resumed(place.put_back(glimpse.head), moved=True)
    if glimpse.first is not None and glimpse.first.seq == place.seq:
        place = place._replace(anchor=Anchor.of(glimpse.first))
    return Resumed(place, moved)


async def _without_anchor(place: Place, lost: Anchor, look: Look, newer: Newer) -> Resumed:
    glimpse = await look(lost.seq - 1)
    found = await newer(lost.at, min(lost.seq, glimpse.head))
    if found is not None:
        place = place.put_back(found - 1)
    elif glimpse.head < lost.seq:
        place = place.put_back(glimpse.head)
    elif glimpse.first is not None and glimpse.first.seq == lost.seq:
        raise OtherLog(f"message {lost.seq} is another one")
    else:  # deleted, as old messages may be; but nothing proves it: the anchor is kept
        return Resumed(place.left()._replace(seq=lost.seq), lost != place.anchor)
    return await _unanchored(place, look, moved=True)
