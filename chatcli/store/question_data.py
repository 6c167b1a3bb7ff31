"""The data of questions and answers: what few messages have besides their text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec


class QuestionData(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stored as JSON, in a column that is empty for all other messages.

    Attributes:
        choices: the choices of a question; empty for an answer.
        until: when the question expires, in milliseconds since 1970-01-01 UTC; None if it stays open until answered.
        answer: the index of a choice, or -1: the message is the answer to the question ``re``.
    """

    choices: Sequence[str] = ()
    until: int | None = None
    answer: int | None = None


NOTHING: Final = QuestionData()

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(QuestionData).decode


def encode(data: QuestionData) -> str:
    """Return the JSON to store."""
    return _encode(data).decode()


def decode(stored: str | None) -> QuestionData:
    """Return the data that was stored; ``NOTHING`` if there is none, or if damage has made it something else."""
    if stored is None:
        return NOTHING
    try:
        return _decode(stored)
    except (msgspec.DecodeError, TypeError, UnicodeEncodeError):
        return NOTHING
