"""Times of the protocol, milliseconds since 1970-01-01 UTC, as text."""

from __future__ import annotations

import datetime


def moment(time: int) -> str:
    """Return a time of the protocol as RFC 3339 in UTC, with milliseconds."""
    return _utc(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    return _utc(time).astimezone()


def _utc(time: int) -> datetime.datetime:
    seconds, milliseconds = divmod(time, 1000)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)
