"""Times of the protocol, milliseconds since 1970-01-01 UTC, as moments of the calendar."""

from __future__ import annotations

import datetime


def utc(time: int) -> datetime.datetime:
    """Return a time of the protocol in UTC."""
    seconds, milliseconds = divmod(time, 1000)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)


def moment(time: int) -> str:
    """Return a time of the protocol as RFC 3339 in UTC, with milliseconds."""
    return utc(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")
