"""The parts of the search index: FTS5 tables, one for each stretch of the log.

FTS5 keeps the words of a deleted message until it happens to merge them away; before SQLite 3.42 there is no other way.
So a part that has lost a message is renewed, and its old table dropped, which overwrites all of its pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from chatcli.store.search import tokenizer

#: Changes with the schema: an index of another version is useless.
VERSION: Final = "in parts"
SCHEMA: Final = """
CREATE TABLE parts (
    number INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    upto INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    instead INTEGER
) STRICT
"""

# A search for a rare word takes 0.13 ms for each part; a part that has lost a message is renewed each minute.
_MESSAGES: Final = 50_000  # in one part
_TEXT: Final = 8 * 1024 * 1024  # characters in one part, about

_TABLE: Final = """
CREATE VIRTUAL TABLE texts_{}
USING fts5 (text, place, author, content = '', columnsize = 0, tokenize = 'ascii', prefix = '2 3')
"""
_ADD: Final = "INSERT INTO texts_{} (rowid, text, place, author) VALUES (?, ?, ?, ?)"
_NEW: Final = "INSERT INTO parts VALUES (?, ?, ?, 0, 0, 0, ?)"
_GROW: Final = "UPDATE parts SET upto = ?, messages = messages + ?, size = size + ? WHERE number = ?"
_COLUMNS: Final = "SELECT number, first, upto, messages, size FROM parts"
_NEWEST: Final = f"{_COLUMNS} WHERE instead IS NULL ORDER BY first DESC LIMIT 1"
_STALE: Final = f"{_COLUMNS} WHERE stale AND instead IS NULL AND number <= ? ORDER BY first LIMIT 1"
_INSTEAD: Final = f"{_COLUMNS} WHERE instead = ?"


class Indexed(NamedTuple):
    """A message as the index reads it."""

    seq: int
    conversation: int
    sender: int
    text: str
    id: bytes


class Part(NamedTuple):
    """A part of the index.

    Attributes:
        number: the number of its table.
        first: its lowest ``seq``.
        upto: it has all messages from there up to this ``seq``.
        messages: their number.
        size: their characters, about.
    """

    number: int
    first: int
    upto: int
    messages: int
    size: int


def place(conversation: int) -> str:
    """Return the index's word for a conversation."""
    return _token(conversation * 3) if conversation > 0 else _token(-conversation * 3 + 1)


def author(user: int) -> str:
    """Return the index's word for a sender."""
    return _token(user * 3 + 2)


def _token(number: int) -> str:
    # One character for the first million numbers: FTS5 then keeps no beginnings of such words.
    token = chr(0x10000 + (number & 0xFFFFF))
    return token + _token(number >> 20) if number >> 20 else token


def add(connection: sqlite3.Connection, messages: list[Indexed]) -> None:
    """Add messages after all others."""
    if not messages:
        return
    part = _one(connection, _NEWEST)
    if part is None or part.messages >= _MESSAGES or part.size >= _TEXT:
        part = _make(connection, messages[0].seq, messages[0].seq)
    _fill(connection, part, messages, messages[-1].seq)


def mark_stale(connection: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Mark the parts that have these messages, which were deleted, for renewal."""
    query = "UPDATE parts SET stale = 1 WHERE first <= ?1 AND upto >= ?1 AND NOT stale"
    connection.executemany(query, ((seq,) for seq in seqs))


def mark_all_stale(connection: sqlite3.Connection) -> None:
    """Mark all parts for renewal: any message may have been deleted."""
    connection.execute("UPDATE parts SET stale = 1")


def newest_number(connection: sqlite3.Connection) -> int:
    """Return the number of the part that was made last, 0 if there is none."""
    (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM parts").fetchone()
    return int(number)


def find_stale(connection: sqlite3.Connection, newest: int) -> tuple[Part, Part | None] | None:
    """Return a part to renew and its unfinished replacement; None if no part up to this number is to be renewed."""
    part = _one(connection, _STALE, newest)
    return None if part is None else (part, _one(connection, _INSTEAD, part.number))


def renew(
    connection: sqlite3.Connection,
    old: Part,
    new: Part | None,
    *,
    messages: list[Indexed],
    upto: int,
    last: bool,
) -> None:
    """Renew a stretch of a part.

    Args:
        connection: to the index, in a transaction.
        old: the part.
        new: its replacement; None for the first stretch.
        messages: the messages of the stretch.
        upto: with them the replacement has all messages up to this ``seq``.
        last: whether it is complete then.
    """
    if new is None:
        new = _make(connection, old.first, old.first - 1, old.number)
    _fill(connection, new, messages, upto)
    if last:
        _drop(connection, old)
        connection.execute("UPDATE parts SET instead = NULL WHERE number = ?", (new.number,))
        if not new.messages + len(messages):
            _drop(connection, new)


def _one(connection: sqlite3.Connection, query: str, *values: int) -> Part | None:
    row = connection.execute(query, values).fetchone()
    return None if row is None else Part._make(row)


def _make(connection: sqlite3.Connection, first: int, upto: int, instead: int | None = None) -> Part:
    number = newest_number(connection) + 1
    connection.execute(_TABLE.format(number))
    connection.execute(_NEW, (number, first, upto, instead))
    return Part(number=number, first=first, upto=upto, messages=0, size=0)


def _fill(connection: sqlite3.Connection, part: Part, messages: list[Indexed], upto: int) -> None:
    connection.executemany(_ADD.format(part.number), _rows(messages))
    connection.execute(_GROW, (upto, len(messages), sum(len(one.text) for one in messages), part.number))


def _drop(connection: sqlite3.Connection, part: Part) -> None:
    connection.execute(f"DROP TABLE texts_{part.number}")
    connection.execute("DELETE FROM parts WHERE number = ?", (part.number,))


def _rows(messages: Iterable[Indexed]) -> Iterator[tuple[int, str, str, str]]:
    """Yield the rows of messages, but not of damaged ones."""
    for seq, conversation, sender, text, _ in messages:
        if isinstance(text, str) and isinstance(conversation, int) and isinstance(sender, int) and sender > 0:
            yield seq, tokenizer.flatten(text), place(conversation), author(sender)
