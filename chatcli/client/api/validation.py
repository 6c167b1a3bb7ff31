"""What programs hand over, looked at before it goes anywhere: what cannot be right is said in a sentence."""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Final

from chatcli.client.feed.listener import Timestamp
from chatcli.client.feed.requester import NOT_UTF_8
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_OPEN, MAX_SEQ
from chatcli.protocol.keys import is_fingerprint
from chatcli.protocol.text import is_text

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Since

_EPOCH: Final = datetime.datetime.fromtimestamp(0, datetime.UTC)


def check_text(*texts: str) -> None:
    """See whether these can be sent.

    Raises:
        InputError: they cannot.
    """
    if not all(map(is_text, texts)):
        raise InputError(NOT_UTF_8)


def check_seq(seq: object, what: str) -> None:
    """See whether this can be the ``seq`` of a message, or is None.

    Args:
        seq: it.
        what: how whoever gave it calls it.

    Raises:
        InputError: it cannot be.
    """
    if seq is None or (isinstance(seq, int) and 0 <= seq <= MAX_SEQ):
        return
    raise InputError(f"{what} is the seq of a message, a whole number from 0, and not {seq!r}.")


def check_pin(pin: str | None) -> None:
    """See whether this can be the fingerprint of a key, or is None.

    Raises:
        InputError: it cannot be.
    """
    if pin is not None and not is_fingerprint(pin):
        raise InputError(f'"{pin}" is no fingerprint; one is "SHA256:" and 43 characters.')


def beginning(since: object) -> Since:
    """Return where to begin.

    Raises:
        InputError: that is no place.
    """
    if isinstance(since, datetime.datetime):
        try:
            begin = since.astimezone(datetime.UTC)
        except (OverflowError, ValueError):  # at one end of what a datetime can say, in another zone
            begin = since.replace(tzinfo=datetime.UTC)
        return Timestamp(max(0, (begin - _EPOCH) // datetime.timedelta(milliseconds=1)))
    if since == "now":
        return "now"
    if isinstance(since, str | float):
        raise InputError(f'since is the seq of a message, a datetime, or "now", and not {since!r}.')
    check_seq(since, "since")
    return since if isinstance(since, int) else None


def open_for(timeout: float) -> int:
    """Return for how many seconds a question is open that somebody waits so long for.

    Raises:
        InputError: no question is.
    """
    if not math.isfinite(timeout) or not 0 < timeout <= MAX_OPEN:
        raise InputError(f"A question is open for 1 to {MAX_OPEN} seconds, and not for {timeout!r}.")
    return math.ceil(timeout)
