"""The only connection that writes: one batch, one transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Final

from chatcli.store.log import Batch, DropKey, Entry, KeyRecord, Record, Rename, Ruling, UserRecord

_ROWS: Final = 100  # rows of one INSERT: 100 is where a longer statement stopped being faster
_KNOWN_CONVERSATIONS: Final = 100_000  # kept in memory, about 100 bytes each


def _insert(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    return (
        "INSERT INTO messages (seq, id, conversation, sender, at, text) "  # noqa: S608 (nothing but question marks)
        f"VALUES {values} ON CONFLICT (id) DO NOTHING"
    )


class Writer:
    """Writes batches; used by one thread.

    Raises:
        sqlite3.Error: from every method; nothing of the batch was stored then.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._files = (path, path.with_name(path.name + "-wal"))
        self._identities: list[tuple[int, int]] | None = None
        (newest,) = connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()
        self._next_seq: int = newest + 1
        self._conversations: dict[tuple[int, int], int] = {}

    def write(self, batch: Batch) -> None:
        """Commit the whole batch, giving each entry its ``seq``."""
        execute = self._connection.execute
        if self._connection.in_transaction:  # the ROLLBACK of the batch before failed as well
            execute("ROLLBACK")
        execute("BEGIN IMMEDIATE")
        try:
            for change in batch.changes:
                self._write(change.record)
            self._add_messages(batch.entries)
            self._move_cursors(batch.cursors.items())
            execute("COMMIT")
            self._check_files()
        except BaseException:
            self._conversations.clear()  # some may have been made in this transaction
            for entry in batch.entries:
                entry.seq = 0
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _check_files(self) -> None:
        """Make sure that what was written is where it will be looked for: SQLite writes on into deleted files.

        Raises:
            sqlite3.OperationalError: the database was deleted or moved; what was committed is not to be found again.
        """
        try:
            identities = [(found.st_dev, found.st_ino) for found in map(os.stat, self._files)]
        except FileNotFoundError as error:
            raise sqlite3.OperationalError(f"{error.filename} has been moved or deleted") from None
        if self._identities is None:
            self._identities = identities
        elif identities != self._identities:
            raise sqlite3.OperationalError(f"{self._files[0]} has been replaced")

    def _write(self, record: Record) -> None:
        execute = self._connection.execute
        match record:
            case UserRecord():
                execute("INSERT INTO users (id, name, key, created, cursor) VALUES (?, ?, ?, ?, ?)", record)
            case KeyRecord():
                execute("INSERT INTO keys (user, key, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", record)
            case DropKey():
                execute("DELETE FROM keys WHERE user = ? AND key = ?", record)
            case Rename(user, name, key):
                execute("UPDATE users SET name = ?, key = ? WHERE id = ?", (name, key, user))
            case Ruling(kind, subject, None):
                execute("DELETE FROM rulings WHERE kind = ? AND subject = ?", (kind, subject))
            case Ruling():
                execute("INSERT INTO rulings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", record)

    def _move_cursors(self, cursors: Iterable[tuple[int, int]]) -> None:
        self._connection.executemany(
            "UPDATE users SET cursor = ?2 WHERE id = ?1 AND cursor < ?2",
            cursors,
        )

    def _add_messages(self, entries: list[Entry]) -> None:
        for start in range(0, len(entries), _ROWS):
            self._add_rows(entries[start : start + _ROWS])

    def _add_rows(self, entries: list[Entry]) -> None:
        seq = self._next_seq
        rows = []
        for entry in entries:
            entry.seq = seq
            rows.append((seq, entry.id, self._conversation(entry), entry.sender, entry.at, entry.text))
            seq += 1
        self._next_seq = seq
        cursor = self._connection.execute(_insert(len(rows)), list(chain.from_iterable(rows)))
        if cursor.rowcount != len(rows):
            self._find_duplicates(entries)

    def _find_duplicates(self, entries: list[Entry]) -> None:
        """Give those whose id was there before the place that they got the first time."""
        for entry in entries:
            seq, sender, at = self._connection.execute(
                "SELECT seq, sender, at FROM messages WHERE id = ?", (entry.id,)
            ).fetchone()
            entry.duplicate = seq != entry.seq
            entry.refused = sender != entry.sender
            entry.seq, entry.at = seq, at

    def _conversation(self, entry: Entry) -> int:
        sender, recipient = entry.sender, entry.recipient
        pair = (sender, recipient) if sender < recipient else (recipient, sender)
        known = self._conversations.get(pair)
        if known is None:
            if len(self._conversations) >= _KNOWN_CONVERSATIONS:
                self._conversations.clear()
            known = self._conversations[pair] = self._find_conversation(pair)
        return known

    def _find_conversation(self, pair: tuple[int, int]) -> int:
        execute = self._connection.execute
        row = execute("SELECT id FROM conversations WHERE low = ? AND high = ?", pair).fetchone()
        if row:
            return int(row[0])
        identity = execute("INSERT INTO conversations (low, high) VALUES (?, ?)", pair).lastrowid
        for user in set(pair):
            execute("INSERT INTO members (user, conversation) VALUES (?, ?)", (user, identity))
        return int(identity or 0)
