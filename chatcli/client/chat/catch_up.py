"""Catching up: the messages that came while the user was away are shown together, after a line that counts them."""

from __future__ import annotations

from typing import Final

from chatcli.client.chat.events import Event, Said, Separator
from chatcli.client.chat.phrases import messages

_HELD: Final = 500  # events: with more, messages are shown as they come, and counted at the end


class CatchUp:
    """Holds missed messages until the server says that all of them have come.

    Args:
        separate: whether anybody reads separators; if not, nothing is held.

    Attributes:
        is_behind: whether the messages that come now are missed ones.
    """

    def __init__(self, *, separate: bool) -> None:
        self._separate = separate
        self.is_behind = False
        self._held: list[Event] = []
        self._own: list[
            Said
        ] = []  # the user's messages meanwhile: their place is after those that were stored before them
        self._count = 0
        self._overflowed = False

    @property
    def is_holding(self) -> bool:
        """Whether messages that came are not shown yet."""
        return bool(self._held)

    def connected(self) -> None:
        """Start on a new connection."""
        self.is_behind = True

    def add(self, events: list[Event], seq: int, count: int) -> list[Event]:
        """Return the events to show now, for events at a place in the log.

        Args:
            events: what happened there.
            seq: the place.
            count: the number of other people's messages among the events.
        """
        if not self.is_behind:
            return events
        before = [said for said in self._own if said.message.seq < seq]
        self._own = self._own[len(before) :]
        self._count += count
        if not self._separate or self._overflowed:
            return [*before, *events]
        self._held += [*before, *events]
        if len(self._held) < _HELD:
            return []
        self._overflowed = True
        return self._release("Messages while you were away:")

    def add_own(self, said: Said) -> list[Event]:
        """Return the events to show now, for a message of the user's that the server has just stored."""
        if not self.is_behind:
            return [said]
        self._own.append(said)
        return []

    def caught_up(self) -> list[Event]:
        """Return the events that are left: all missed messages have come."""
        self.is_behind = False
        end = f"{messages(self._count)} while you were away"
        if self._overflowed:
            shown: list[Event] = [Separator(f"{end}, up to here")]
        else:
            shown = self._release(end if self._count and self._separate else "")
        own, self._own, self._count, self._overflowed = self._own, [], 0, False
        return [*shown, *own]

    def _release(self, heading: str) -> list[Event]:
        held, self._held = self._held, []
        return [Separator(heading), *held] if heading else held
