"""The rooms that everyone may see, in the order of their names: a page of them is found without going through all."""

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
    """Rooms, by name."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._rooms: dict[str, Room] = {}

    def add(self, room: Room) -> None:
        """Put a room into the list, unless it is there."""
        if room.key not in self._rooms:
            insort(self._keys, room.key)
            self._rooms[room.key] = room

    def discard(self, room: Room) -> None:
        """Take a room out of the list."""
        if self._rooms.pop(room.key, None) is not None:
            del self._keys[bisect_left(self._keys, room.key)]

    def page(self, others: Iterable[Room], after: str, most: int) -> list[Room]:
        """Return so many rooms, of these and of others, whose names come behind one."""
        start = bisect_right(self._keys, after)
        listed = (self._rooms[key] for key in self._keys[start : start + most])
        beside = sorted((room for room in others if room.key > after), key=_key)
        return list(islice(heapq.merge(listed, beside, key=_key), most))
