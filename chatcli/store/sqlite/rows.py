"""How a message is read back, and what is left of it where the file is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chatcli.store.records import MessageRow

END: Final = 2**63 - 1  # beyond any seq
_ONE_BY_ONE: Final = 2048  # numbers to try each for itself where the file is damaged
#: Characters of text: a page ends behind the message with which it has so many.
PAGE_TEXT: Final = 128 * 1024

#: What makes a :class:`MessageRow`, in its order; ``conversations`` must be joined.
COLUMNS: Final = """
messages.seq, messages.id, messages.sender,
CASE WHEN messages.conversation < 0 THEN messages.conversation
     WHEN messages.sender = conversations.low THEN conversations.high ELSE conversations.low END,
messages.at, messages.text, messages.re, messages.extra
"""


def size_of(row: MessageRow) -> int:
    """Return about how many characters a message adds to a page."""
    return len(row.text) if row.extra is None else len(row.text) + len(row.extra)


def is_damage(error: Exception) -> bool:
    """Return whether something could not be read because the file is not what was written to it."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "Could not decode" in str(error)
    return isinstance(error, TypeError)  # garbage that SQLite takes for a number, where there was a text


def read_each(
    connection: sqlite3.Connection, query: str, parameters: Mapping[str, int | str | None], seqs: Iterable[int]
) -> Iterator[tuple[int, MessageRow | None]]:
    """Read messages one by one; yield the ``seq`` and the message, None in the place of one that is damaged.

    Args:
        connection: to the log.
        query: reads the message ``:seq``, or nothing if it does not fit the rest of the parameters.
        parameters: the rest of them.
        seqs: which to read; there need not be all of them.
    """
    for seq in seqs:
        try:
            values = connection.execute(query, {**parameters, "seq": seq}).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            yield seq, None
            continue
        if values is not None:
            row = MessageRow._make(values)
            whole = isinstance(row.text, str) and isinstance(row.id, bytes) and isinstance(row.at, int)
            yield seq, row if whole else None


def around_damage(connection: sqlite3.Connection, after: int) -> tuple[Iterable[int], int]:
    """Return which numbers to try one by one, where rows cannot be read together, and after which one to go on.

    Where the numbers of messages are far apart, most of those between them are not tried.

    Args:
        connection: to the log.
        after: the row that follows this number cannot be read.
    """
    following = _following(connection, after)
    if following is not None:
        return (following,), following  # it is this row alone
    for last in range(after + 1, after + _ONE_BY_ONE):
        if _following(connection, last) is not None:
            return range(after + 1, last + 1), last
    unreadable, step = after + _ONE_BY_ONE, _ONE_BY_ONE
    while _following(connection, readable := min(unreadable + step, END)) is None:
        if readable == END:
            break
        unreadable, step = readable, 2 * step
    while readable - unreadable > 1:
        middle = (unreadable + readable) // 2
        if _following(connection, middle) is None:
            unreadable = middle
        else:
            readable = middle
    return range(after + 1, after + _ONE_BY_ONE), readable


def _following(connection: sqlite3.Connection, after: int) -> int | None:
    """Return the next ``seq``, ``END`` if there is none; None where damage is in the way."""
    try:
        row = connection.execute("SELECT seq FROM messages WHERE seq > ? ORDER BY seq LIMIT 1", (after,)).fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return None
    return int(row[0]) if row else END
