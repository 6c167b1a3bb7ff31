"""The log's upkeep between transactions: deletion of old messages, and erasure of deleted text from the files."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection

from chatcli.store.database import Database
from chatcli.store.maintenance.erasure import Eraser
from chatcli.store.retention import Pruner

logger = logging.getLogger(__name__)


class Upkeep:
    """Deletes messages, and logs what goes wrong: the writer's thread, which uses it, must not end.

    Args:
        database: the log's.
        on_erased: called with the seqs of deleted messages.
    """

    def __init__(self, database: Database, on_erased: Callable[[Collection[int]], None]) -> None:
        connection, path, deleted = database.connection, database.path, database.writer.deleted
        self._path = path
        self._eraser = Eraser(connection, path, database.pages, deleted=deleted, on_erased=on_erased)
        self._pruner = Pruner(connection, self._eraser, deleted)

    @property
    def wait(self) -> float | None:
        """The seconds until :meth:`clean` has something to do; None if it has nothing."""
        return self._eraser.wait

    def prune(self, before: int) -> None:
        """Delete some of the messages older than a time, in milliseconds since 1970-01-01 UTC."""
        self._run(lambda: self._pruner.prune(before), f"delete old messages from the log {self._path}")

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
