"""The people and the rooms that the user knows of, and how their names are written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from chatcli.client.chat.conversations import Conversations
from chatcli.client.chat.presence import Nearby
from chatcli.protocol.names import fold, is_room

_PARTNERS: Final = 500  # people
_SEEN: Final = 2000  # people
_MEMBERS: Final = 1000  # of one room
_SHORT: Final = 3  # letters: in a shorter name, every other one is but a slip of the finger away


class Circle:
    """Who and what the user may mean.

    Attributes:
        user: the user's own name.
        nearby: who is here.
        known: the people who were talked with, the most recent last.
        rooms: those that the user belongs to, by folded name.
        other_rooms: those that the user has heard of or is invited to, by folded name.
        members: who is known to belong to a room, by the folded names of the room and of the person.
        conversations: those that the user has.
    """

    def __init__(self, user: str) -> None:
        self.user = user
        self.nearby = Nearby()
        self.known: dict[str, None] = {}
        self.rooms: dict[str, str] = {}
        self.other_rooms: dict[str, str] = {}
        self.members: dict[str, dict[str, str]] = {}
        self.conversations = Conversations()
        self._seen: dict[str, str] = {}  # people as they write themselves, by folded name, the latest last

    def knows(self, name: str) -> bool:
        """Return whether there is such a person or room, as far as the user can know."""
        key = fold(name)
        if is_room(name):
            return key in self.rooms or key in self.other_rooms
        return key in self._seen or key in map(fold, (*self.nearby.here, *self.known, self.user))

    def names(self) -> list[str]:
        """Return the people who have been seen, the latest first."""
        return list(reversed(self._seen.values()))

    def as_written(self, name: str) -> str:
        """Return a name as its owner spells it, where that is known."""
        key = fold(name)
        if is_room(name):
            return self.rooms.get(key) or self.other_rooms.get(key, name)
        here = next((one for one in self.nearby.here if fold(one) == key), None)
        return here or self._seen.get(key, name)

    def resembling(self, name: str) -> str:
        """Return the known person whose name differs from this one by a slip of the finger; empty if there is none."""
        key = fold(name)
        if len(key) < _SHORT:
            return ""
        names = {fold(one): one for one in (*self._seen.values(), *self.nearby.here, *self.known)}
        return next((one for other, one in names.items() if _is_slip(key, other)), "")

    def saw(self, *names: str) -> None:
        """Note that there are such people."""
        for name in names:
            key = fold(name)
            self._seen.pop(key, None)
            self._seen[key] = name
            if len(self._seen) > _SEEN:
                del self._seen[next(iter(self._seen))]

    def talked_in(self, of: str) -> None:
        """Note that something was said in a conversation of the user's."""
        if is_room(of):
            return
        self.known.pop(of, None)
        self.known[of] = None
        if len(self.known) > _PARTNERS:
            del self.known[next(iter(self.known))]

    def is_nobody(self, name: str) -> None:
        """Note that there is no such person or room."""
        self._seen.pop(fold(name), None)
        for known in [known for known in self.known if fold(known) == fold(name)]:
            del self.known[known]
        self.conversations.forget(name)

    def concerns(self, name: str) -> bool:
        """Return whether the user wants to know of this person's coming and going."""
        here = self.members.get(fold(self.conversations.current), {})
        return name != self.user and (name in self.known or fold(name) in here)

    def entered(self, room: str) -> bool:
        """Note that the user belongs to a room; return whether they did before."""
        key = fold(room)
        known = key in self.rooms
        self.rooms[key] = room
        self.other_rooms.pop(key, None)
        return known

    def out_of(self, room: str) -> None:
        """Note that the user does not belong to a room any more."""
        self.rooms.pop(fold(room), None)
        self.members.pop(fold(room), None)
        self.conversations.forget(room)

    def belongs(self, name: str, room: str) -> None:
        """Note that someone belongs to a room, as far as its members are known."""
        members = self.members.get(fold(room))
        if members is not None and len(members) < _MEMBERS:
            members[fold(name)] = name

    def belongs_no_more(self, name: str, room: str) -> None:
        """Note that someone does not belong to a room any more."""
        self.members.get(fold(room), {}).pop(fold(name), None)


def by_name(names: Iterable[str]) -> dict[str, str]:
    """Return names as they are written, by folded name."""
    return {fold(name): name for name in names}


def _is_slip(one: str, other: str) -> bool:
    """Return whether two names differ by one letter: put in, left out, changed, or in its neighbour's place."""
    if len(one) > len(other):
        one, other = other, one
    if one == other or len(other) - len(one) > 1:
        return False
    start = next((at for at in range(len(one)) if one[at] != other[at]), len(one))
    one, other = one[start:], other[start:]
    if len(one) < len(other):
        return one == other[1:]
    return one[1:] == other[1:] or (one[:2] == other[1::-1] and one[2:] == other[2:])
