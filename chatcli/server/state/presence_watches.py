"""The people whose presence a client has asked for one by one: it gets notices about the last few of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatcli.server.model import Connection

WATCHED: Final = 20  # people, for each connection


class PresenceWatches:
    """The watched people, by the folded names that they have, or may have one day."""

    def __init__(self) -> None:
        self._watched: dict[Connection, dict[str, None]] = {}  # the person who was asked about last at the end
        self._watching: dict[str, dict[Connection, None]] = {}

    def add(self, session: Connection, key: str) -> None:
        """Record that a connection has asked about a person; the one of the longest time ago is dropped for that."""
        watched = self._watched.setdefault(session, {})
        watched.pop(key, None)
        watched[key] = None
        self._watching.setdefault(key, {})[session] = None
        if len(watched) > WATCHED:
            oldest = next(iter(watched))
            del watched[oldest]
            self._drop(session, oldest)

    def forget(self, session: Connection) -> None:
        """Forget a connection that has ended."""
        for key in self._watched.pop(session, ()):
            self._drop(session, key)

    def watching(self, key: str) -> Collection[Connection]:
        """Return the connections that get notices about a person."""
        return self._watching.get(key, ())

    def _drop(self, session: Connection, key: str) -> None:
        watching = self._watching[key]
        del watching[session]
        if not watching:
            del self._watching[key]
