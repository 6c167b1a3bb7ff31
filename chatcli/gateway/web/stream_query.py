"""Requests for a stream: where it begins, whether it goes on, and what it leaves out."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.publishing import invalid, parameters
from chatcli.protocol.frames import MAX_PAGE, MAX_SEQ
from chatcli.protocol.values.text import printable_line

_POSITION: Final = re.compile(r"(\d{1,16})(?:-([0-9A-Za-z]{1,24}))?", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,6}", re.ASCII)
_SWITCHES: Final = {"": True, "1": True, "true": True, "0": False, "false": False}
_OF_EVENTS: Final = {"since", "newest", "own"}
_OF_LINES: Final = _OF_EVENTS | {"follow"}


class Position(NamedTuple):
    """A place in the log, after which a stream begins.

    Attributes:
        seq: of the last message before.
        epoch: that of the log to which the number belongs; empty for the present one.
    """

    seq: int
    epoch: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the position in a text such as ``4711-5f0c3b1e9d2a4c68`` or ``4711``; None for other texts."""
        found = _POSITION.fullmatch(text)
        if found is None or int(found[1]) > MAX_SEQ:
            return None
        return cls(int(found[1]), found[2] or "")

    def __str__(self) -> str:
        return f"{self.seq}-{self.epoch}" if self.epoch else str(self.seq)


class StreamQuery(NamedTuple):
    """The wishes in a request for a stream.

    Attributes:
        since: the place after which it begins; None for another beginning.
        newest: the number of messages in the log with which it begins; None for another beginning. Without either it
            begins now if it follows, and else with the first message.
        follow: whether it goes on with what is said later.
        own: whether it has what the caller has said to others.
    """

    since: Position | None
    newest: int | None
    follow: bool
    own: bool


def understand(head: Head, *, events: bool) -> StreamQuery:
    """Return the wishes in a request.

    Args:
        head: the request.
        events: whether it is one for events, which always follow and may say where they were broken off.

    Raises:
        Fault: they are not understood.
    """
    fields = parameters(head, _OF_EVENTS if events else _OF_LINES)
    broken_off = head.headers.get("last-event-id", "") if events else ""
    if "since" in fields and "newest" in fields:
        raise invalid('Give "since" or "newest", not both.')
    since = _position(broken_off or fields["since"]) if broken_off or "since" in fields else None
    newest = _count(fields["newest"]) if "newest" in fields and since is None else None
    return StreamQuery(since, newest, events or _switch(fields, "follow"), _switch(fields, "own"))


def _position(text: str) -> Position:
    found = Position.parse(text)
    if found is None:
        raise invalid(
            f'"{printable_line(text[:60])}" is no position: a position is the id of an event, or the seq of a message.'
        )
    return found


def _count(text: str) -> int:
    count = int(text) if _COUNT.fullmatch(text) else 0
    if not 1 <= count <= MAX_PAGE:
        raise invalid(f'"newest" is a number from 1 to {MAX_PAGE}; for more, begin further back with "since".')
    return count


def _switch(fields: dict[str, str], name: str) -> bool:
    value = _SWITCHES.get(fields.get(name, "0").lower())
    if value is None:
        raise invalid(f'"{name}" is 1 or 0.')
    return value
