"""The messages that were printed last, and so are where the eye is; and the end of a conversation, to be printed."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from chatcli.protocol.values.names import fold

_NEAR: Final = 10  # messages


class Tail(NamedTuple):
    """The end of a conversation, to be shown.

    Attributes:
        name: the person or room.
        read: the place in the log up to which the user had read when they opened it.
        unread: the number of unread messages then; None if it was not known.
        upto: the place of the newest message when it was asked for: later ones are shown as they come.
    """

    name: str
    read: int
    unread: int | None
    upto: int | None


class Screen:
    """Remembers the newest printed messages of all conversations."""

    def __init__(self) -> None:
        self._last: deque[tuple[str, int, bool]] = deque(maxlen=_NEAR)

    def printed(self, name: str, seq: int, *, mine: bool) -> None:
        """Record that a message of a conversation was printed; ``mine`` is whether the user said it."""
        self._last.append((fold(name), seq, mine))

    def has(self, name: str, seq: int) -> bool:
        """Return whether a message was printed a moment ago."""
        return any((key, place) == (fold(name), seq) for key, place, _ in self._last)

    def count(self, name: str, after: int) -> int:
        """Return the number of others' messages after a place in the log that were printed a moment ago."""
        return len({seq for key, seq, mine in self._last if key == fold(name) and seq > after and not mine})

    def ends_with(self, name: str, count: int, after: int) -> bool:
        """Return whether the last things that were printed are this number of others' messages of a conversation.

        Args:
            name: the conversation.
            count: the number of messages.
            after: a place in the log that they come after.
        """
        for key, seq, mine in reversed(self._last):
            if key != fold(name) or count <= 0:
                break
            count -= seq > after and not mine
        return count <= 0
