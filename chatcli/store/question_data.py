"""What few messages have beside their text: the choices of a question, or what it was answered with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec


class Extra(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of it, as JSON in a column that is empty for all other messages.

    Attributes:
        choices: with them it is a question.
        until: up to when that is open, in milliseconds since 1970-01-01 UTC; None for as long as nobody answers it.
        answer: the number of a choice, or -1: with it the message is the answer to the question ``re``.
    """

    choices: Sequence[str] = ()
    until: int | None = None
    answer: int | None = None


NOTHING: Final = Extra()

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Extra).decode


def encode(extra: Extra) -> str:
    """Return what is kept of it."""
    return _encode(extra).decode()


def decode(kept: str | None) -> Extra:
    """Return what was kept; nothing, where there is none or damage has made it something else."""
    if kept is None:
        return NOTHING
    try:
        return _decode(kept)
    except (msgspec.DecodeError, TypeError, UnicodeEncodeError):
        return NOTHING
