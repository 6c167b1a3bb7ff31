"""The only connection that writes: one batch, one transaction."""

from __future__ import annotations

import os
import sqlite3
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from msgspec.structs import astuple

from chatcli.store.question_data import decode
from chatcli.store.records import (
    Barrier,
    Batch,
    Change,
    Closed,
    DropKey,
    Enter,
    Entry,
    KeyRecord,
    Leave,
    Lookup,
    Record,
    Rename,
    RoomRecord,
    Ruling,
    Seen,
    SetOwner,
    UserRecord,
)
from chatcli.store.sqlite.connection import transaction
from chatcli.store.sqlite.conversations import ensure_conversation, write_room
from chatcli.store.sqlite.deleted import Deleted
from chatcli.store.sqlite.load import read_head

_MOST_ROWS: Final = 1024  # of one INSERT; a longer one is no faster
_KNOWN_CONVERSATIONS: Final = 100_000  # kept in memory, about 100 bytes each


@cache
def _insert(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    # Where one row fails the batch is rolled back, whatever this statement makes of its other rows. By default SQLite
    # would be ready to undo this statement alone, and for that copy every page it changes to a temporary file.
    return (
        "INSERT OR FAIL INTO messages (seq, id, conversation, sender, at, text) "  # noqa: S608 (nothing but question marks)
        f"VALUES {values} ON CONFLICT (id) DO NOTHING"
    )


_beside_text: Final = attrgetter("re", "extra")
_INSERT_WHOLE: Final = """
INSERT INTO messages (seq, id, conversation, sender, at, text, re, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_KNOWN: Final = "SELECT 1 FROM messages WHERE id = ?"
_ANSWER: Final = """
SELECT sender, text, extra FROM answers LEFT JOIN messages ON messages.seq = answers.seq WHERE question = ?
"""
# The question may have been pruned since it was looked at.
_ANSWERED: Final = "INSERT INTO answers SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM messages WHERE seq = ?1)"
# A user's newest period in a room is the only one that may be open. Those before it may be many: none is looked at.
_NEWEST: Final = "since = (SELECT max(since) FROM members WHERE user = ?2 AND conversation = ?3)"
_OF_MEMBER: Final = f"WHERE user = ?2 AND conversation = ?3 AND until IS NULL AND {_NEWEST}"
_PERIOD: Final = f"SELECT since, until FROM members WHERE user = ?2 AND conversation = ?3 AND {_NEWEST} AND ?1"  # noqa: S608 (ours)
_SAID_SINCE: Final = "SELECT 1 FROM messages WHERE conversation = ? AND seq > ? LIMIT 1"
_DROP_PERIOD: Final = "DELETE FROM members WHERE user = ? AND conversation = ? AND since = ?"
# What was to make the room may have been in a batch that failed.
_ENTER: Final = """
INSERT INTO members (user, conversation, since, owner)
SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM rooms WHERE id = ?2)
"""
_LEAVE: Final = f"UPDATE members SET until = ?1 {_OF_MEMBER}"  # noqa: S608 (ours)
_OWN: Final = f"UPDATE members SET owner = ?1 {_OF_MEMBER}"  # noqa: S608 (ours)


class Writer:
    """Writes batches; used by one thread.

    Attributes:
        path: the database file.
        deleted: what was deleted of late, and is not stored again.

    Raises:
        sqlite3.Error: from every method; nothing of the batch was stored then.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self.deleted = Deleted(connection)
        self._files = (path, path.with_name(path.name + "-wal"))
        self._newest = read_head(connection)
        self._identities = self._find_files()  # before anyone can have put others in their place
        self._next_seq = self._newest + 1  # never goes back, whatever becomes of the batch
        self._conversations: dict[tuple[int, int], int] = {}

    def write(self, batch: Batch) -> None:
        """Commit the whole batch, giving each entry its ``seq``."""
        newest = self._newest
        try:
            with transaction(self._connection):
                for part in batch.in_order():
                    if isinstance(part, Change):
                        self._write(part.record)
                    else:
                        self._add_messages(part)
                self._move_cursors(batch)
                self._check_files()  # what is refused now is not stored
            self._check_files()  # what is acknowledged is
            batch.newest = self._newest
        except BaseException:
            self._newest = newest
            self._conversations.clear()  # some may have been made in this transaction
            for entry in batch.entries:
                entry.seq = 0
            raise

    def _check_files(self) -> None:
        """Make sure that what was written is where it will be looked for: SQLite writes on into deleted files.

        Raises:
            sqlite3.OperationalError: the database was deleted or moved; what was committed is not to be found again.
        """
        if self._find_files() != self._identities:
            raise sqlite3.OperationalError(f"{self._files[0]} has been replaced")

    def _find_files(self) -> list[tuple[int, int]]:
        """Return the device and the inode of each of the files.

        Raises:
            sqlite3.OperationalError: one of them is not there.
        """
        try:
            return [(found.st_dev, found.st_ino) for found in map(os.stat, self._files)]
        except FileNotFoundError as error:
            raise sqlite3.OperationalError(f"{error.filename} has been moved or deleted") from None

    def _write(self, record: Record) -> None:
        execute = self._connection.execute
        match record:
            case UserRecord():
                execute(
                    "INSERT INTO users (id, name, key, created, cursor, shown, seen) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    astuple(record),
                )
            case KeyRecord():
                execute("INSERT INTO keys (user, key, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", record)
            case DropKey():
                execute("DELETE FROM keys WHERE user = ? AND key = ?", record)
            case Rename(user, name, key):
                execute("UPDATE users SET name = ?, key = ? WHERE id = ?", (name, key, user))
            case Ruling():
                self._write_ruling(record)
            case Seen(user, at):
                execute("UPDATE users SET seen = ?2 WHERE id = ?1 AND seen < ?2", (user, at))
            case Lookup():
                self._look_up(record)
            case RoomRecord() | Enter() | Leave() | SetOwner():
                self._write_room(record)
            case Barrier():
                pass

    def _look_up(self, lookup: Lookup) -> None:
        found = self._connection.execute(
            "SELECT sender, seq, at FROM messages WHERE id = ?", (lookup.id,)
        ).fetchone() or self.deleted.find(lookup.id, lookup.by)
        lookup.sender, lookup.seq, lookup.at = found or (0, 0, 0)

    def _write_ruling(self, ruling: Ruling) -> None:
        execute = self._connection.execute
        if ruling.value is None:
            execute("DELETE FROM rulings WHERE kind = ? AND subject = ?", ruling[:2])
        else:
            execute("INSERT INTO rulings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", ruling)

    def _write_room(self, record: RoomRecord | Enter | Leave | SetOwner) -> None:
        execute = self._connection.execute
        match record:
            case RoomRecord():
                write_room(self._connection, record)
            case Enter(user, room, owner):
                self._enter(user, room, owner=owner)
            case Leave(user, room):
                execute(_LEAVE, (self._newest, user, room))
            case SetOwner(user, room, owner):
                execute(_OWN, (owner, user, room))

    def _enter(self, user: int, room: int, *, owner: bool) -> None:
        execute = self._connection.execute
        since = self._newest
        period = execute(_PERIOD, (True, user, room)).fetchone()
        if period is not None:
            begun, ended = period
            if ended is None:
                return
            # Where nothing was said in the room since they left, one period tells the same as two would: whoever
            # leaves and comes back without end leaves no more behind than whoever stays. The row is made anew, since
            # the order of the rows is that in which people came.
            if begun == since or execute(_SAID_SINCE, (room, ended)).fetchone() is None:
                since = begun
                execute(_DROP_PERIOD, (user, room, begun))
        execute(_ENTER, (user, room, since, owner))

    def _move_cursors(self, batch: Batch) -> None:
        for column, cursors in (("cursor", batch.cursors), ("shown", batch.shown)):
            if cursors:
                self._connection.executemany(
                    f"UPDATE users SET {column} = ?2 WHERE id = ?1 AND {column} < ?2",  # noqa: S608 (one of two)
                    cursors.items(),
                )

    def _add_messages(self, entries: list[Entry]) -> None:
        for (re, extra), run in groupby(self.deleted.sift(entries), _beside_text):
            if re is None and extra is None:
                self._add_plain(list(run))
            else:
                for entry in run:
                    self._add_whole(entry)

    def _add_plain(self, entries: list[Entry]) -> None:
        """Add messages, a power of two at a time: eleven statements, which are kept ready, do for any number."""
        done = 0
        while done < len(entries):
            rows = min(1 << (len(entries) - done).bit_length() - 1, _MOST_ROWS)
            self._add_rows(entries[done : done + rows])
            done += rows

    def _add_whole(self, entry: Entry) -> None:
        """Add a message with whatever it has beside its text: a reply, a question, or an answer to one."""
        execute = self._connection.execute
        if execute(_KNOWN, (entry.id,)).fetchone():
            self._find_duplicates([entry])
            return
        answers = entry.extra is not None and decode(entry.extra).answer is not None
        if answers:
            entry.closed = self._find_answer(entry)
            if entry.closed is not None:
                entry.refused = True
                return
        entry.seq, self._next_seq = self._next_seq, self._next_seq + 1
        conversation = self._conversation(entry.sender, entry.recipient)
        place = (entry.seq, entry.id, conversation, entry.sender, entry.at)
        execute(_INSERT_WHOLE, (*place, entry.text, entry.re, entry.extra))
        self._newest = entry.seq
        if answers:
            execute(_ANSWERED, (entry.re, entry.seq))

    def _find_answer(self, entry: Entry) -> Closed | None:
        row = self._connection.execute(_ANSWER, (entry.re,)).fetchone()
        if row is None:
            return None
        sender, text, extra = row
        return Closed(sender or 0, text or "", decode(extra).answer or 0)

    def _add_rows(self, entries: list[Entry]) -> None:
        seq = self._next_seq
        conversations = self._conversations
        values: list[object] = []
        for entry in entries:
            entry.seq = seq
            sender, recipient = entry.sender, entry.recipient
            conversation = recipient if recipient < 0 else conversations.get((sender, recipient))
            if conversation is None:
                conversation = self._conversation(sender, recipient)
            # For `bytes` the driver looks for an adapter first, which takes longer than all else that it binds here.
            values += (seq, bytearray(entry.id), conversation, sender, entry.at, entry.text)
            seq += 1
        self._next_seq = seq
        cursor = self._connection.execute(_insert(len(entries)), values)
        if cursor.rowcount == len(entries):
            self._newest = seq - 1
        else:
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
            self._newest = max(self._newest, seq)

    def _conversation(self, sender: int, recipient: int) -> int:
        """Return what a message belongs to; each direction of a conversation is remembered by itself."""
        if recipient < 0:
            return recipient
        known = self._conversations.get((sender, recipient))
        if known is None:
            if len(self._conversations) >= _KNOWN_CONVERSATIONS:
                self._conversations.clear()
            known = ensure_conversation(self._connection, sender, recipient)
            self._conversations[sender, recipient] = known
        return known
