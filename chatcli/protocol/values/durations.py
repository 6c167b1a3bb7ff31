"""Durations as people write them: ``90s``, ``10m``, ``2h``, ``2d``, ``1w``."""

from __future__ import annotations

import re
from typing import Final

from chatcli.errors import InputError

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MAX_BAN: Final = 10 * 366 * 86_400  # the same as in frames, whose import would cost milliseconds
_PART: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


def parse_duration(text: str) -> int:
    """Return the seconds that ``text`` stands for; units can be combined, as in ``1h30m``.

    Raises:
        InputError: it is malformed, zero, or more than ten years.
    """
    parts = _PART.findall(text.lower())
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.lower() or seconds <= 0:
        raise InputError(f'"{text}" is not a length of time; write it like 90s, 10m, 2h, 2d or 1w.')
    if seconds > MAX_BAN:
        raise InputError(f'"{text}" is too long: ten years at most, which is {MAX_BAN // 86_400}d.')
    return seconds


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units, as in ``2d3h``."""
    rest = int(seconds)
    parts = []
    for unit, size in sorted(_SECONDS.items(), key=lambda item: -item[1]):
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts[:2]) or "0s"
