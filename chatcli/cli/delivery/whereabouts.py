"""The sentence on where a recipient is, for those who wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcli.protocol.frames import Person


def absence(person: Person, *, delivered: bool) -> str:
    """Return the reason why a person may not look at a message soon, in words; empty if there is none.

    Args:
        person: where they are.
        delivered: whether a client of theirs has the message: one of a person who is not here is a program.
    """
    from chatcli.cli.output.times import clock
    from chatcli.protocol.values.text import printable_line

    name = printable_line(person.user)
    if person.state == "away":
        text = f" ({printable_line(person.text)})" if person.text else ""
        return f"{name} has been away since {clock(person.since)}{text}"
    if person.state == "gone":
        since = f" since {clock(person.since)}" if person.since else ""
        return "" if delivered else f"{name} has not been here{since}"
    return f"{name} has been idle since {clock(person.idle)}" if person.idle else ""
