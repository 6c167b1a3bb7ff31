"""The exit statuses, one table for all commands."""

from __future__ import annotations

from typing import Final

from chatcli.errors import (
    ChatError,
    ForeignAnswer,
    HeldBack,
    InputError,
    Refused,
    ServerNotTrusted,
    ServerUnavailable,
    UnknownRecipient,
)

NOT_IN_TIME: Final = 6
DECLINED: Final = 7

EXIT_STATUSES: Final = {
    0: "done: stored, delivered, answered",
    1: "something unexpected",
    2: "the command line is wrong",
    3: "unknown person or room",
    4: "refused: the name, the key, a permission, an allowance, too long",
    5: "not now, try again later: unreachable, full, or cannot store it",
    NOT_IN_TIME: "not in time: not confirmed, not answered",
    DECLINED: "declined",
    130: "interrupted with Ctrl-C",
}

_BY_KIND: Final[tuple[tuple[type[ChatError], int], ...]] = (
    (InputError, 2),
    (UnknownRecipient, 3),
    (Refused, 4),
    (ServerNotTrusted, 4),
    (ServerUnavailable, 5),
    (ForeignAnswer, 5),
)


def exit_status(error: ChatError) -> int:
    """Return the status with which a command ends on ``error``."""
    if isinstance(error, HeldBack):
        return exit_status(error.cause)
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 1)
