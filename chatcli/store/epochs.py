"""The epochs of a log: the names by which clients recognize it, one for each time that its numbers took another course.

A copy of a log goes on with numbers that the log itself has used, too, for other messages. So it opens an epoch of its
own, which starts at its head: up to there, both are the same.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

_BEGIN: Final = "INSERT INTO epochs (epoch, since) VALUES (lower(hex(randomblob(8))), ?)"


class Epoch(NamedTuple):
    """A stretch of a log's history; ``end`` is the last ``seq`` in it, None for the present one."""

    name: str
    end: int | None


class Epochs:
    """The epochs in the history of a log.

    Args:
        epochs: the oldest first; the last one is the present one.

    Attributes:
        current: the name of the present one.
    """

    def __init__(self, epochs: list[Epoch]) -> None:
        self.current = epochs[-1].name
        self._ends = {name: end for name, end in epochs if end is not None}

    def end_of(self, name: str) -> int | None:
        """Return the last ``seq`` of an earlier epoch; None if the log has no such epoch."""
        return self._ends.get(name)


def read_epochs(connection: sqlite3.Connection) -> Epochs:
    """Read the epochs of a log of the newest schema."""
    rows = connection.execute("SELECT epoch, lead(since) OVER (ORDER BY number) FROM epochs ORDER BY number")
    return Epochs([Epoch(*row) for row in rows])


def begin_epoch(connection: sqlite3.Connection, head: int) -> None:
    """Begin an epoch after the message ``head``, within the transaction of the caller."""
    connection.execute(_BEGIN, (head,))
