"""Catching up: what was said while the user was away is shown together, behind a line that counts it."""

from __future__ import annotations

from typing import Final

from chatcli.client.chat.events import Event, Said, Separator
from chatcli.client.chat.phrases import messages

_HELD: Final = 500  # events: what was missed beyond that is shown as it comes, and counted at its end


class CatchingUp:
    """Holds what comes before the server says that all of it has come.

    Args:
        separate: whether there is anybody to see a separator; where not, nothing is held.
    """

    def __init__(self, *, separate: bool) -> None:
        self._separate = separate
        self._behind = False
        self._held: list[Event] = []
        self._own: list[Said] = []  # what the user said meanwhile: its place is behind what was said before it
        self._count = 0
        self._overflowed = False

    @property
    def behind(self) -> bool:
        """Whether what comes now was said before."""
        return self._behind

    @property
    def holds(self) -> bool:
        """Whether something that came is yet to be shown."""
        return bool(self._held)

    def begin(self) -> None:
        """Begin to catch up, on a connection that is new."""
        self._behind = True

    def missed(self, events: list[Event], seq: int, count: int) -> list[Event]:
        """Take what was said at a place in the log; return what to show now.

        Args:
            events: how it is shown.
            seq: the place.
            count: how many messages of others it is.
        """
        if not self._behind:
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

    def own(self, said: Said) -> list[Event]:
        """Take what the user said and the server has in its log; return what to show now."""
        if not self._behind:
            return [said]
        self._own.append(said)
        return []

    def caught_up(self) -> list[Event]:
        """Return what is left to be shown: everything has come."""
        self._behind = False
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
