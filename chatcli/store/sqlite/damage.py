"""Reading around damage: what SQLite reports of a damaged file, and how to read what is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Self

from chatcli.store.records import MessageRow

END: Final = 2**63 - 1  # beyond any seq
_ONE_BY_ONE: Final = 2048  # seqs to try one by one

_Parameters = Mapping[str, int | str | None]


class DamagedRow(sqlite3.DatabaseError):
    """A row whose columns are not of their types, which SQLite itself does not check."""


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means that the file is not what was written to it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return (
        code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        or isinstance(error, DamagedRow)
        or "Could not decode" in str(error)
    )


class tolerating_damage:  # noqa: N801 (used like a function)
    """End the block early, but without an error, if it meets damage; any other error is raised.

    Attributes:
        met: whether that has happened.
    """

    met = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.met = isinstance(error, sqlite3.DatabaseError) and is_damage(error)
        return self.met


def is_whole(row: MessageRow) -> bool:
    """Return whether the columns of a message that was read have their types."""
    return isinstance(row.text, str) and isinstance(row.id, bytes) and isinstance(row.at, int)


def read_each(
    connection: sqlite3.Connection, query: str, parameters: _Parameters, seqs: Iterable[int]
) -> Iterator[tuple[int, MessageRow | None]]:
    """Read messages one by one; yield the ``seq`` and the message, or None if it is damaged.

    Args:
        connection: to the log.
        query: selects the message ``:seq``, or no row if it does not fit the other parameters.
        parameters: the other parameters.
        seqs: the messages to read; missing ones are passed over.
    """
    for seq in seqs:
        with tolerating_damage() as damage:
            values = connection.execute(query, {**parameters, "seq": seq}).fetchone()
        if damage.met:
            yield seq, None
        elif values is not None:
            row = MessageRow._make(values)
            yield seq, row if is_whole(row) else None


def read_seqs(
    connection: sqlite3.Connection, query: str, parameters: _Parameters, otherwise: Callable[[], Iterable[int]]
) -> Iterable[int]:
    """Return the seqs that a query selects from an index, or others if the index is damaged."""
    with tolerating_damage():
        return [seq for (seq,) in connection.execute(query, parameters)]
    return otherwise()


def around_damage(connection: sqlite3.Connection, after: int) -> tuple[Iterable[int], int]:
    """Return the seqs to try one by one, if rows cannot be read together, and the ``seq`` to go on after.

    Where seqs are far apart, most of the unused ones between them are not tried.

    Args:
        connection: to the log.
        after: the row that follows this ``seq`` cannot be read.
    """
    following = _next_seq(connection, after)
    if following is not None:
        return (following,), following  # it is this row alone
    for last in range(after + 1, after + _ONE_BY_ONE):
        if _next_seq(connection, last) is not None:
            return range(after + 1, last + 1), last
    unreadable, step = after + _ONE_BY_ONE, _ONE_BY_ONE
    while _next_seq(connection, readable := min(unreadable + step, END)) is None:
        if readable == END:
            break
        unreadable, step = readable, 2 * step
    while readable - unreadable > 1:
        middle = (unreadable + readable) // 2
        if _next_seq(connection, middle) is None:
            unreadable = middle
        else:
            readable = middle
    return range(after + 1, after + _ONE_BY_ONE), readable


def _next_seq(connection: sqlite3.Connection, after: int) -> int | None:
    """Return the next ``seq``, ``END`` if there is none; None if it cannot be read."""
    with tolerating_damage():
        row = connection.execute("SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1", (after,)).fetchone()
        return int(row[0]) if row else END
    return None
