"""Times of the protocol, milliseconds since 1970-01-01 UTC, as text for people."""

from __future__ import annotations

import datetime


def local(time: int) -> str:
    """Return a time of the protocol in the zone of this machine, to the minute."""
    return f"{_here(time):%Y-%m-%d %H:%M}"


def clock(time: int) -> str:
    """Return a time of the protocol in the zone of this machine, without the day if it is today."""
    then = _here(time)
    today = then.date() == datetime.datetime.now().astimezone().date()
    return f"{then:%H:%M}" if today else f"{then:%Y-%m-%d %H:%M}"


def _here(time: int) -> datetime.datetime:
    from chatcli import zone

    zone.current()  # for `listen`, which may run for weeks
    return datetime.datetime.fromtimestamp(time // 1000, datetime.UTC).astimezone()
