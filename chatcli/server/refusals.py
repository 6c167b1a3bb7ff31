"""Refusals: the frames that carry them, and the sentences that several parts of the server have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.errors import ChatError, InputError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.store.batch import Conflict, Outcome

INVALID: Final = "The server cannot store that: a number or a character in it is not valid."
_GONE: Final = (codes.NOT_ALLOWED, "That is not there any more: look again.")
_CONFLICTS: Final[Mapping[Conflict, tuple[str, str]]] = {
    "taken": (codes.NAME_TAKEN, "Somebody else has asked for that name at the same time: try again."),
    "invalid": (codes.INVALID, INVALID),
    "lookalike": (codes.BAD_NAME, "Somebody else has just taken a name that looks like it: choose another one."),
}


def cannot_write(
    outcome: str = "nothing was changed", remedy: str = "Tell its operator, and try again later."
) -> Refused:
    """Return the refusal of what the log cannot store at the moment.

    Args:
        outcome: a clause about what has not happened.
        remedy: a sentence for whoever reads it.
    """
    return Refused(codes.STORAGE, f"The server cannot write its log, so {outcome}. {remedy}")


def last_key(name: str) -> Refused:
    """Return the refusal to revoke the only key of a name, which would then belong to whoever asks first."""
    return Refused(codes.NOT_ALLOWED, f"That is the only key of {name}: link another one first.")


def not_stored(outcome: Outcome) -> Refused:
    """Return the refusal of a request that the log has not stored."""
    if outcome.error is not None:
        return cannot_write()
    code, text = _CONFLICTS.get(outcome.conflict or "missing", _GONE)
    return Refused(code, text)


def unknown_user(
    spelling: str, names: Sequence[str] = (), advice: str = "check the spelling, or have them join once."
) -> UnknownRecipient:
    """Return the refusal of a name that nobody has.

    Args:
        spelling: the name as it was typed.
        names: names that are close to it; a room may be among them.
        advice: the remedy if there are none.
    """
    written = [f"'{name}'" if is_room(name) else name for name in names]  # a room as a shell wants it
    hint = f"; did you mean {' or '.join(written)}?" if names else f": {advice}"
    text = f'Nobody called "{printable_line(spelling[:64])}" was ever here{hint}'
    return UnknownRecipient(codes.UNKNOWN_USER, text, list(names))


def released_user(spelling: str) -> UnknownRecipient:
    """Return the refusal of a name that an operator has released, and that nobody has taken since."""
    text = f'Nobody is called "{printable_line(spelling[:64])}" any more: an operator has released the name'
    return UnknownRecipient(codes.UNKNOWN_USER, text, [])


def as_refusal(error: ChatError) -> Refused:
    """Return the refusal that answers a frame after an error."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, InputError):
        return Refused(codes.BAD_QUERY, str(error))
    return Refused(codes.STORAGE, f"The server cannot do that at the moment: {error}. Tell its operator.")


def error_line(frame: f.ClientFrame, refusal: Refused) -> bytes:
    """Return the encoded error that refuses a frame and names it."""
    identity, number = getattr(frame, "id", None), getattr(frame, "n", None)
    return encode(f.Error(refusal.code, str(refusal), identity, number, refusal.names))
