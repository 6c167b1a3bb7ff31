"""The list of rooms that everyone may see, ordered by name, so that a page is found without a look at all rooms."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatcli.server.model import Room

_key: Final = attrgetter("key")


class RoomList:
    """Rooms, ordered by folded name."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._rooms: dict[str, Room] = {}

    def add(self, room: Room) -> None:
        """Add a room, unless it is in the list."""
        if room.key not in self._rooms:
            insort(self._keys, room.key)
            self._rooms[room.key] = room

    def discard(self, room: Room) -> None:
        """Remove a room, if it is in the list."""
        if self._rooms.pop(room.key, None) is not None:
            del self._keys[bisect_left(self._keys, room.key)]

    def page(self, others: Iterable[Room], after: str, most: int) -> list[Room]:
        """Return at most ``most`` rooms, from the list and from others, whose folded names follow ``after``."""
        start = bisect_right(self._keys, after)
        listed = (self._rooms[key] for key in self._keys[start : start + most])
        beside = sorted((room for room in others if room.key > after), key=_key)
        return list(islice(heapq.merge(listed, beside, key=_key), most))
