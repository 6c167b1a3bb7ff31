"""The epochs of a log: the names by which clients recognize it, one for each time that its numbers took another course.

A copy of a log goes on with numbers that the log itself uses, too, for other messages. So a copy is marked, and
whoever opens it begins an epoch of its own after the last message that was copied: up to there, both are the same.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from typing import Final, NamedTuple

from chatcli.store.sqlite.connection import transaction
from chatcli.store.sqlite.damage import tolerating_damage

logger = logging.getLogger(__name__)

_BEGIN: Final = "INSERT INTO epochs (epoch, since) VALUES (lower(hex(randomblob(8))), ?)"
_READ: Final = "SELECT epoch, lead(since) OVER (ORDER BY number) FROM epochs ORDER BY number"
_COPIED: Final = "copied"  # the mark: its number is the newest seq of the copy when it was made
_IS_MARKED: Final = "SELECT seq FROM marks WHERE name = ?"
_HAS_EPOCHS: Final = "SELECT 1 FROM {}.sqlite_schema WHERE name = 'epochs'"
_MARK: Final = """
INSERT INTO {0}.marks
SELECT ?, max(
    seq, coalesce((SELECT max(seq) FROM {0}.messages), 0), coalesce((SELECT max(seq) FROM {0}.name_changes), 0)
) FROM {0}.marks
WHERE name = 'pruned'
ON CONFLICT DO UPDATE SET seq = min(seq, excluded.seq)
"""


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
    """Read the epochs of a log of the newest schema; if they are damaged, it is a log that nobody knows."""
    with tolerating_damage():
        rows = connection.execute(_READ).fetchall()
        if rows and all(isinstance(name, str) and isinstance(end, int | None) for name, end in rows):
            return Epochs([Epoch(*row) for row in rows])
    logger.error("The log is damaged: its epochs cannot be read, so that clients take it for another log.")
    return Epochs([Epoch(secrets.token_hex(8), None)])


def mark_as_copy(connection: sqlite3.Connection, database: str = "main") -> None:
    """Mark a log as a copy, unless it is of a version without epochs: its upgrade begins one.

    Args:
        connection: to the copy.
        database: the name under which the copy is attached to the connection.
    """
    if connection.execute(_HAS_EPOCHS.format(database)).fetchone():
        connection.execute(_MARK.format(database), (_COPIED,))


def begin_epoch_of_copy(connection: sqlite3.Connection) -> None:
    """Begin an epoch if a log is marked as a copy, and remove the mark."""
    marked = connection.execute(_IS_MARKED, (_COPIED,)).fetchone()
    if marked is not None:
        with transaction(connection):
            begin_epoch(connection, *marked)
            connection.execute("DELETE FROM marks WHERE name = ?", (_COPIED,))


def begin_epoch(connection: sqlite3.Connection, head: int) -> None:
    """Begin an epoch after the message ``head``, within the transaction of the caller."""
    connection.execute(_BEGIN, (head,))
