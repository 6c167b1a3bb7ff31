"""The sentences about names that have another key or another owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.protocol.frames import NameChange


def sentence(change: NameChange, moment: str) -> str:
    """Return the sentence about a change, without its full stop.

    Args:
        change: the change.
        moment: the time of the change, as it is shown.
    """
    name, by = printable_line(change.user), _operator(change.by)
    match change.what:
        case "key":
            return f"{name} added a device (a new key) at {moment}"
        case "recovered":
            return f"{name} has had a new key since {moment}: {by} let them in without the earlier one"
        case "released":
            return f"The name {name} has been nobody's since {moment}: {by} released it"
    return f"{name} has been somebody else since {moment}: an operator released the name, and it was taken anew"


def own_device(moment: str) -> str:
    """Return the sentence about a device of the user's that was added at a time, without its full stop."""
    return (
        f"Your name has had one more key since {moment}: a device was added with one of your keys or a recovery token"
    )


def _operator(name: str) -> str:
    return "an operator" if name in ("", "operator") else f"the operator {printable_line(name)}"
