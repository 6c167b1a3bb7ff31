"""Anchors: messages that were read, by which a log is known again, and the place that they give in it.

A number says nothing about a log that was put back from a backup, or about another one. The message under that number
does: a log that has the message of an anchor in its place has everything before it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from chatcli.protocol.frames import Message

_OTHERS: Final = 3  # logs that are remembered beside the one that is read


class Anchor(NamedTuple):
    """A message that was read.

    Attributes:
        seq: its place.
        tag: a digest of its id.
        at: its time, in milliseconds since 1970-01-01 UTC.
        tried: the newest message of that log that was handed over, where another log is read meanwhile.
    """

    seq: int
    tag: str
    at: int
    tried: int = 0

    @classmethod
    def of(cls, message: Message) -> Self:
        """Return the anchor that a message makes."""
        return cls(message.seq, blake2b(message.id.encode(errors="replace"), digest_size=6).hexdigest(), message.at)

    @classmethod
    def read(cls, word: str) -> Self | None:
        """Return what a word of a file says; None where it is no anchor.

        Raises:
            ValueError: it begins like one, and is none.
        """
        parts = word.split(":")
        return cls(int(parts[0]), parts[1], int(parts[2]), int(parts[3])) if len(parts) == 4 else None

    def __str__(self) -> str:
        return ":".join(map(str, self))

    def is_at(self, message: Message) -> bool:
        """Return whether a message is the one that was read."""
        return message.seq == self.seq and Anchor.of(message).tag == self.tag


class Place(NamedTuple):
    """A place in a log.

    Attributes:
        seq: the place.
        tried: what comes up to here may have been handed over before.
        anchor: the newest message that was read up to ``seq``, if one was.
        others: places in other logs that were read before, the last one first.
    """

    seq: int
    tried: int = 0
    anchor: Anchor | None = None
    others: tuple[Anchor, ...] = ()

    @property
    def candidates(self) -> list[Anchor]:
        """The anchors to look for, the one furthest on first: logs that began alike have the earlier ones in common."""
        anchors = [*([self.anchor] if self.anchor is not None else []), *self.others]
        return sorted(anchors, key=lambda anchor: anchor.seq, reverse=True)

    def after(self, messages: Sequence[Message]) -> Place:
        """Return the place once these were read."""
        return self._replace(seq=messages[-1].seq, anchor=Anchor.of(messages[-1]))

    def at(self, anchor: Anchor) -> Place:
        """Return the place in the log that has this anchor."""
        if anchor == self.anchor:
            return self._replace(seq=anchor.seq)
        others = (other for other in self.left().others if other != anchor)
        return Place(anchor.seq, max(anchor.tried, anchor.seq), anchor, tuple(others))

    def put_back(self, seq: int) -> Place:
        """Return the place in a log that has nothing of what was read after ``seq``."""
        return self.left()._replace(seq=seq)

    def left(self) -> Place:
        """Return the place with its own log among the others."""
        if self.anchor is None:
            return self
        tried = max(self.tried, self.anchor.seq)
        return Place(self.seq, tried, None, (self.anchor._replace(tried=tried), *self.others)[:_OTHERS])
