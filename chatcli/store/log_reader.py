"""The reading side of the log: which function answers which query, in which threads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from chatcli.errors import InputError, StoreError
from chatcli.store.interface import Post
from chatcli.store.queries import (
    BacklogQuery,
    ContactsQuery,
    ConversationsQuery,
    FeedQuery,
    HistoryQuery,
    NameChangesQuery,
    NewestQuery,
    OnResult,
    PlacesQuery,
    Query,
    QuestionQuery,
    Result,
    SearchQuery,
    UnreadQuery,
)
from chatcli.store.search import tokenizer
from chatcli.store.search.index import SearchIndex
from chatcli.store.search.query import TOO_MANY, search
from chatcli.store.sqlite.conversation_list import read_conversations
from chatcli.store.sqlite.counts import read_backlog, read_unread
from chatcli.store.sqlite.feed import read_feed
from chatcli.store.sqlite.history import read_contacts, read_history, read_newest, read_places, read_question
from chatcli.store.sqlite.name_changes import read_name_changes
from chatcli.store.sqlite.reader_pool import ReaderPool

_READERS: Final = 2  # threads
_SEARCHERS: Final = 2
_MAX_SEARCHES: Final = 50  # of one user, that wait
_SEARCH_TIMEOUT: Final = 10.0  # seconds, waiting included

#: Each returns the result, and how often it met damage.
_READS: Final[dict[type[Query[Any]], Callable[[sqlite3.Connection, Any], tuple[Any, int]]]] = {
    BacklogQuery: read_backlog,
    ContactsQuery: read_contacts,
    ConversationsQuery: read_conversations,
    FeedQuery: read_feed,
    HistoryQuery: read_history,
    NameChangesQuery: read_name_changes,
    NewestQuery: read_newest,
    PlacesQuery: read_places,
    QuestionQuery: read_question,
    UnreadQuery: read_unread,
}


class LogReader:
    """Answers queries; searches have threads of their own, because a feed must not wait for them.

    Args:
        path: the log.
        index: the search index of the same log.
        post: runs a callable in the owner's thread.
    """

    def __init__(self, path: Path, index: SearchIndex, post: Post) -> None:
        self._index = index
        self._post = post
        self._readers = ReaderPool(path, post, _READERS)
        self._searchers = ReaderPool(path, post, _SEARCHERS)

    @property
    def damaged(self) -> int:
        """How many reads met damage in the file."""
        return self._readers.damaged + self._searchers.damaged

    def read(self, query: Query[Result], head: int, on_result: OnResult[Result]) -> None:
        """Answer a query in another thread.

        Args:
            query: the query.
            head: a search must find messages up to this ``seq``.
            on_result: called in the owner's thread.
        """
        if isinstance(query, SearchQuery):
            self._search(query, head, on_result)
        else:
            read = _READS[type(query)]
            self._readers.submit(query.user, lambda connection: read(connection, query), on_result)

    def _search(self, query: SearchQuery, head: int, on_result: OnResult[Any]) -> None:
        try:
            expression = tokenizer.parse(query.words)
        except InputError as error:
            self._post(on_result, None, error)
            return
        if self._searchers.waiting(query.user) >= _MAX_SEARCHES:
            self._post(on_result, None, StoreError(TOO_MANY))
            return
        deadline = time.monotonic() + _SEARCH_TIMEOUT
        find = partial(search, index=self._index, query=query, expression=expression, head=head, deadline=deadline)
        self._searchers.submit(query.user, find, on_result)

    def close(self, *, wait: bool) -> None:
        """Interrupt what is being read, and close the files if the threads can be waited for."""
        self._searchers.close(wait=wait)
        self._readers.close(wait=wait)
