"""The logs that a client has known, by their epochs, and which of their numbers mean the same in the present one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatcli.protocol.frames import MAX_SEQ

if TYPE_CHECKING:
    from chatcli.protocol.frames import Send, Welcome

MAX_EPOCH: Final = 24  # characters of an epoch that clients write down

_REMEMBERED: Final = 8  # epochs, beside the present one


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

    def differs(self, welcome: Welcome) -> bool:
        """Return whether a server has another log than the present one."""
        return bool(self.epoch and welcome.epoch) and welcome.epoch != self.epoch

    def welcomed(self, welcome: Welcome, asked: str) -> bool:
        """Record the log of a server; return whether it is another than before.

        Args:
            welcome: what the server says.
            asked: the epoch in the ``hello`` before it.
        """
        if not self.differs(welcome):
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
