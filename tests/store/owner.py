"""The thread that owns a log, in small: it runs what the log posts, when the test says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Final, NamedTuple

from chatcli.errors import StoreError
from chatcli.store.log import Batch, Committed, Entry, FeedPage, FeedQuery, Log, Post, Record, UserRecord
from tests.store.people import settled

DEADLINE: Final = 10.0  # seconds; no test waits so long unless it fails

OpenLog = Callable[[Post, Committed], Log]


class Told(NamedTuple):
    """What the log told its owner of one batch."""

    batch: Batch
    error: StoreError | None


class Owner:
    """Opens a log and owns it.

    Nothing that the log posts runs before the test waits for it: so a batch is "being written" for as long as the
    test wants, and no result depends on the clock.

    Attributes:
        log: the log that is open now.
        told: every batch that the log told of, in order.
    """

    def __init__(self, open_log: OpenLog) -> None:
        self._open_log = open_log
        self._posted: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.told: list[Told] = []
        self.log = open_log(self._post, self._committed)

    def _post(self, function: Callable[..., object], *arguments: object) -> None:
        self._posted.put(partial(function, *arguments))

    def _committed(self, batch: Batch, error: StoreError | None) -> None:
        self.told.append(Told(batch, error))

    def reopen(self) -> None:
        """Close the log and open it again, as a server does that is started anew."""
        self.log.close()
        self._posted = SimpleQueue()
        self.log = self._open_log(self._post, self._committed)

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Run what the log posts until the condition holds."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self._posted.get(timeout=max(0.0, deadline - time.monotonic()))()

    def commit(self, *, cursors: bool = False) -> Told:
        """Commit what is queued and return what the log says of it."""
        before = len(self.told)
        self.log.commit(cursors=cursors)
        self.run_until(lambda: len(self.told) > before)
        return self.told[before]

    def commit_change(self, record: Record) -> Told:
        """Queue a record, commit it, and return what the log says of it."""
        self.log.change(record, settled)
        return self.commit()

    def write(self, *entries: Entry) -> Told:
        """Queue messages, commit them, and return what the log says of them."""
        for entry in entries:
            self.log.add(entry)
        return self.commit()

    def add_users(self, *users: UserRecord) -> Told:
        """Queue users, commit them, and return what the log says of them."""
        for user in users:
            self.log.change(user, settled)
        return self.commit()

    def try_read(self, query: FeedQuery) -> tuple[FeedPage | None, StoreError | None]:
        """Read a stretch of a feed, or learn why that failed."""
        answers: list[tuple[FeedPage | None, StoreError | None]] = []
        self.log.read_feed(query, lambda page, error: answers.append((page, error)))
        self.run_until(lambda: bool(answers))
        return answers[0]

    def read(self, user: int, after: int = 0, upto: int | None = None, limit: int = 1000, **only: bool) -> FeedPage:
        """Read a stretch of a feed, up to the head unless told otherwise."""
        page, error = self.try_read(FeedQuery(user, after, self.log.head if upto is None else upto, limit, **only))
        assert error is None
        assert page is not None
        return page

    def texts(self, user: int) -> list[str]:
        """Return what is said in someone's whole feed."""
        return [row.text for row in self.read(user).rows]
