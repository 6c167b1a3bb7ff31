"""Writes batches, one or several in each transaction, over the only connection that writes."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from chatcli.store.batch import Batch, Change, Entry, PriorAnswer
from chatcli.store.question_data import decode
from chatcli.store.records import Lookup, Probe
from chatcli.store.sqlite.connection import transaction
from chatcli.store.sqlite.conversations import ensure_conversation
from chatcli.store.sqlite.damage import is_damage, tolerating_damage
from chatcli.store.writing.deleted import Deleted
from chatcli.store.writing.head import Head
from chatcli.store.writing.record_writer import UNFIT, RecordWriter

logger = logging.getLogger(__name__)

_MAX_ROWS: Final = 1024  # of one INSERT; a longer one is no faster
_ROOM: Final = 256 * 1024  # bytes
_MAX_CONVERSATIONS: Final = 100_000  # kept in memory, about 100 bytes each


@cache
def _insert(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    # If one row fails the batch is rolled back, whatever this statement does with its other rows. By default SQLite
    # would be ready to undo this statement alone, and for that copy every page that it changes to a temporary file.
    return (
        "INSERT OR FAIL INTO messages (seq, id, conversation, sender, at, text) "  # noqa: S608 (nothing but question marks)
        f"VALUES {values} ON CONFLICT (id) DO NOTHING"
    )


_get_extras: Final = attrgetter("re", "extra")
_INSERT_EXTENDED: Final = """
INSERT INTO messages (seq, id, conversation, sender, at, text, re, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE: Final = "UPDATE epochs SET since = since"  # writes a page, although it stays the same
_KNOWN: Final = "SELECT 1 FROM messages WHERE id = ?"
_FIRST: Final = "SELECT seq, sender, at FROM messages WHERE id = ?"
_ANSWER: Final = """
SELECT sender, text, extra FROM answers LEFT JOIN messages ON messages.seq = answers.seq WHERE question = ?
"""
_QUESTION: Final = "SELECT extra FROM messages WHERE seq = ?"
# The question may have been pruned since it was read.
_ANSWERED: Final = "INSERT INTO answers SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM messages WHERE seq = ?1)"


class Writer:
    """Writes batches; used by one thread.

    Attributes:
        path: the database file.
        deleted: the ids of recently deleted messages, which are not stored again.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self.deleted = Deleted(connection)
        self._head = Head()
        self._records = RecordWriter(connection, self.deleted, self._head)
        self._files = (path, path.with_name(path.name + "-wal"))
        self._identities = self._find_files()  # before anyone can have replaced them
        self._conversations: dict[tuple[int, int], int] = {}
        self._damaged = False  # a read position could not be written
        self._careful = False  # something cannot be stored as it is: whatever that is must not harm the rest

    def write_all(self, batches: Sequence[Batch]) -> list[int]:
        """Commit batches in one transaction, in order: fill in the places of messages and the outcomes of records.

        What is decided depends on the database and the batches before alone. The numbers of each batch follow those
        that the database has when its turn comes.

        Returns:
            The seqs of the messages that records have deleted.

        Raises:
            sqlite3.Error: nothing of the batches was stored, and nothing is filled in.
        """
        self._records.damaged = []
        self._careful = positions_are_lost = False
        while True:
            refused = len(self._records.damaged)
            try:
                pruned = self._write_all(batches)
                break
            except UNFIT:
                if self._careful:
                    raise
                logger.exception("Something cannot be written to the log %s, and is left out.", self.path)
                self._careful = True
                continue
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                if len(self._records.damaged) > refused:
                    continue
                if positions_are_lost or not any(batch.reads for batch in batches):
                    raise
            # Messages must be stored even if the table of read positions is damaged.
            positions_are_lost = True
            for batch in batches:
                batch.reads = {key: position for key, position in batch.reads.items() if key[1] == 0}
        if positions_are_lost and not self._damaged:
            self._damaged = True  # once is enough: they come with every batch
            logger.error("The log %s is damaged: read positions are lost when the server stops.", self.path)
        return pruned

    def _write_all(self, batches: Sequence[Batch]) -> list[int]:
        self._records.pruned = []
        try:
            with transaction(self._connection):
                for batch in batches:
                    self._write(batch)
                self._check_files()  # so that nothing is stored if this fails
            self._check_files()  # so that nothing is acknowledged unless it was stored
        except BaseException:
            self._conversations.clear()  # some may have been added in this transaction
            for batch in batches:
                _forget(batch)
            raise
        return self._records.pruned

    def _write(self, batch: Batch) -> None:
        self._head.read(self._connection)
        for part in batch.in_order():
            if not isinstance(part, Change):
                self._add_messages(part)
            elif isinstance(part.record, Probe):
                self._check_room()
            elif self._careful:
                self._records.write_if_fit(part)
            else:
                self._records.write(part)
        if batch.has_positions:
            self._records.set_positions(batch, self._conversations)
        batch.newest = self._head.newest

    def _check_files(self) -> None:
        """Raise if the files were replaced: SQLite goes on to write into deleted files.

        Raises:
            sqlite3.OperationalError: the database was deleted or moved; committed messages would not be found again.
        """
        if self._find_files() != self._identities:
            raise sqlite3.OperationalError(f"{self._files[0]} has been replaced")

    def _find_files(self) -> list[tuple[int, int]]:
        """Return the device and the inode of each file.

        Raises:
            sqlite3.OperationalError: one of them is missing.
        """
        try:
            return [(found.st_dev, found.st_ino) for found in map(os.stat, self._files)]
        except FileNotFoundError as error:
            raise sqlite3.OperationalError(f"{error.filename} has been moved or deleted") from None

    def _check_room(self) -> None:
        """Raise unless the log can be written and the disk has room for many messages.

        Raises:
            sqlite3.Error: it cannot, or has not.
        """
        self._connection.execute(_UPDATE)
        # One page may fit where the next message does not.
        try:
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                file.write(bytes(_ROOM))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from None

    def _add_messages(self, entries: list[Entry]) -> None:
        if self._careful:
            entries = [entry for entry in entries if _is_fit(entry)]
        for (re, extra), run in groupby(self.deleted.filter(entries), _get_extras):
            if re is None and extra is None:
                self._add_plain(list(run))
            else:
                for entry in run:
                    self._add_extended(entry)

    def _add_plain(self, entries: list[Entry]) -> None:
        """Add messages, a power of two at a time, so that any number is written with eleven prepared statements."""
        done = 0
        while done < len(entries):
            rows = min(1 << (len(entries) - done).bit_length() - 1, _MAX_ROWS)
            self._add_rows(entries[done : done + rows])
            done += rows

    def _add_extended(self, entry: Entry) -> None:
        """Add a message that is a reply, a question or an answer."""
        execute = self._connection.execute
        if execute(_KNOWN, (entry.id,)).fetchone():
            self._find_duplicates([entry])
            return
        answers = entry.extra is not None and decode(entry.extra).answer is not None
        if answers and self._is_closed(entry):
            return
        conversation = self._conversation(entry.sender, entry.recipient)
        entry.seq = self._head.use_next()
        place = (entry.seq, entry.id, conversation, entry.sender, entry.at)
        execute(_INSERT_EXTENDED, (*place, entry.text, entry.re, entry.extra))
        if answers:
            execute(_ANSWERED, (entry.re, entry.seq))

    def _is_closed(self, entry: Entry) -> bool:
        """Return whether an answer comes too late, and fill in why."""
        entry.prior_answer = self._find_answer(entry)
        if entry.prior_answer is not None:
            entry.conflict = "answered"
            return True
        row = None
        with tolerating_damage():
            row = self._connection.execute(_QUESTION, (entry.re,)).fetchone()
        until = None if row is None else decode(row[0]).until
        if until is not None and entry.at > until:
            entry.conflict = "over"
            return True
        return False

    def _find_answer(self, entry: Entry) -> PriorAnswer | None:
        row = self._connection.execute(_ANSWER, (entry.re,)).fetchone()
        if row is None:
            return None
        sender, text, extra = row
        return PriorAnswer(sender or 0, text or "", decode(extra).answer or 0)

    def _add_rows(self, entries: list[Entry]) -> None:
        seq = self._head.next
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
        self._head.next = seq
        cursor = self._connection.execute(_insert(len(entries)), values)
        if cursor.rowcount == len(entries):
            self._head.newest = seq - 1
        else:
            self._find_duplicates(entries)

    def _find_duplicates(self, entries: list[Entry]) -> None:
        """Give entries whose id is in the log already the ``seq`` and the time of the first, unless it is another's."""
        for entry in entries:
            seq, sender, at = self._connection.execute(_FIRST, (entry.id,)).fetchone()
            if seq == entry.seq:
                self._head.newest = max(self._head.newest, seq)
            elif sender == entry.sender:
                entry.conflict, entry.seq, entry.first_at = "duplicate", seq, at
            else:
                entry.conflict, entry.seq = "id_taken", 0

    def _conversation(self, sender: int, recipient: int) -> int:
        """Return the conversation of a message; it is cached for each direction."""
        if recipient < 0:
            return recipient
        known = self._conversations.get((sender, recipient))
        if known is None:
            if len(self._conversations) >= _MAX_CONVERSATIONS:
                self._conversations.clear()
            known = ensure_conversation(self._connection, sender, recipient)
            self._conversations[sender, recipient] = known
        return known


def _is_fit(entry: Entry) -> bool:
    """Return whether a message can be stored as it is; otherwise fill in that it cannot."""
    numbers = (entry.sender, entry.recipient, entry.at, entry.re or 0)
    try:
        for number in numbers:
            number.to_bytes(8, "big", signed=True)
        entry.text.encode()
        (entry.extra or "").encode()
    except (OverflowError, UnicodeEncodeError):
        entry.conflict = "invalid"
    return entry.conflict is None


def _forget(batch: Batch) -> None:
    """Forget what a failed attempt to write a batch has filled in."""
    batch.newest = 0
    for change in batch.changes:
        change.outcome.forget()
        if isinstance(change.record, Lookup):
            change.record.sender = change.record.seq = change.record.at = 0
    for entry in batch.entries:
        entry.seq = entry.first_at = 0
        entry.conflict = entry.prior_answer = None
