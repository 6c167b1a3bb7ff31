"""What was sent and the server does not have, as it stands above the input line until it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.widths import cut
from chatcli.protocol.frames import Send
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable_line

_SOON: Final = 0.15  # seconds: what is answered within them is not shown as waiting, which would flicker
_LINES: Final = 5


class Pending:
    """Since when each message waits; moments are in seconds, by whatever clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def note(self, outbox: Mapping[str, Send], now: float) -> None:
        """Note what waits at this moment."""
        self._since = {identity: self._since.get(identity, now) for identity in outbox}

    def visible(self, outbox: Mapping[str, Send], now: float) -> list[Send]:
        """Return what has waited for so long that it is to be seen."""
        return [send for identity, send in outbox.items() if self._waited(identity, now) > _SOON]

    def changes_in(self, now: float) -> float | None:
        """Return after how many seconds one more is to be seen, or None where there is none."""
        left = [_SOON - waited for identity in self._since if (waited := self._waited(identity, now)) <= _SOON]
        return min(left, default=None)

    def _waited(self, identity: str, now: float) -> float:
        return now - self._since.get(identity, now)


def pending_lines(sends: list[Send], width: int, most: int = _LINES) -> Fragments:
    """Return a line for each message that waits, the newest last; where there are many, one says how many more.

    Args:
        sends: what waits.
        width: columns that a line may have.
        most: lines.
    """
    most = min(most, _LINES)
    if most <= 0 or not sends:
        return []
    shown = sends if len(sends) <= most else sends[len(sends) - most + 1 :]
    lines = [] if len(shown) == len(sends) else [f"and {len(sends) - len(shown):,} more"]
    lines += [_line(send, width) for send in shown]
    text = "\n".join(cut(f"  …   {line}", width) for line in lines)
    return [("class:pending", text)]


def _line(send: Send, width: int) -> str:
    to = printable_line(send.to)
    # Cut before it is made harmless: long texts are looked at no further than they are shown.
    text = printable_line(send.text[:width])
    return f"{to}  you  {text}" if is_room(send.to) else f"you → {to}  {text}"
