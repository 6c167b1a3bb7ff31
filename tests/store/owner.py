"""A small version of the thread that owns a log: it runs posted callbacks when a test wants it to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from chatcli.errors import ChatError, StoreError
from chatcli.store.batch import Batch, Conflict, Entry, Outcome
from chatcli.store.interface import Log, OnCommit, Post
from chatcli.store.queries import FeedPage, FeedQuery, HistoryQuery, Page, Query, SearchQuery
from chatcli.store.records import Fact, MessageRow, Record, UserRecord
from tests.store.people import claim, entry

DEADLINE: Final = 10.0  # seconds; no test waits so long unless it fails

OpenLog = Callable[[Post, OnCommit], Log]


class Report(NamedTuple):
    """A batch that the log reported, and its error."""

    batch: Batch
    error: StoreError | None


class Owner:
    """Opens a log and owns it.

    Nothing that the log posts runs before the test waits for it: so a batch is "being written" for as long as the
    test wants, and no result depends on the clock.

    Attributes:
        log: the open log.
        state: its state when it was opened.
        reports: every batch that the log reported, in order.
    """

    def __init__(self, open_log: OpenLog) -> None:
        self._open_log = open_log
        self._posted: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.reports: list[Report] = []
        self.log = open_log(self._post, self._committed)
        self.state = self.log.load()

    def _post(self, function: Callable[..., object], *arguments: object) -> None:
        self._posted.put(partial(function, *arguments))

    def _committed(self, batch: Batch, error: StoreError | None) -> None:
        self.reports.append(Report(batch, error))
        self.log.commit()  # what waited

    def reopen(self) -> None:
        """Close the log and open it again, as a restarted server does."""
        self.log.close()
        self._posted = SimpleQueue()
        self.log = self._open_log(self._post, self._committed)
        self.state = self.log.load()

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Run posted callbacks until the condition holds."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            self._posted.get(timeout=max(0.0, deadline - time.monotonic()))()

    def run_all(self) -> None:
        """Run the callbacks that have been posted."""
        while not self._posted.empty():
            self._posted.get()()

    def run_while(self, condition: Callable[[], bool]) -> None:
        """Wait while a condition holds that no callback will end."""
        deadline = time.monotonic() + DEADLINE
        while condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def commit(self, *, positions: bool = False) -> Report:
        """Commit the queue and return the log's report."""
        before = len(self.reports)
        self.log.commit(positions=positions)
        self.run_until(lambda: len(self.reports) > before)
        return self.reports[before]

    def commit_change(self, record: Record) -> Report:
        """Queue and commit a record; return the log's report."""
        self.log.append_change(record)
        return self.commit()

    def write(self, *entries: Entry) -> Report:
        """Queue and commit messages; return the log's report."""
        for message in entries:
            self.log.append_message(message)
        return self.commit()

    def write_all(self, *things: Entry | Record) -> Report:
        """Queue messages and records in this order and commit them; return the log's report."""
        for thing in things:
            if isinstance(thing, Entry):
                self.log.append_message(thing)
            else:
                self.log.append_change(thing)
        return self.commit()

    def outcome(self, record: Record) -> Outcome:
        """Commit a record; return its outcome, which must not be an error."""
        batch, error = self.commit_change(record)
        assert error is None
        return batch.changes[-1].outcome

    def facts(self, record: Record) -> list[Fact]:
        """Commit a record that is accepted; return what it has changed."""
        outcome = self.outcome(record)
        assert outcome.conflict is None
        return outcome.facts

    def conflict(self, record: Record) -> Conflict | None:
        """Commit a record; return why it was refused, and check that it has changed nothing then."""
        outcome = self.outcome(record)
        assert outcome.conflict is None or not outcome.facts
        return outcome.conflict

    def prune(self, before: int, now: int = 10**12) -> None:
        """Delete some of the messages older than a time, and write a message, so that it is done."""
        self.log.prune(before, now)
        self.write(entry(1, 1, "tick"))
        self.run_until(lambda: self.log.idle)

    def delete(self, before: int) -> None:
        """Delete messages older than a time, some of which there must be."""
        reported = len(self.reports)
        self.log.prune(before, before)
        self.run_until(lambda: len(self.reports) > reported)

    def add_users(self, *users: UserRecord) -> Report:
        """Queue and commit users; return the log's report."""
        for user in users:
            self.log.append_change(claim(user))
        return self.commit()

    def ask(self, query: Query[Any]) -> object:
        """Return the log's answer to a query, or its error."""
        answers: list[object] = []
        self.log.read(query, lambda answer, error: answers.append(answer if error is None else error))
        self.run_until(lambda: bool(answers))
        return answers[0]

    def try_read(self, query: FeedQuery) -> tuple[FeedPage | None, ChatError | None]:
        """Read a stretch of a feed, or learn why that failed."""
        answer = self.ask(query)
        if isinstance(answer, FeedPage):
            return answer, None
        assert isinstance(answer, ChatError)
        return None, answer

    def read(
        self, user: int, after: int = 0, upto: int | None = None, limit: int = 1000, *, unread_only: bool = False
    ) -> FeedPage:
        """Read a stretch of a feed, up to the head by default."""
        end = self.log.head if upto is None else upto
        page, error = self.try_read(FeedQuery(user=user, after=after, upto=end, limit=limit, unread_only=unread_only))
        assert error is None
        assert page is not None
        return page

    def feed(
        self,
        user: int,
        after: int = 0,
        limit: int = 1000,
        *,
        unread_only: bool = False,
        floors: Mapping[int, int] | None = None,
    ) -> list[MessageRow]:
        """Read someone's whole feed, page by page."""
        rows: list[MessageRow] = []
        while after < self.log.head:
            page, error = self.try_read(
                FeedQuery(
                    user=user,
                    after=after,
                    upto=self.log.head,
                    limit=limit,
                    unread_only=unread_only,
                    floors=floors or {},
                )
            )
            assert error is None
            assert page is not None
            assert len(page.rows) <= limit
            assert page.upto > after
            assert all(after < row.seq <= page.upto for row in page.rows)
            rows += page.rows
            after = page.upto
        return rows

    def texts(self, user: int) -> list[str]:
        """Return the texts of a user's whole feed."""
        return [row.text for row in self.feed(user)]

    def history(self, query: HistoryQuery) -> Page:
        """Read a page of a conversation."""
        page = self.ask(query)
        assert isinstance(page, Page)
        return page

    def search(self, query: SearchQuery) -> Page:
        """Find messages."""
        page = self.ask(query)
        assert isinstance(page, Page), page
        return page

    def find(self, user: int, words: str, *rooms: int) -> list[str]:
        """Return the texts that a user who may read these rooms finds."""
        return [row.text for row in self.search(SearchQuery(user=user, words=words, rooms=rooms, limit=100)).rows]

    def find_patiently(self, user: int, words: str) -> list[str]:
        """Search again for as long as the index is not ready."""
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = self.ask(SearchQuery(user=user, words=words, rooms=[], limit=100))
            if isinstance(answer, Page):
                return [row.text for row in answer.rows]
            assert isinstance(answer, StoreError)
            assert time.monotonic() < deadline, answer
