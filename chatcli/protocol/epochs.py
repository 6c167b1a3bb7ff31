"""The logs that a client has known, by their epochs, and which of their numbers mean the same in the present one."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatcli.protocol.frames import MAX_SEQ

if TYPE_CHECKING:
    from chatcli.protocol.frames import Send, Welcome

MAX_EPOCH: Final = 24  # characters of an epoch that clients write down

_REMEMBERED: Final = 8  # epochs, beside the present one


class Relation(enum.Enum):
    """The relation of a server's log to the one that a client has numbers of."""

    SAME = enum.auto()
    UNNAMED = enum.auto()  # only messages show whether it is the same: the server names none, or the client knows none
    OTHER = enum.auto()  # another one, or a state of it that was restored from a backup
    PUT_BACK = enum.auto()  # the files of an earlier state were put back by hand, under the same name


def relation(known: str, epoch: str, *, position: int | None = None, reached: int = 0) -> Relation:
    """Return the relation of a server's log to the one that a client has numbers of.

    Args:
        known: the epoch of the client's numbers; empty if it is not known.
        epoch: the epoch that the server names; empty if it names none.
        position: the client's place in its log, from which it wants to go on; None if it has none.
        reached: the place up to which the server accepts one.
    """
    if known and epoch and known != epoch:
        return Relation.OTHER
    if position is not None and reached < position:
        return Relation.PUT_BACK
    return Relation.SAME if known and epoch else Relation.UNNAMED


class KnownLogs:
    """The epoch of the log that the server has now, and what it shares with those before it.

    A server that names no epoch, as older ones, is taken to have the log that was there before.

    Args:
        epoch: the epoch to which the numbers belong that the client has; empty if it has none.

    Attributes:
        epoch: the present one.
    """

    def __init__(self, epoch: str = "") -> None:
        self.epoch = epoch
        self._shared: dict[str, int] = {}  # by earlier epoch, the one before the present one last

    def relation(self, welcome: Welcome, position: int | None = None) -> Relation:
        """Return the relation of a server's log to the present one, in which the client has a position or has none."""
        return relation(self.epoch, welcome.epoch, position=position, reached=welcome.cursor)

    def welcomed(self, welcome: Welcome, asked: str) -> bool:
        """Record the log of a server; return whether it is another than before.

        Args:
            welcome: what the server says.
            asked: the epoch in the ``hello`` before it.
        """
        if self.relation(welcome) is not Relation.OTHER:
            self.epoch = welcome.epoch or self.epoch
            return False
        of_asked = MAX_SEQ if asked == welcome.epoch else welcome.shared
        shared = min(of_asked, self.shared(asked)) if asked else 0
        limits = {epoch: min(limit, shared) for epoch, limit in self._shared.items()}
        limits |= {asked: of_asked} if asked else {}
        limits.pop(self.epoch, None)
        limits[self.epoch] = shared
        limits.pop(welcome.epoch, None)
        self._shared = dict(list(limits.items())[-_REMEMBERED:])
        self.epoch = welcome.epoch
        return True

    def knows(self, epoch: str) -> bool:
        """Return whether an epoch is the present one or one before it."""
        return epoch == self.epoch or epoch in self._shared

    def shared(self, epoch: str) -> int:
        """Return the number up to which those of an epoch mean the same messages in the present log."""
        return MAX_SEQ if epoch in ("", self.epoch) else self._shared.get(epoch, 0)


def storable(epoch: str) -> str:
    """Return an epoch if it can be written into a file; else an empty string, as if the server had named none."""
    return epoch if len(epoch) <= MAX_EPOCH and epoch.isascii() and epoch.isalnum() else ""


def fitted(message: Send, limit: int) -> Send | None:
    """Return a message as it can be sent to a log that shares only numbers up to a limit with that of its ``re``.

    A reply loses its ``re`` if that is another message now. An answer would answer another question: the result is
    None.
    """
    if message.re is None or message.re <= limit:
        return message
    return None if message.answer is not None else replace(message, re=None)
