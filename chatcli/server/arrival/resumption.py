"""Resumption: where the feed of a client goes on, given the place that it names in its ``hello``.

The place belongs to a log, which the client names by its epoch. This server may have a later state of that log, one
that was restored from a backup, or another log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from chatcli.protocol.frames import Hello
    from chatcli.store.interface import Log


class Resumption(NamedTuple):
    """The place where a feed goes on.

    Attributes:
        position: the ``seq`` after which it starts.
        resumes: whether that is the client's place, and not what its user has received.
        shared: the ``seq`` up to which this log is the same as the one that the client names; 0 if that is unknown.
        untold: the ``seq`` after which the client was told of no change of a name, if that is before the position.
    """

    position: int
    resumes: bool
    shared: int
    untold: int | None


def knows(log: Log, epoch: str) -> bool:
    """Return whether a place means anything in this log, given the epoch of its log; an empty one is that of this."""
    return not epoch or log.shared(epoch) is not None


def required(hello: Hello, log: Log) -> int:
    """Return the ``seq`` that the log has to reach before the client's place in it can be judged."""
    return hello.since or 0 if hello.epoch in ("", log.epoch) else 0


def find(hello: Hello, log: Log, received: int) -> Resumption:
    """Return the place where a feed goes on.

    Args:
        hello: the client's greeting.
        log: the log.
        received: the ``seq`` up to which the user has received their feed.
    """
    agreed = log.shared(hello.epoch) if hello.epoch else log.head
    resumes = hello.since is not None and agreed is not None  # the numbers of another log mean nothing here
    position = min(hello.since or 0, agreed or 0) if resumes else received
    untold = None if hello.renewed is None else min(hello.renewed, agreed or 0)
    return Resumption(
        position=position,
        resumes=resumes,
        shared=agreed or 0 if hello.epoch else 0,
        untold=untold if untold is not None and untold < position else None,
    )
