"""The end of the log while a batch is being written."""

from __future__ import annotations

import sqlite3

from chatcli.store.sqlite.load import read_head


class Head:
    """The newest ``seq`` in the log, and the next one.

    They are apart after duplicates, which use up numbers until the end of their batch.

    Attributes:
        newest: the newest ``seq`` that was used.
        next: the next one to use.
    """

    __slots__ = ("newest", "next")

    def __init__(self) -> None:
        self.newest = 0
        self.next = 1

    def read(self, connection: sqlite3.Connection) -> None:
        """Count from what the database has, whatever was written or undone before."""
        self.newest = read_head(connection)
        self.next = self.newest + 1

    def use_next(self) -> int:
        """Use the next ``seq``."""
        self.newest, self.next = self.next, self.next + 1
        return self.newest
