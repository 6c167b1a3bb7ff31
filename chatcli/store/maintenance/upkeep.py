"""The log's upkeep between transactions: old messages are found, and deleted text is erased from the files."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path

from chatcli.store.maintenance.erasure import Eraser
from chatcli.store.maintenance.free_pages import Pages
from chatcli.store.maintenance.retention import Pruner
from chatcli.store.records import Prune
from chatcli.store.writing.deleted import Deleted

logger = logging.getLogger(__name__)


class Upkeep:
    """Finds old messages and erases deleted ones.

    It logs what goes wrong: the writer's thread, which uses it, must not end.

    Args:
        connection: the writer's.
        path: the log.
        pages: the pages of the same file.
        deleted: the ids of deleted messages.
        on_erased: called with the seqs of deleted messages.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        *,
        pages: Pages,
        deleted: Deleted,
        on_erased: Callable[[Collection[int]], None],
    ) -> None:
        self._path = path
        self._eraser = Eraser(connection, path, pages, on_erased)
        self._pruner = Pruner(connection, deleted)

    @property
    def wait(self) -> float | None:
        """The seconds until :meth:`clean` has something to do; None if it has nothing."""
        return self._eraser.wait

    def find_old(self, before: int, now: int) -> Prune | None:
        """Return the deletion of some of the messages older than a time; None if there is nothing to delete now.

        Args:
            before: the time, in milliseconds since 1970-01-01 UTC.
            now: the present time, likewise.
        """
        found: list[Prune | None] = [None]

        def find() -> None:
            found[0] = self._pruner.find(before, now)

        self._run(find, f"delete old messages from the log {self._path}")
        return found[0]

    def erase(self, seqs: Collection[int]) -> None:
        """Have the files hold nothing of messages that were deleted just before, after a while."""
        self._run(lambda: self._eraser.erase(seqs), f"clear the log {self._path} of deleted text yet")

    def clean(self) -> None:
        """Erase some of the deleted text, if it is time to."""
        self._run(self._eraser.clean, f"clear the log {self._path} of deleted text yet")

    def finish(self) -> None:
        """Erase at once what can be erased in a moment."""
        self._run(self._eraser.finish, f"clear the log {self._path} of deleted text yet")

    @staticmethod
    def _run(work: Callable[[], None], purpose: str) -> None:
        try:
            work()
        except (sqlite3.Error, OSError) as error:
            logger.error("Cannot %s: %s", purpose, error)  # noqa: TRY400 (expected)
        except Exception:
            logger.exception("Cannot %s.", purpose)
