"""The messages that the server does not have yet, shown above the input line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.widths import cut
from chatcli.protocol.frames import Send
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

_SOON: Final = 0.15  # seconds: messages answered within them are not shown, which would flicker
_MOST_LINES: Final = 5


class Pending:
    """The moments since which messages wait, in seconds by any one clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def update(self, outbox: Mapping[str, Send], now: float) -> None:
        """Record the messages that wait now."""
        self._since = {identity: self._since.get(identity, now) for identity in outbox}

    def visible(self, outbox: Mapping[str, Send], now: float) -> list[Send]:
        """Return the messages that have waited long enough to be shown."""
        return [send for identity, send in outbox.items() if self._waited(identity, now) > _SOON]

    def changes_in(self, now: float) -> float | None:
        """Return the seconds until one more message is to be shown, or None."""
        left = [_SOON - waited for identity in self._since if (waited := self._waited(identity, now)) <= _SOON]
        return min(left, default=None)

    def _waited(self, identity: str, now: float) -> float:
        return now - self._since.get(identity, now)


def pending_lines(sends: list[Send], width: int, most: int = _MOST_LINES) -> Fragments:
    """Return a line for each message, the newest last; the first line counts those left out.

    Args:
        sends: the messages, the oldest first.
        width: maximum columns of a line.
        most: maximum number of lines.
    """
    most = min(most, _MOST_LINES)
    if most <= 0 or not sends:
        return []
    shown = sends if len(sends) <= most else sends[len(sends) - most + 1 :]
    lines = [] if len(shown) == len(sends) else [f"and {len(sends) - len(shown):,} more"]
    lines += [_line(send, width) for send in shown]
    text = "\n".join(cut(f"  …   {line}", width) for line in lines)
    return [("class:pending", text)]


def _line(send: Send, width: int) -> str:
    to = printable_line(send.to)
    # Cut before it is escaped: a long text is read no further than it is shown.
    text = printable_line(send.text[:width])
    return f"{to}  you  {text}" if is_room(send.to) else f"you → {to}  {text}"
