"""Times as people write them: ``2h``, ``yesterday``, ``10:30``, ``2026-11-22``, ``2026-11-22T10:00Z``."""

from __future__ import annotations

import datetime
import re
from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.values.durations import parse_duration

_LAST: Final = 253_370_764_800_000  # milliseconds: no time of the protocol is later
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
_AGO: Final = re.compile(r"(?:[0-9]+[smhdw])+", re.ASCII | re.IGNORECASE)
_CLOCK: Final = re.compile(r"[0-2][0-9]:[0-5][0-9](?::[0-5][0-9])?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ].+)?", re.ASCII | re.DOTALL)


def parse_moment(text: str, now: float) -> int:
    """Return the time that ``text`` means, in milliseconds since 1970-01-01 UTC.

    A time ago (``2h``, ``1d12h``), ``now``, ``today`` and ``yesterday`` (when that day began), a time of this day, a
    date (when it began), or a date and a time. Without a zone all of them are meant as the clock here shows them; where
    that is set back and shows a time twice, the first is meant, and one that it jumps over is as much later.

    Args:
        text: as someone wrote it.
        now: seconds since 1970-01-01 UTC.

    Raises:
        InputError: the text is not a time.
    """
    word = text.strip()
    try:
        return min(max(0, int(_parse(word, now) * 1000)), _LAST)
    except (ValueError, OverflowError, OSError, InputError):
        raise InputError(
            f'"{text}" is not a time; write how long ago, as in 2h, or when, as in yesterday or 2026-11-22T10:00Z.'
        ) from None


def _parse(word: str, now: float) -> float:
    if word.lower() == "now":
        return now
    if _AGO.fullmatch(word):
        return now - parse_duration(word)
    today = datetime.datetime.fromtimestamp(now).date()  # noqa: DTZ006 (the day that the clock here shows)
    days = _DAYS_AGO.get(word.lower())
    if days is not None:
        return _beginning(today - datetime.timedelta(days))
    if _CLOCK.fullmatch(word):
        return datetime.datetime.combine(today, datetime.time.fromisoformat(word)).timestamp()
    if not _DATE.fullmatch(word):
        raise ValueError(word)
    return datetime.datetime.fromisoformat(word.upper()).timestamp()


def _beginning(day: datetime.date) -> float:
    """Return the first moment of a day; where the clock here jumps over midnight, that is the jump."""
    return datetime.datetime.combine(day, datetime.time()).timestamp()
