"""Resumption: finds the place to go on in a log that may have been restored from a backup, or be another one.

The server's key decides nothing: it may change while the log stays, and a backup is served under the old one. The
server knows where an earlier epoch of its log ends, and so where to go on. If it does not know the epoch, or names
none, the log is recognized by the message that was received last; so it is if the epoch is the same, since files can be
copied back by hand. If that message is gone, as with ``--keep``, the times of the messages that are left decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from chatcli.client.feed.anchors import Anchor, Place
from chatcli.errors import InputError
from chatcli.protocol.epochs import Relation, relation

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message


class OtherLog(InputError):
    """The log has nothing that was received, and no way to decide which of its messages are new."""


class Resumed(NamedTuple):
    """The place to go on.

    Attributes:
        place: the place.
        moved: whether it is not known to be the one where the reader was.
        is_exact: whether every message up to it is one that was received, and none after it is.
    """

    place: Place
    moved: bool
    is_exact: bool = False


class Glimpse(NamedTuple):
    """The server's log, as it shows it.

    Attributes:
        head: the newest message.
        first: the first of the user's after a place.
        epoch: that of the log; empty if the server names none.
        shared: the place up to which it is the same as that of the epoch that was asked for; 0 if that is unknown.
    """

    head: int
    first: Message | None
    epoch: str = ""
    shared: int = 0


#: Connects after a place in the log of an epoch, and stays connected. Without an epoch the number alone counts.
Look = Callable[[int, str], Awaitable[Glimpse]]

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
    if (resumed := await _resume_by_epoch(place, look)) is not None:
        return resumed
    candidates = place.candidates
    if not candidates:
        return _at_number(place, await look(max(0, place.seq - 1), ""))
    for anchor in candidates:
        glimpse = await look(anchor.seq - 1, "")
        if _shows(glimpse, anchor):
            return Resumed(place.at(anchor), anchor != place.anchor)
    return await _resume_by_time(place, place.anchor or place.others[0], look, first_newer)


def _shows(glimpse: Glimpse, anchor: Anchor) -> bool:
    return glimpse.head >= anchor.seq and glimpse.first is not None and anchor.is_at(glimpse.first)


async def _resume_by_epoch(place: Place, look: Look) -> Resumed | None:
    """Return the place that the epochs determine; None if they do not."""
    found: list[tuple[int, int]] = []  # places in this log, and up to where messages may have been delivered
    for known in place.known:
        own = place.anchor if known.epoch == place.epoch else None
        glimpse = await look(max(0, (known if own is None else own).seq - 1), known.epoch)
        related = relation(known.epoch, glimpse.epoch)
        if related is Relation.UNNAMED:
            return None
        if related is Relation.SAME:
            anchor = next((one for one in place.others if one.epoch == known.epoch), None)
            if known.epoch == place.epoch:
                anchor = place.anchor
                if not place.candidates:
                    return _at_number(place, glimpse)
            if anchor is None or not _shows(glimpse, anchor):
                return None
            return Resumed(place.at(anchor), anchor != place.anchor, is_exact=True)
        if glimpse.shared:
            found.append((min(known.seq, glimpse.shared), min(known.delivered, glimpse.shared)))
    if not found:
        return None
    seq, delivered = map(max, zip(*found, strict=True))
    return Resumed(place.restored(seq, delivered), moved=True, is_exact=True)


def _at_number(place: Place, glimpse: Glimpse, *, moved: bool = False) -> Resumed:
    """Return a place of which only the number is known; the message that is found there becomes the anchor."""
    if _was_put_back(glimpse, place.seq):
        return Resumed(place.restored(glimpse.head), moved=True)
    if glimpse.first is not None and glimpse.first.seq == place.seq:
        place = place._replace(anchor=Anchor.of(glimpse.first))
    return Resumed(place, moved)


def _was_put_back(glimpse: Glimpse, seq: int) -> bool:
    """Return whether a log ends before a place of which only the number is known."""
    return relation("", glimpse.epoch, position=seq, reached=glimpse.head) is Relation.PUT_BACK


async def _resume_by_time(place: Place, lost: Anchor, look: Look, first_newer: FirstNewer) -> Resumed:
    glimpse = await look(lost.seq - 1, "")
    found = await first_newer(lost.at, min(lost.seq, glimpse.head))
    if found is not None:
        place = place.restored(found - 1)
    elif _was_put_back(glimpse, lost.seq):
        place = place.restored(glimpse.head)
    elif glimpse.first is not None and glimpse.first.seq == lost.seq:
        raise OtherLog(f"message {lost.seq} is another one")
    else:  # deleted, as old messages may be; but nothing proves it: the anchor is kept
        return Resumed(place.in_another_log()._replace(seq=lost.seq), lost != place.anchor)
    return _at_number(place, await look(max(0, place.seq - 1), ""), moved=True)
