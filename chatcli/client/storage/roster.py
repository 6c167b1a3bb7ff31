"""The roster of people and rooms that the user's commands have come across, for the shell to complete.

Plain text, a line for each, its fields separated by tabs: ``@bob``, then ``here``, ``away`` or ``gone``, and the time
of that in seconds since 1970; ``#ops``, and the time when it was last seen. Names contain neither of these signs nor
tabs. The most recent are last; surplus lines are removed at the front.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.client.storage import cache

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address

KIND: Final = "roster"
MAX_PEOPLE: Final = 300  # read and written in a millisecond or two
MAX_ROOMS: Final = 200
_STATES: Final = ("here", "away", "gone")
_PERSON: Final = "@"
ROOM: Final = "#"
_ASKED: Final = "asked"  # the line with the time when the server was last asked for everything
_STALE: Final = 300  # seconds after which it is asked again
_NEVER: Final = frozenset(" ,:@")  # in no name, as unprintable characters
_SAME: Final = 60  # seconds for which an unchanged state is not written again


class Known(NamedTuple):
    """A person or a room: ``state`` is empty if it is unknown, ``at`` is in seconds since 1970."""

    name: str
    state: str
    at: int


class Roster:
    """The people and rooms that are known at one server.

    Attributes:
        changed: whether the roster differs from the text that it was read from.
    """

    def __init__(self, text: str = "") -> None:
        self.changed = False
        self._asked = 0
        self._people: dict[str, Known] = {}
        self._rooms: dict[str, Known] = {}
        for line in text.split("\n"):
            self._parse(line)

    @property
    def asked(self) -> int:
        """The time when the server was last asked for everyone and every room, in seconds since 1970."""
        return self._asked

    def people(self) -> list[Known]:
        """Return the people, the most recent first."""
        return list(reversed(self._people.values()))

    def rooms(self) -> list[Known]:
        """Return the rooms, the most recent first."""
        return list(reversed(self._rooms.values()))

    def add_person(self, name: str, state: str = "", at: int | None = None) -> None:
        """Add a person, or update their state if it is known."""
        before = self._people.get(_key(name))
        now = int(time.time()) if at is None else at
        if before is None:
            if _is_sound(name) and not name.startswith(ROOM):
                self._put(self._people, Known(name, state, now if state else 0), MAX_PEOPLE)
        elif state and (before.state != state or now - before.at > _SAME):
            self._put(self._people, Known(name, state, now), MAX_PEOPLE)

    def add_room(self, room: str) -> None:
        """Add a room, or update the time when it was last seen."""
        now = int(time.time())
        before = self._rooms.get(_key(room))
        if _is_sound(room) and room.startswith(ROOM) and (before is None or now - before.at > _SAME):
            self._put(self._rooms, Known(room, "", now), MAX_ROOMS)

    def set_present(self, names: Iterable[str]) -> None:
        """Set the state of all others to ``gone``."""
        here = set(map(_key, names))
        for key, known in self._people.items():
            if key not in here and known.state != "gone":
                self._people[key] = known._replace(state="gone")
                self.changed = True

    def forget(self, name: str) -> None:
        """Remove a person or a room that does not exist."""
        known = (self._rooms if name.startswith(ROOM) else self._people).pop(_key(name), None)
        self.changed = self.changed or known is not None

    def set_asked(self) -> None:
        """Record that the server was asked for everyone and every room just now."""
        self._asked = int(time.time())
        self.changed = True

    def text(self) -> str:
        """Return the text to store."""
        people = (f"{_PERSON}{name}\t{state}\t{at}\n" for name, state, at in self._people.values())
        rooms = (f"{name}\t\t{at}\n" for name, _, at in self._rooms.values())
        return f"{_ASKED}\t\t{self._asked}\n" + "".join(people) + "".join(rooms)

    def _parse(self, line: str) -> None:
        """Read a line, unless it is not valid."""
        name, _, rest = line.partition("\t")
        state, _, digits = rest.partition("\t")
        at = int(digits) if digits.isdecimal() and len(digits) < 16 else 0  # no time is longer
        if name == _ASKED:
            self._asked = at
        elif name.startswith(_PERSON) and _is_sound(name[1:]):
            self._people[_key(name[1:])] = Known(name[1:], state if state in _STATES else "", at)
        elif name.startswith(ROOM) and _is_sound(name):
            self._rooms[_key(name)] = Known(name, "", at)

    def _put(self, where: dict[str, Known], known: Known, most: int) -> None:
        self.changed = True
        key = _key(known.name)
        where.pop(key, None)
        where[key] = known
        while len(where) > most:
            del where[next(iter(where))]


def load(server: Address, user: str) -> Roster:
    """Return the roster of a user at a server; empty if there is none."""
    return Roster(cache.read(KIND, server, user))


def is_stale(server: Address, user: str) -> bool:
    """Return whether the server should be asked for everything again."""
    word, _, at = cache.read(KIND, server, user).partition("\n")[0].partition("\t\t")
    asked = int(at) if word == _ASKED and at.isdecimal() and len(at) < 16 else 0
    return not 0 <= time.time() - asked < _STALE


def update(server: Address, user: str, change: Callable[[Roster], None]) -> None:
    """Change the stored roster, if that is possible."""

    def changed(text: str) -> str:
        roster = Roster(text)
        change(roster)
        return roster.text() if roster.changed or not text else text

    cache.update(KIND, server, user, changed)


def _key(name: str) -> str:
    """Return the key of a registered name. ``names.fold`` would be exact, but its tables would be felt at each Tab."""
    return name.casefold()


def _is_sound(name: str) -> bool:
    """Return whether this can be a name, and is harmless on a terminal."""
    return name.isprintable() and _NEVER.isdisjoint(name) and name.strip(ROOM) != ""
