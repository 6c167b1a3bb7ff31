"""The messages that were printed last and are still in view; and the end of a conversation, to be printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from chatcli.protocol.values.names import fold

_NEAR: Final = 10  # messages
_PRINTED: Final = 2000  # messages whose rows are known


class Window(NamedTuple):
    """The part of a terminal that shows what was printed.

    Attributes:
        rows: the number of its rows.
        columns: their width.
    """

    rows: int
    columns: int


class Tail(NamedTuple):
    """The end of a conversation, to be shown.

    Attributes:
        name: the person or room.
        read: the place in the log up to which the user had read when they opened it.
        unread: the number of unread messages then; None if it was not known.
        upto: the place of the newest message when it was asked for: later ones are shown as they come.
        newest: the place of the newest message when they opened it; 0 if it was not known.
    """

    name: str
    read: int
    unread: int | None
    upto: int | None
    newest: int = 0


class _Printed(NamedTuple):
    """A message that was printed."""

    of: str  # the conversation, folded
    seq: int
    mine: bool
    row: int  # the first one


class Screen:
    """Remembers the newest printed messages of all conversations, and in which rows they stand.

    Attributes:
        window: returns the window; None if it has no end, as far as is known.
    """

    def __init__(self) -> None:
        self.window: Callable[[], Window | None] = lambda: None
        self._rows = 0  # that were printed so far
        self._columns = 0  # of the window, when it was last looked at
        self._hidden = 0  # the number of rows that have left the window
        self._last: deque[_Printed] = deque(maxlen=_PRINTED)
        self._places: dict[tuple[str, int], int] = {}  # the first row of each message that was printed last

    def advance(self, rows: int) -> int:
        """Record that this number of rows is printed; return the number of the first one."""
        first, self._rows = self._rows, self._rows + rows
        self._hide()
        return first

    def clear(self) -> None:
        """Record that the window was cleared."""
        self._hidden = self._rows

    def _hide(self) -> None:
        """Record which rows have left the window: few terminals bring them back when it becomes larger."""
        window = self.window()
        if window is None:
            return
        rows, columns = max(1, window.rows), max(1, window.columns)
        broken = max(1, -(-self._columns // columns))  # the rows that each may have become, if the window is narrower
        self._columns = columns
        self._hidden = max(self._hidden, self._rows - rows // broken)
        self._rows += (self._rows - self._hidden) * (broken - 1)

    def printed(self, name: str, seq: int, *, mine: bool, row: int | None = None) -> None:
        """Record that a message of a conversation was printed.

        Args:
            name: the conversation.
            seq: the place of the message in the log.
            mine: whether the user said it.
            row: the number of its first row; without it, the message is the last thing on the screen.
        """
        one = _Printed(fold(name), seq, mine, self._rows if row is None else row)
        self._last.append(one)
        self._places.pop((one.of, seq), None)
        self._places[one.of, seq] = one.row
        if len(self._places) > _PRINTED:
            del self._places[next(iter(self._places))]

    def drop_after(self, seq: int) -> None:
        """Forget the numbers after a place, which other messages have now; their rows stay, under negative numbers."""
        self._last = deque(
            (one._replace(seq=-one.seq) if one.seq > seq else one for one in self._last), maxlen=_PRINTED
        )
        self._places = {(of, -one if one > seq else one): row for (of, one), row in self._places.items()}

    def renumber(self, name: str, before: int, seq: int) -> None:
        """Record that a printed message has another place in a log that was restored.

        Args:
            name: the conversation.
            before: the place that it had.
            seq: the one that it has now.
        """
        key = fold(name)
        row = self._places.pop((key, -before), None)
        if row is None:
            return
        self._places[key, seq] = row
        old = (key, -before)
        self._last = deque(
            (one._replace(seq=seq) if (one.of, one.seq) == old else one for one in self._last), maxlen=_PRINTED
        )

    def is_in_view(self, name: str, seq: int) -> bool:
        """Return whether a message is in the window."""
        row = self._places.get((fold(name), seq))
        self._hide()
        return row is not None and row >= self._hidden

    def has(self, name: str, seq: int) -> bool:
        """Return whether a message was printed a moment ago, and is in view."""
        near = islice(reversed(self._last), _NEAR)
        return any((one.of, one.seq) == (fold(name), seq) for one in near) and self.is_in_view(name, seq)

    def count(self, name: str, after: int) -> int:
        """Return the number of others' messages after a place in the log that were printed a moment ago."""
        near = islice(reversed(self._last), _NEAR)
        return len(
            {
                one.seq
                for one in near
                if one.of == fold(name) and one.seq > after and not one.mine and self.is_in_view(name, one.seq)
            }
        )

    def ends_with(self, name: str, count: int, after: int) -> bool:
        """Return whether the last things that were printed are this number of others' messages of a conversation.

        Args:
            name: the conversation.
            count: the number of messages.
            after: a place in the log that they come after.
        """
        return self._run(name, count, after) is not None

    def shows_last(self, name: str, count: int, after: int) -> bool:
        """Return whether these messages are the last things that were printed, and all of them are in view."""
        row = self._run(name, count, after)
        self._hide()
        return row is not None and row >= self._hidden

    def _run(self, name: str, count: int, after: int) -> int | None:
        """Return the first row of the messages, if they are the last things that were printed."""
        row = self._rows
        for one in reversed(self._last):
            if one.of != fold(name) or count <= 0:
                break
            if one.seq > after and not one.mine:
                count -= 1
                row = one.row
        return row if count <= 0 else None
