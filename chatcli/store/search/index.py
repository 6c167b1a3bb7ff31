"""The index of the search: a database of its own beside the log, which it follows, and which it can be made of again.

It holds words and where they occur, no texts. Whatever becomes of it, the log and its writer do not notice.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from chatcli.errors import StoreError
from chatcli.store.data_directory import make_private
from chatcli.store.search import parts, words
from chatcli.store.search.parts import Indexed
from chatcli.store.sqlite.connection import checkpoint, connect, transaction
from chatcli.store.sqlite.damage import END, around_damage, is_damage, tolerating_damage
from chatcli.store.sqlite.load import read_mark

logger = logging.getLogger(__name__)

_FILE: Final = "search.db"
_STEP: Final = 1000  # messages of one transaction
_QUIET: Final = 0.2  # seconds after a commit, so that many are indexed together
_REST: Final = 12  # times as long as a step took, while messages come in: they go first
_RETRY: Final = 60.0  # seconds
_WAIT: Final = 8.0  # seconds that a search waits for the index
_REMOVALS: Final = 50_000  # removed messages to remember; with more of them it is made again instead
_CLEAR_AFTER: Final = 10.0  # seconds from a deletion until the parts that lost messages are made again
_CLEAR_EVERY: Final = 60.0  # seconds from one such time to the next, at least
_CLEAR_RETRY: Final = 1.0  # seconds, where a search is in the way

_STATE: Final = (
    "CREATE TABLE state (upto INTEGER NOT NULL, id BLOB, removed INTEGER NOT NULL, words TEXT NOT NULL) STRICT"
)
_NEXT: Final = (
    "SELECT seq, conversation, sender, text, id FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
)


class SearchIndex:
    """Follows the log in a thread of its own.

    Args:
        log: the log's file.

    Attributes:
        path: the index's file.
    """

    def __init__(self, log: Path) -> None:
        self.path = log.with_name(_FILE)
        self._log_path = log
        self._lock = threading.Lock()  # held for one step
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._removed: list[int] = []
        # What earlier runs have left is cleared away as soon as the index is open.
        self._clear_at: float | None = time.monotonic()
        self._stale = False  # it must be made again
        self._discarded = -_RETRY
        self._clearing: int | None = None  # up to which number parts are being made again
        self._clear_again_at = 0.0
        self._upto = 0
        self._connection: sqlite3.Connection | None = None
        self._log: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._follow, name="log-index", daemon=True)
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Take note that something was committed; in any thread."""
        self._wake.set()

    def remove(self, seqs: Collection[int]) -> None:
        """Take note of messages that the log has no longer; in any thread."""
        if len(self._removed) >= _REMOVALS:
            self._stale = True
        else:
            self._removed += seqs
        self._wake.set()

    def doubt(self) -> None:
        """Have the index made again, since it was found to be damaged."""
        self._stale = True
        self._wake.set()

    def catch_up(self, seq: int, deadline: float) -> None:
        """Index everything up to a message that was committed; in the thread of a search, which ends at the deadline.

        Raises:
            StoreError: that takes too long, or cannot be done.
        """
        deadline = min(time.monotonic() + _WAIT, deadline)
        try:
            while (self._connection is None or self._stale or self._upto < seq) and self._step():
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"the messages are still being prepared for the search ({self._upto:,} of {seq:,}): "
                        "try again in a while"
                    )
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the messages cannot be searched now: {error}") from None

    def _follow(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(None if self._clear_at is None else max(0.0, self._clear_at - time.monotonic()))
            self._closing.wait(_QUIET)
            self._wake.clear()
            try:
                self._work()
            except (sqlite3.Error, OSError) as error:
                logger.error("Cannot write the search index %s: %s", self.path, error)  # noqa: TRY400 (no fault of ours)
            except Exception:
                logger.exception("The search index failed.")
            else:
                continue
            self._closing.wait(_RETRY)
            self._wake.set()

    def _work(self) -> None:
        more = True
        while more:
            begun = time.monotonic()
            more = self._step()
            if more and self._wake.is_set():
                self._wake.clear()
                self._closing.wait(_REST * (time.monotonic() - begun))

    def _step(self) -> bool:
        """Index some messages; return whether there may be more."""
        with self._lock:
            if self._closing.is_set():
                return False
            if self._stale:
                self._discard()
            try:
                connection = self._opened()
                more = self._advance(connection)
                return self._clear(connection) or more
            except sqlite3.DatabaseError as error:
                if not is_damage(error) or time.monotonic() < self._discarded + _RETRY:
                    raise
                logger.warning("The search index %s is damaged, and is made again.", self.path)
                self._discard()
                return True

    def _advance(self, connection: sqlite3.Connection) -> bool:
        removed = self._removed[:]
        messages, upto, more = self._read(self._upto, END)
        if removed or upto > self._upto:
            with transaction(connection):
                if removed:
                    parts.spoil(connection, removed)
                    connection.execute("UPDATE state SET removed = removed + ?", (len(removed),))
                parts.add(connection, messages)
                connection.execute("UPDATE state SET upto = ?", (upto,))
                if messages:
                    connection.execute("UPDATE state SET id = ?", (messages[-1].id,))
        if removed and self._clear_at is None:
            self._clear_at = max(time.monotonic() + _CLEAR_AFTER, self._clear_again_at)
        del self._removed[: len(removed)]
        self._upto = upto
        return more

    def _clear(self, connection: sqlite3.Connection) -> bool:
        """Do a step of what makes deleted words vanish from the file; return whether there is more to do at once."""
        if self._clear_at is None or time.monotonic() < self._clear_at:
            return False
        if self._clearing is None:
            # Parts that are made meanwhile, and have lost messages again, have their turn after a while.
            self._clearing = parts.newest_number(connection)
            self._clear_again_at = time.monotonic() + _CLEAR_EVERY
        found = parts.find_stale(connection, self._clearing)
        if found is None:
            self._finish_clearing(connection)
            return False
        old, new = found
        after = old.first - 1 if new is None else new.upto
        messages, upto, more = self._read(after, old.upto)
        with transaction(connection):
            parts.renew(connection, old, new, messages, upto if more else old.upto, last=not more)
        return True

    def _finish_clearing(self, connection: sqlite3.Connection) -> None:
        if not checkpoint(connection):
            self._clear_at = time.monotonic() + _CLEAR_RETRY
            return
        self._clearing = None
        more = parts.find_stale(connection, parts.newest_number(connection)) is not None
        self._clear_at = self._clear_again_at if more else None

    def _read(self, after: int, end: int) -> tuple[list[Indexed], int, bool]:
        """Read what comes next in the log; return the messages, how far that is, and whether there may be more."""
        log = self._opened_log()
        messages: list[Indexed] = []
        with tolerating_damage() as damage:
            messages.extend(Indexed(*row) for row in log.execute(_NEXT, (after, end, _STEP)))
        reached = messages[-1].seq if messages else after
        if damage.met:
            return self._read_around_damage(messages, reached, end)
        return messages, reached, len(messages) == _STEP

    def _read_around_damage(self, messages: list[Indexed], after: int, end: int) -> tuple[list[Indexed], int, bool]:
        log = self._opened_log()
        seqs, reached = around_damage(log, after)
        for seq in seqs:
            with contextlib.suppress(sqlite3.DatabaseError):  # what nobody can read nobody need find
                messages += [Indexed(*row) for row in log.execute(_NEXT, (seq - 1, min(seq, end), 1))]
        reached = min(reached, end)
        if reached < END:
            return messages, reached, reached < end
        return messages, messages[-1].seq if messages else after, False

    def _opened_log(self) -> sqlite3.Connection:
        if self._log is None:
            log = connect(self._log_path, create=False)
            log.execute("PRAGMA query_only = ON")
            self._log = log
        return self._log

    def _opened(self) -> sqlite3.Connection:
        """Return the connection to an index that fits the log; it is made if there is none."""
        if self._connection is None:
            connection = self._connect()
            try:
                upto = self._read_state(connection)
                if upto is None:
                    connection.close()
                    self._discard()
                    connection = self._connect()
                    self._make(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection  # last, so that one that is not fit for use is never found there
            self._upto = upto or 0
        return self._connection

    def _make(self, connection: sqlite3.Connection) -> None:
        removed = read_mark(self._opened_log(), "removed")
        with transaction(connection):
            connection.execute(_STATE)
            connection.execute(parts.SCHEMA)
            connection.execute("INSERT INTO state VALUES (0, NULL, ?, ?)", (removed, _version()))

    def _connect(self) -> sqlite3.Connection:
        if self.path.is_symlink():
            self.path.unlink()  # it is nobody's but ours, and made again
        try:
            make_private(self.path)
        except StoreError as error:
            raise sqlite3.OperationalError(str(error)) from None
        connection = connect(self.path)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is indexed again
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_state(self, connection: sqlite3.Connection) -> int | None:
        """Return how far the index has come; None if it is not one of this log, as it is now, and of this program."""
        try:
            state = connection.execute("SELECT upto, id, removed, words FROM state").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # which it is where there is no such table or column
                raise
            return None
        if state is None:
            return None
        upto, identity, removed, made_by = state
        log = self._opened_log()
        known = log.execute("SELECT id FROM messages WHERE seq = ?", (upto,)).fetchone()
        fits = known[0] == identity if known else upto <= read_mark(log, "pruned")
        if not fits or made_by != _version():
            return None
        removals = read_mark(log, "removed") - len(self._removed)
        if removed != removals:  # a run that ended before it could take note of the last ones
            with transaction(connection):
                parts.spoil_all(connection)
                connection.execute("UPDATE state SET removed = ?", (removals,))
        return int(upto)

    def _discard(self) -> None:
        """Delete the index; the next step makes it again."""
        self._discarded = time.monotonic()
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._removed.clear()
        self._stale = False
        self._upto = 0
        self._clearing = None
        self._clear_at = time.monotonic()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def stop(self) -> None:
        """Begin nothing any more."""
        self._closing.set()
        self._wake.set()

    @property
    def stopped(self) -> bool:
        """Whether nothing is begun any more."""
        return self._closing.is_set()

    def close(self, seconds: float) -> None:
        """Let go of the files, unless what is being written takes longer than this."""
        self.stop()
        self._thread.join(seconds)
        if self._lock.acquire(timeout=seconds):
            for connection in (self._connection, self._log):
                if connection is not None:
                    connection.close()
            self._lock.release()


def _version() -> str:
    """Return what made the index; one that something else has made is of no use."""
    return f"{parts.VERSION} {words.VERSION}"
