"""Times as people write them."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator

import pytest

from chatcli.cli.options.times import parse_moment
from chatcli.errors import InputError

NOW = datetime.datetime(2026, 11, 22, 9, 30, 15, tzinfo=datetime.UTC).timestamp()


@pytest.fixture
def lives_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the local time zone."""

    def move(place: str) -> None:
        monkeypatch.setenv("TZ", place)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def meant(text: str) -> str:
    """Return the parsed time in UTC."""
    return datetime.datetime.fromtimestamp(parse_moment(text, NOW) / 1000, datetime.UTC).strftime("%F %T")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", "2026-11-22 09:30:15"),
        ("2h", "2026-11-22 07:30:15"),
        ("1d12H", "2026-11-20 21:30:15"),
        ("today", "2026-11-21 23:00:00"),
        ("Yesterday", "2026-11-20 23:00:00"),
        ("10:30", "2026-11-22 09:30:00"),
        (" 10:30:01 ", "2026-11-22 09:30:01"),
        ("2026-11-22", "2026-11-21 23:00:00"),
        ("2026-11-22T10:00", "2026-11-22 09:00:00"),
        ("2026-11-22 10:00:59.999", "2026-11-22 09:00:59"),
        ("2026-11-22T10:00Z", "2026-11-22 10:00:00"),
        ("2026-11-22t10:00:00z", "2026-11-22 10:00:00"),
        ("2026-11-22T10:00:00.000-05:00", "2026-11-22 15:00:00"),
        ("1969-07-20T20:17Z", "1970-01-01 00:00:00"),
    ],
)
def test_times(lives_in: Callable[[str], None], text: str, time: str) -> None:
    """A duration ago, a word, a time of day, a date and RFC 3339; without a zone, Berlin's winter time."""
    lives_in("Europe/Berlin")
    assert meant(text) == time


@pytest.mark.parametrize(
    ("place", "text", "time"),
    [
        ("Europe/Berlin", "2026-10-25", "2026-10-24 22:00:00"),
        ("Europe/Berlin", "2026-10-26", "2026-10-25 23:00:00"),
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25 00:30:00"),  # ambiguous: the first
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29 01:30:00"),  # skipped: an hour later by the clock
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00:00"),  # the day begins at one o'clock
        ("America/Havana", "2026-11-01", "2026-11-01 04:00:00"),  # midnight occurs twice
        ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00:00"),  # this day was skipped
        ("Asia/Kathmandu", "today", "2026-11-21 18:15:00"),
        ("Pacific/Kiritimati", "today", "2026-11-21 10:00:00"),
    ],
)
def test_changed_clocks(lives_in: Callable[[str], None], place: str, text: str, time: str) -> None:
    """A day begins at local midnight, whatever is done to the clock on it."""
    lives_in(place)
    assert meant(text) == time


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "soon", "tomorrow", "-2h", "2h3", "2h ago", "２h", "0s", "99999999w", "25:00", "7:00", "12:60"),
        *("0000-99-99", "2026-02-30", "20261122", "2026-W47", "2026-11-22T", "2026-11-22T25:00", "2026-11-22T10:00ZZ"),
        *("yesterday\x00", "2026-11-22T10:00Z\x1b[2J"),
    ],
)
def test_invalid_times(text: str) -> None:
    """The sentence shows how to write one, and no other error is raised."""
    with pytest.raises(InputError, match="is not a time; write how long ago, as in 2h"):
        parse_moment(text, NOW)


def test_latest_time() -> None:
    """The year 9999 west of UTC is clamped to the protocol's maximum."""
    assert parse_moment("9999-12-31T23:59-12:00", NOW) == 253_370_764_800_000
