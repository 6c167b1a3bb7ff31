"""Anchors: messages that were received, by which a log is recognized, and the place that they mark in it.

A number identifies nothing in a log that was restored from a backup, or in another one. The epoch does, which the
server names; and, where it names none or one that means nothing here, the message with that number: a log with the
message of an anchor in its place has everything before it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Self

from chatcli.protocol.frames import Message, NameChange

_OTHERS: Final = 3  # logs that are remembered beside the one that is read


class Anchor(NamedTuple):
    """A message that was received.

    Attributes:
        seq: its place.
        tag: a digest of its id.
        at: its time, in milliseconds since 1970-01-01 UTC.
        delivered: the newest message of that log that was delivered, if another log is read now.
        epoch: that of its log, if another log is read now and the server has named it.
    """

    seq: int
    tag: str
    at: int
    delivered: int = 0
    epoch: str = ""

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return the anchor of a message."""
        return cls(message.seq, blake2b(message.id.encode(errors="replace"), digest_size=6).hexdigest(), message.at)

    @classmethod
    def parse(cls, word: str) -> Self | None:
        """Return the anchor that a word of a file stands for; None if it is something else.

        Raises:
            ValueError: it has the number of parts of an anchor, but is none.
        """
        seq, *parts = word.split(":")
        if not 3 <= len(parts) <= 4:
            return None
        return cls(int(seq), parts[0], int(parts[1]), int(parts[2]), parts[3] if len(parts) == 4 else "")

    def __str__(self) -> str:
        return ":".join(map(str, self if self.epoch else self[:-1]))

    def is_at(self, message: Message) -> bool:
        """Return whether a message is the one that was received."""
        return message.seq == self.seq and Anchor.of(message).tag == self.tag


class Place(NamedTuple):
    """A place in a log.

    Attributes:
        seq: the newest message that was received.
        delivered: messages up to this one may have been delivered before.
        anchor: the newest message that was received, for recognizing the log; None if only its number is known.
        others: the newest messages that were received in other logs, the last log first.
        epoch: that of the log; empty if the server has named none.
    """

    seq: int
    delivered: int = 0
    anchor: Anchor | None = None
    others: tuple[Anchor, ...] = ()
    epoch: str = ""

    @property
    def candidates(self) -> list[Anchor]:
        """The anchors to look for, the highest number first: logs with a common start share the lower ones."""
        anchors = [*([self.anchor] if self.anchor is not None else []), *self.others]
        return sorted(anchors, key=lambda anchor: anchor.seq, reverse=True)

    @property
    def known(self) -> list[Place]:
        """The places in all logs whose epochs are known, that in the last one first; only their numbers count."""
        if not self.epoch:
            return []
        others = (Place(one.seq, max(one.delivered, one.seq), epoch=one.epoch) for one in self.others if one.epoch)
        return [Place(self.seq, max(self.delivered, self.seq), epoch=self.epoch), *others]

    def after(self, items: Sequence[Message | NameChange]) -> Place:
        """Return the place once these messages and changes of names were received; an anchor is always a message."""
        newest = next((item for item in reversed(items) if isinstance(item, Message)), None)
        return self._replace(seq=items[-1].seq, anchor=self.anchor if newest is None else Anchor.of(newest))

    def at(self, anchor: Anchor) -> Place:
        """Return the place in the log that has this anchor."""
        if anchor == self.anchor:
            return self._replace(seq=max(self.seq, anchor.seq))  # further if a change of a name came after it
        others = (other for other in self.in_another_log().others if other != anchor)
        own = anchor._replace(epoch="")
        return Place(anchor.seq, max(anchor.delivered, anchor.seq), own, tuple(others), anchor.epoch)

    def restored(self, seq: int, delivered: int | None = None) -> Place:
        """Return the place in a log without the messages that were received after ``seq``.

        Args:
            seq: the place.
            delivered: messages up to this one may have been delivered before; by default all that have the number of
                one that was.
        """
        place = self.in_another_log()._replace(seq=seq)
        if delivered is not None:
            kept = self.anchor if self.anchor is not None and self.anchor.seq <= seq else None
            place = place._replace(delivered=delivered, anchor=kept)
        return place

    def in_another_log(self) -> Place:
        """Return the place with its own anchor among those of other logs."""
        if self.anchor is None:
            return self
        delivered = max(self.delivered, self.anchor.seq)
        own = self.anchor._replace(delivered=delivered, epoch=self.epoch)
        others = (other for other in self.others if not self.epoch or other.epoch != self.epoch)
        return Place(self.seq, delivered, None, (own, *others)[:_OTHERS], self.epoch)
