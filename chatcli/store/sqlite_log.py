"""The log in SQLite: WAL, ``synchronous=FULL``, one writer thread with group commit, readers beside it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from chatcli.errors import InputError, StoreError
from chatcli.store import files
from chatcli.store.interface import (
    Backlog,
    BacklogQuery,
    Batch,
    Change,
    Committed,
    Done,
    Entry,
    FeedPage,
    FeedQuery,
    Health,
    HistoryQuery,
    KeyRecord,
    MemberRecord,
    MessageRow,
    Page,
    Post,
    Question,
    Record,
    RoomRecord,
    Ruling,
    SearchQuery,
    Settled,
    Unread,
    UnreadQuery,
    UserRecord,
    unheeded,
)
from chatcli.store.maintenance.erasure import Eraser
from chatcli.store.maintenance.free_pages import Pages
from chatcli.store.placing import remove_unfinished
from chatcli.store.retention import Pruner
from chatcli.store.search import words
from chatcli.store.search.index import SearchIndex
from chatcli.store.search.query import TOO_MANY, search
from chatcli.store.sqlite import load as reader
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.backlog import read_backlog
from chatcli.store.sqlite.feed import read_feed
from chatcli.store.sqlite.history import read_history, read_newest, read_partners, read_question
from chatcli.store.sqlite.readers import Readers
from chatcli.store.sqlite.unread import read_unread
from chatcli.store.sqlite.writer import Writer

logger = logging.getLogger(__name__)

_READERS: Final = 2
_SEARCHERS: Final = 2
_MOST_SEARCHES: Final = 50  # of one person, that wait
_PATIENCE: Final = 10.0  # seconds from when a search was asked for; nobody waits longer for the answer
_CLOSING_SECONDS: Final = 1  # for the last batch; a disk that hangs must not keep the server from ending
_AHEAD: Final = 3  # batches that the writer is given at most: it need not wait for the owner between one and the next
_WORTH: Final = 1000  # messages; fewer are no batch as long as another is being written, but wait for more
_OVERHEAD: Final = 200  # bytes that a waiting message takes beside its text, about


class SqliteLog:
    """See :class:`chatcli.store.interface.Log`.

    Args:
        directory: where the database lies; made if it is not there, readable for its owner only.
        post: runs a callable in the owner's thread.
        committed: told of every batch.

    Raises:
        StoreError: the directory cannot be used, another server uses it, or what lies there is no log of ours.
    """

    def __init__(self, directory: Path, *, post: Post, committed: Committed) -> None:
        self._post = post
        self._committed = committed
        self._waiting = Batch()
        self._pending_bytes = 0
        self._writing = 0  # batches that the writer was given
        self._cursors_wanted = False  # even if nothing else waits
        self._closed = False
        self._error: str | None = None  # why the last batch could not be written
        self._error_since = 0
        self._path = directory / files.DATABASE
        self._lock = files.lock(directory)
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> None:
        with files.explained(f"Cannot use the log {self._path}"):
            files.make_private(self._path)
            files.remove_unfinished_copies(self._path.parent)
            remove_unfinished(self._path.parent)
            pages = Pages(self._path)
            connection = files.connect(self._path)
            try:
                version = schema.check(connection)  # before anything is changed in what may be someone else's file
                if 0 < version < len(schema.MIGRATIONS):
                    files.back_up(connection, self._path.with_name(f"{files.DATABASE}.schema-{version}.bak"))
                connection.execute("PRAGMA journal_mode = WAL")
                schema.migrate(connection)
                self._users = reader.read_users(connection)
                self._keys = reader.read_keys(connection)
                self._rulings = reader.read_rulings(connection)
                self._rooms = reader.read_rooms(connection)
                self._members = reader.read_members(connection)
                self.head = reader.read_head(connection)
                self._writer = Writer(connection, self._path)
            except BaseException:
                connection.close()
                pages.close()
                raise
        self._connection = connection
        self._pages = pages
        # Holds a few batches at most, see commit(), and one time before which to prune.
        self._work: SimpleQueue[Batch | int | None] = SimpleQueue()
        self._index = SearchIndex(self._path)
        deleted = self._writer.deleted
        self._eraser = Eraser(connection, self._path, pages, deleted=deleted, erased=self._index.remove)
        self._pruner = Pruner(connection, self._eraser, deleted)
        self._pruning = False
        self._thread = threading.Thread(target=self._write_batches, name="log-writer", daemon=True)
        self._thread.start()
        self._readers = Readers(self._path, self._tell, _READERS)
        self._searchers = Readers(self._path, self._tell, _SEARCHERS)  # a search may take long: no feed waits for it

    @property
    def pending_bytes(self) -> int:
        """About how much text waits to be committed."""
        return self._pending_bytes

    @property
    def idle(self) -> bool:
        """Whether nothing but read positions waits, and nothing is being written."""
        return not self._writing and not (self._waiting.entries or self._waiting.changes)

    def users(self) -> list[UserRecord]:
        """Return everyone who had been here when the log was opened, the longest known first."""
        users, self._users = self._users, []
        return users

    def keys(self) -> list[KeyRecord]:
        """Return the keys of all users as they were when the log was opened, the oldest first."""
        keys, self._keys = self._keys, []
        return keys

    def rulings(self) -> list[Ruling]:
        """Return the rulings as they were when the log was opened."""
        rulings, self._rulings = self._rulings, []
        return rulings

    def rooms(self) -> list[RoomRecord]:
        """Return all rooms as they were when the log was opened."""
        rooms, self._rooms = self._rooms, []
        return rooms

    def members(self) -> list[MemberRecord]:
        """Return who belonged to which room when the log was opened, those of each room in the order they came."""
        members, self._members = self._members, []
        return members

    def add(self, entry: Entry) -> None:
        """Queue a message; it is written at the next :meth:`commit`."""
        self.add_all([entry], entry.size)

    def add_all(self, entries: list[Entry], size: int) -> None:
        """Queue messages, as :meth:`add` does, with so many characters in all of them."""
        size += len(entries) * _OVERHEAD
        self._waiting.entries += entries
        self._waiting.bytes += size
        self._pending_bytes += size

    def change(self, record: Record, settled: Settled = unheeded) -> None:
        """Queue anything but a message; it is written in its place among the messages of the same batch."""
        self._waiting.changes.append(Change(record, settled, len(self._waiting.entries)))

    def move_cursor(self, user: int, seq: int, *, shown: bool = True) -> None:
        """Note how far a user has read, and whether others may be told; written with the next commit."""
        waiting = self._waiting
        waiting.cursors[user] = max(seq, waiting.cursors.get(user, 0))
        if shown:
            waiting.shown[user] = max(seq, waiting.shown.get(user, 0))

    def commit(self, *, cursors: bool = False) -> None:
        """Write what is queued; while a batch is being written only if it is enough for another."""
        self._cursors_wanted |= cursors
        waiting = self._waiting
        wanted = waiting.entries or waiting.changes or (self._cursors_wanted and waiting.cursors)
        if self._closed or not wanted:
            return
        if self._writing and (self._writing >= _AHEAD or len(waiting.entries) < _WORTH):
            return
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the writer what waits."""
        self._writing += 1
        self._work.put(self._waiting)
        self._waiting = Batch()
        self._cursors_wanted = False

    def _write_batches(self) -> None:
        while (work := self._next()) is not None:
            if isinstance(work, int):
                self._prune(work)
            else:
                self._write_batch(work)
            self._clean(self._eraser.clean)
        self._clean(self._eraser.finish)

    def _next(self) -> Batch | int | None:
        """Return what to do next; clean the files meanwhile, if there is nothing else."""
        while True:
            try:
                return self._work.get(timeout=self._eraser.wait)
            except Empty:
                self._clean(self._eraser.clean)

    def _clean(self, clean: Callable[[], None]) -> None:
        try:
            clean()
        except (sqlite3.Error, OSError) as error:
            logger.error("Cannot clear the log %s of deleted text yet: %s", self._path, error)  # noqa: TRY400 (expected)
        except Exception:
            logger.exception("The log cannot be cleared of deleted text.")

    def _write_batch(self, batch: Batch) -> None:
        error = None
        try:
            self._writer.write(batch)
        except sqlite3.Error as cause:
            error = StoreError(f"cannot write the log {self._path}: {cause}")
        except Exception as cause:
            # A fault of ours: whoever waits for this batch must hear of it all the same.
            logger.exception("The log writer failed.")
            error = StoreError(f"cannot write the log {self._path}: {cause!r}")
        self._tell(self._done, batch, error)
        self._index.wake()

    def _tell(self, function: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the owner's loop is closed: nobody waits any more
            self._post(function, *arguments)

    def _done(self, batch: Batch, error: StoreError | None) -> None:
        """Hand the result over; in the owner's thread."""
        self._writing -= 1
        self._note(error)
        self._pending_bytes -= batch.bytes
        if error is None:
            self.head = max(self.head, batch.newest)
        else:
            logger.error("%s", error)
            for user, seq in batch.cursors.items():
                self.move_cursor(user, seq, shown=False)
            for user, seq in batch.shown.items():
                self.move_cursor(user, seq)
        self._committed(batch, error)

    def _note(self, error: StoreError | None) -> None:
        if error is None:
            self._error = None
            self._error_since = 0
        else:
            self._error = str(error)
            self._error_since = self._error_since or time.time_ns() // 1_000_000

    def read_feed(self, query: FeedQuery, done: Done[FeedPage]) -> None:
        """Read a stretch of a feed beside the writer."""
        self._readers.ask(query.user, lambda connection: read_feed(connection, query), done)

    def read_backlog(self, query: BacklogQuery, done: Done[list[Backlog]]) -> None:
        """Count what someone has missed in rooms."""
        self._readers.ask(query.user, lambda connection: read_backlog(connection, query), done)

    def read_history(self, query: HistoryQuery, done: Done[Page]) -> None:
        """Read a page of a conversation, the oldest first."""
        self._readers.ask(query.user, lambda connection: read_history(connection, query), done)

    def read_newest(
        self, user: int, rooms: Sequence[int], done: Done[dict[int, MessageRow]], own: Collection[int] = ()
    ) -> None:
        """Read the newest message of each of these rooms that has any."""
        self._readers.ask(user, lambda connection: read_newest(connection, rooms, own, user), done)

    def read_question(self, user: int, seq: int, done: Done[list[Question]]) -> None:
        """Read the message with that ``seq``, if there is one, and what answers it."""
        self._readers.ask(user, lambda connection: read_question(connection, seq), done)

    def read_unread(self, query: UnreadQuery, done: Done[list[Unread]]) -> None:
        """Count what someone has not been shown, by conversation, the newest first; the oldest of many are left out."""
        self._readers.ask(query.user, lambda connection: read_unread(connection, query), done)

    def read_partners(self, user: int, limit: int, done: Done[list[int]]) -> None:
        """Read with whom a user has talked last, the latest first."""
        self._readers.ask(user, lambda connection: (read_partners(connection, user, limit), 0), done)

    def search(self, query: SearchQuery, done: Done[Page]) -> None:
        """Find messages, the newest first; what was committed before it was asked is found."""
        try:
            expression = words.parse(query.words)
        except InputError as error:
            self._tell(done, None, error)
            return
        if self._searchers.waiting(query.user) >= _MOST_SEARCHES:
            self._tell(done, None, StoreError(TOO_MANY))
            return
        head = self.head
        end = time.monotonic() + _PATIENCE
        self._searchers.ask(
            query.user, lambda connection: search(connection, self._index, query, expression, head, end), done
        )

    def prune(self, before: int) -> None:
        """Delete a few of the messages from before that time, in milliseconds since 1970-01-01 UTC; call it again."""
        if not (self._pruning or self._closed):
            self._pruning = True
            self._work.put(before)

    def _prune(self, before: int) -> None:
        """Delete a few messages; in the writer's thread."""
        try:
            self._pruner.prune(before)
        except sqlite3.Error as error:
            logger.error("Cannot delete old messages from the log %s: %s", self._path, error)  # noqa: TRY400 (expected)
        except Exception:
            # A fault of ours: without this thread nothing would be written any more.
            logger.exception("Old messages cannot be deleted from the log.")
        self._tell(self._pruned)

    def _pruned(self) -> None:
        self._pruning = False

    def health(self) -> Health:
        """Return how the log is."""
        return Health(
            self._error,
            self._error_since,
            self._readers.damaged + self._searchers.damaged,
            files.size(self._path, self._index.path),
        )

    def close(self) -> None:
        """Write what is queued, then let go of the files. Harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        # Cursors that could not be written just now are not worth another wait: what they point at is shown again.
        if self._waiting.entries or self._waiting.changes or (self._waiting and self._error is None):
            self._hand_over()
        self._waiting = Batch()
        self._work.put(None)
        self._thread.join(_CLOSING_SECONDS)
        hangs = self._thread.is_alive()
        self._index.stop()  # a search that waits for it would keep us waiting, too
        self._searchers.close(wait=not hangs)
        self._readers.close(wait=not hangs)
        self._index.close(_CLOSING_SECONDS)
        if not hangs:
            self._connection.close()
            self._pages.close()
            self._lock.close()
