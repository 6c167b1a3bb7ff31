"""Durations, as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol import frames
from chatcli.protocol.values.durations import MAX_BAN, duration_text, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("2d", 172_800),
        ("1w", 604_800),
        ("1h30m", 5400),
        ("2D", 172_800),
        ("520w", 520 * 604_800),
    ],
)
def test_numbers_and_units(text: str, seconds: int) -> None:
    """Units may be combined, and written in capitals."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0s", "5", "m", "-5m", "5 m", "1.5h", "2y", "10m!", "٣m", "1m ", "9999999999s", "\x1b[2Jm"]
)
def test_invalid_durations(text: str) -> None:
    """Anything else, and a duration of zero, is refused with an example."""
    with pytest.raises(InputError, match="write it like 90s, 10m, 2h, 2d or 1w"):
        parse_duration(text)


def test_ten_years_are_the_longest() -> None:
    """The limit is the protocol's for bans and mutes, and the refusal names it."""
    assert parse_duration("3660d") == parse_duration("316224000s") == MAX_BAN == frames.MAX_BAN
    with pytest.raises(InputError, match="ten years at most, which is 3660d"):
        parse_duration("316224001s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.9, "0s"), (59, "59s"), (60, "1m"), (5400, "1h30m"), (90_061, "1d1h"), (604_800, "1w")],
)
def test_shown_in_two_units(seconds: float, text: str) -> None:
    """A duration is shown in its two largest units."""
    assert duration_text(seconds) == text


@given(st.integers(min_value=1, max_value=10 * 365 * 86_400))
def test_shown_form_reads_back(seconds: int) -> None:
    """The shown form reads back as no more than the duration, and as nearly all of it."""
    read = parse_duration(duration_text(seconds))
    assert seconds / 2 < read <= seconds
