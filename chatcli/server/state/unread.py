"""UnreadCounter of unread messages: one count at a time for each user, shared by all their connections that ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatcli.errors import ChatError
    from chatcli.store.queries import OnResult, Unread, UnreadQuery

    Read = Callable[[UnreadQuery, OnResult[list[Unread]]], None]
    Waiting = tuple[UnreadQuery, OnResult[list[Unread]]]


class UnreadCounter:
    """Runs counts, each of which may keep a reader of the log busy for half a second."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Waiting]] = {}  # by the id of a user for whom a count is running

    def count(self, read: Read, query: UnreadQuery, on_result: OnResult[list[Unread]]) -> None:
        """Count unread messages, after the count that is running for the same user, which may miss the newest.

        Args:
            read: reads from the log.
            query: describes the count.
            on_result: called with the counts, or with the error of the log.
        """
        if query.user in self._waiting:
            self._waiting[query.user].append((query, on_result))
        else:
            self._waiting[query.user] = []
            self._start(read, query, [on_result])

    def _start(self, read: Read, query: UnreadQuery, sharing: list[OnResult[list[Unread]]]) -> None:
        def counted(found: list[Unread] | None, error: ChatError | None) -> None:
            waiting = self._waiting.pop(query.user)
            if waiting:
                following = waiting[0][0]
                self._waiting[query.user] = [one for one in waiting if one[0] != following]
                self._start(read, following, [on_result for wanted, on_result in waiting if wanted == following])
            for on_result in sharing:
                on_result(found, error)

        read(query, counted)
