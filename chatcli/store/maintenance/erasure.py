"""Erases what the log's files still hold of messages that were deleted."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from chatcli.store.maintenance.free_pages import Pages
from chatcli.store.maintenance.page_format import Damaged, Page
from chatcli.store.sqlite.connection import checkpoint, transaction
from chatcli.store.sqlite.damage import tolerating_damage
from chatcli.store.sqlite.load import read_mark, set_mark
from chatcli.store.writing.pruning import CLEAN, UNCLEAN

logger = logging.getLogger(__name__)

_PAUSE: Final = 30.0  # seconds from a deletion to the cleaning, so that one cleaning covers many
_RETRY: Final = 1.0  # seconds between two slices of the work, and until the next try if a reader prevents one
_RETRY_FAILED: Final = 60.0  # seconds
_SLICE: Final = 0.03  # seconds for which senders may have to wait
_AROUND: Final = 8  # pages on each side of a deleted row: SQLite moves rows between three pages at a time

_ROOT: Final = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'messages'"
_NEXT: Final = "SELECT min(seq) FROM messages WHERE seq > ?"


class Eraser:
    """Cleans the log's files a while after messages were deleted.

    Deleted text remains in the WAL, and in unused places of the database; so the WAL is emptied, and those places are
    overwritten. The deletion itself records in the log that this is still to be done.

    Used in the writer's thread, between two batches, on the writer's connection.

    Args:
        connection: the writer's, with ``secure_delete`` on.
        path: the log.
        pages: the pages of the same file.
        on_erased: called with the seqs of deleted messages.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        pages: Pages,
        on_erased: Callable[[Collection[int]], None],
    ) -> None:
        self._connection = connection
        self._on_erased = on_erased
        self._path = path
        self._pages = pages
        self._erased_since: list[int] = []  # rows that were deleted since the last cleaning started
        self._places: list[int] = []  # where to clean, in descending order
        mark = read_mark(connection, "clean")
        self._everywhere = mark != CLEAN
        self._reached = 0  # all is clean up to this row
        self._reached_free = 0  # and up to this free page: those that SQLite frees now are clean
        self._copies = mark == UNCLEAN  # those made before upgrades may hold deleted messages
        # An earlier run may have left anything in the WAL.
        self._due: float | None = time.monotonic()

    @property
    def wait(self) -> float | None:
        """The seconds until there is something to clean; None if there is nothing."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def erase(self, seqs: Collection[int]) -> None:
        """Have the files hold nothing of messages, which were deleted just before, once they have been cleaned."""
        self._copies = True
        self._erased_since += seqs
        if self._due is None:
            self._due = time.monotonic() + _PAUSE
        self._on_erased(seqs)

    def clean(self) -> None:
        """Do a slice of the cleaning, if it is time to.

        Raises:
            sqlite3.Error: the log cannot be written; the next call tries again.
            OSError: likewise.
        """
        if self._due is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _RETRY_FAILED
        if self._copies:
            for copy in self._path.parent.glob(f"{self._path.name}.schema-*.bak*"):
                copy.unlink(missing_ok=True)
            self._copies = False
        done = checkpoint(self._connection)
        self._due = time.monotonic() + _RETRY
        if not done:
            return  # a reader uses the WAL; mostly for a moment
        self._places = sorted({*self._places, *self._erased_since}, reverse=True)
        self._erased_since.clear()
        if not self._places and not self._everywhere:
            self._due = None
            return
        damaged = len(self._pages.damaged)
        try:
            self._overwrite()
        except Damaged as error:
            self._warn(str(error))
            self._due = time.monotonic() + _RETRY_FAILED
        if len(self._pages.damaged) > damaged:
            self._warn(f"in {len(self._pages.damaged)} of its pages")

    def _warn(self, where: str) -> None:
        logger.warning("The log %s is damaged (%s): it may still hold deleted text.", self._path, where)

    def finish(self) -> None:
        """Do at once what can be cleaned in a moment; the log itself records what remains.

        Raises:
            sqlite3.Error: see :meth:`clean`.
            OSError: likewise.
        """
        if self._due is not None:
            self._due = 0.0
            self.clean()

    def _overwrite(self) -> None:
        """Overwrite unused bytes near deleted rows, or everywhere, for as long as senders may wait."""
        wal = self._path.with_name(f"{self._path.name}-wal")
        with transaction(self._connection):  # nobody else writes now
            if wal.stat().st_size:
                return  # another program has written just before
            self._pages.read_header()
            (root,) = self._connection.execute(_ROOT).fetchone()
            end = time.monotonic() + _SLICE
            done = self._overwrite_places(root, end) and self._overwrite_everything(root, end)
            self._pages.sync()
            if done and not self._pages.damaged:
                set_mark(self._connection, "clean", CLEAN)
        self._connection.execute("PRAGMA shrink_memory")  # or SQLite would write its copies of these pages again
        if done:
            self._due = None

    def _overwrite_places(self, root: int, end: float) -> bool:
        """Overwrite unused bytes near deleted rows; return whether that is done."""
        seen: set[int] = set()
        while self._places:
            place = self._places[-1]
            for page in self._around(root, place):
                if page.number not in seen:
                    seen.add(page.number)
                    self._pages.overwrite_unused(page)
            following = self._following(place)
            while self._places and (following is None or self._places[-1] < following):
                self._places.pop()  # they were deleted together, and so were in the same place
            if time.monotonic() > end:
                break
        return not self._places

    def _following(self, place: int) -> int | None:
        """Return the number of the row after a deleted one; None if it was the last."""
        with tolerating_damage():
            (following,) = self._connection.execute(_NEXT, (place,)).fetchone()
            return None if following is None else int(following)
        return place + 1

    def _around(self, root: int, place: int) -> Iterator[Page]:
        yield from islice(self._pages.pages(root, place), _AROUND)
        yield from islice(self._pages.pages(root, place, back=True), _AROUND)

    def _overwrite_everything(self, root: int, end: float) -> bool:
        """Overwrite unused bytes in all of the file, unless that was done; return whether it is done."""
        if not self._everywhere:
            return True
        for page in self._pages.pages(root, self._reached + 1):
            self._pages.overwrite_unused(page)
            highest = self._pages.overwrite_tails(page)
            if highest > self._reached:
                self._reached = highest
                if time.monotonic() > end:
                    return False
        for free, begin in self._pages.free():
            if free <= self._reached_free:
                continue
            self._pages.overwrite_from(free, begin)
            self._reached_free = free
            if time.monotonic() > end:
                return False
        self._everywhere = False
        return True
