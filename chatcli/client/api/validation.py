"""Validates the arguments of programs before they are used; errors are sentences for people."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Final

from chatcli.client.feed.listener import Timestamp
from chatcli.client.feed.requester import NOT_UTF_8
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_OPEN, MAX_SEQ
from chatcli.protocol.keys import is_fingerprint
from chatcli.protocol.values.text import is_text

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


def check_text(*texts: object) -> None:
    """Raise unless these texts can be sent.

    Raises:
        InputError: one is not a ``str``, or not UTF-8.
    """
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"Names and texts are of the type str, and not {text!r}.")
        if not is_text(text):
            raise InputError(NOT_UTF_8)


def check_seq(seq: object, what: str) -> None:
    """Raise unless this can be the ``seq`` of a message, or is None.

    Args:
        seq: the value.
        what: the name of the argument.

    Raises:
        InputError: it cannot be one.
    """
    if seq is None or (isinstance(seq, int) and 0 <= seq <= MAX_SEQ):
        return
    raise InputError(f"{what} is the seq of a message, a whole number from 0, and not {seq!r}.")


def check_pin(pin: str | None) -> None:
    """Raise unless this can be the fingerprint of a key, or is None.

    Raises:
        InputError: it cannot be one.
    """
    if pin is not None and not is_fingerprint(pin):
        raise InputError(f'"{pin}" is not a fingerprint; one is "SHA256:" and 43 characters.')


def parse_since(since: object) -> Since:
    """Return the place to start.

    Raises:
        InputError: it is none of the accepted types.
    """
    if isinstance(since, datetime.datetime):
        try:
            start = since.astimezone(datetime.UTC)
        except (OverflowError, ValueError):  # at an end of the range of datetime, in another zone
            start = since.replace(tzinfo=datetime.UTC)
        return Timestamp(max(0, (start - _EPOCH) // datetime.timedelta(milliseconds=1)))
    if since == "now":
        return "now"
    if isinstance(since, str | float):
        raise InputError(f'since is the seq of a message, a datetime, or "now", and not {since!r}.')
    check_seq(since, "since")
    return since if isinstance(since, int) else None


def parse_timeout(timeout: float) -> int:
    """Return the whole seconds for which a question is open.

    Raises:
        InputError: it is not positive, or too long.
    """
    if not math.isfinite(timeout) or not 0 < timeout <= MAX_OPEN:
        raise InputError(f"A question is open for 1 to {MAX_OPEN} seconds, and not for {timeout!r}.")
    return math.ceil(timeout)
