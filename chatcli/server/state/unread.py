"""Counts what is unread, for one user once at a time: whoever asks meanwhile, on any connection, shares the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatcli.errors import ChatError
    from chatcli.store.queries import OnResult, Unread, UnreadQuery

    Read = Callable[[UnreadQuery, OnResult[list[Unread]]], None]


class Counting:
    """Who waits for a count; one may take half a second of the log's time."""

    def __init__(self) -> None:
        self._waiting: dict[
            int, list[tuple[UnreadQuery, OnResult[list[Unread]]]]
        ] = {}  # by user, while one is counted for

    def count(self, read: Read, query: UnreadQuery, done: OnResult[list[Unread]]) -> None:
        """Have it counted, after what is being counted for the same user: that may be older than what was just said.

        Args:
            read: asks the log.
            query: what for.
            done: called with the counts, or with what is wrong with the log.
        """
        if query.user in self._waiting:
            self._waiting[query.user].append((query, done))
        else:
            self._waiting[query.user] = []
            self._start(read, query, [done])

    def _start(self, read: Read, query: UnreadQuery, sharing: list[OnResult[list[Unread]]]) -> None:
        def told(found: list[Unread] | None, error: ChatError | None) -> None:
            waiting = self._waiting.pop(query.user)
            if waiting:
                following = waiting[0][0]
                self._waiting[query.user] = [one for one in waiting if one[0] != following]
                self._start(read, following, [done for wanted, done in waiting if wanted == following])
            for done in sharing:
                done(found, error)

        read(query, told)
