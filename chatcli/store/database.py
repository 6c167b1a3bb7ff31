"""The files of an open log: the lock on its directory, and the database that its writer uses."""

from __future__ import annotations

import contextlib
from pathlib import Path

from chatcli.store.data_directory import DATABASE, explained, lock, make_private
from chatcli.store.epochs import begin_epoch_of_copy, read_epochs
from chatcli.store.files import remove_unfinished
from chatcli.store.interface import State
from chatcli.store.maintenance.free_pages import Pages
from chatcli.store.sqlite import load
from chatcli.store.sqlite.connection import connect
from chatcli.store.upgrade import remove_unfinished_copies, upgrade
from chatcli.store.writing.writer import Writer


class Database:
    """A log's database, locked for this process and brought to the newest schema.

    Args:
        directory: the data directory; made if it is missing, readable for its owner only.

    Attributes:
        path: the database file.
        connection: the only one that writes.
        pages: the same file, for overwriting what SQLite does not use.
        head: the newest ``seq`` that had been used when it was opened.
        last_ids: the highest id of a user and the lowest of a room that it had then.
        epochs: the epochs of its history.
        writer: writes to it.

    Raises:
        StoreError: the directory cannot be used, another server uses it, or the file is not a log.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / DATABASE
        with contextlib.ExitStack() as opened:
            opened.enter_context(lock(directory))
            with explained(f"Cannot use the log {self.path}"):
                make_private(self.path)
                remove_unfinished_copies(directory)
                remove_unfinished(directory)
                self.pages = opened.enter_context(contextlib.closing(Pages(self.path)))
                self.connection = opened.enter_context(contextlib.closing(connect(self.path)))
                upgrade(self.connection, self.path)
                self._state = load.read_state(self.connection)
                self.head = load.read_head(self.connection)
                self.last_ids = load.read_last_ids(self.connection)
                begin_epoch_of_copy(self.connection)
                self.epochs = read_epochs(self.connection)
                self.writer = Writer(self.connection, self.path)
            self._opened = opened.pop_all()

    def release_state(self) -> State:
        """Return the state of the database when it was opened, and drop it from memory."""
        state, self._state = self._state, State()
        return state

    def close(self) -> None:
        """Close the database, then release the lock."""
        self._opened.close()
