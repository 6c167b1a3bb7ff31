"""The people and the rooms that the user's commands have come across, for the shell to complete.

Plain text, a line for each, with tabs in between: ``@bob``, ``here``, ``away`` or ``gone``, and when that was
so, in seconds since 1970; ``#ops`` and when it was last heard of. Names have neither signs nor blanks of that kind in
them. The most recent stand last, and what is too much goes from the front.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.client.storage import cache

if TYPE_CHECKING:
    from chatcli.protocol.address import Address

KIND: Final = "roster"
MAX_PEOPLE: Final = 300  # as many as are read and written in a millisecond or two
MAX_ROOMS: Final = 200
_STATES: Final = ("here", "away", "gone")
_PERSON: Final = "@"
ROOM: Final = "#"
_ASKED: Final = "asked"  # the line that says when the server was last asked for everything
_STALE: Final = 300  # seconds after which it is asked again
_NEVER: Final = frozenset(" ,:@")  # in a name; what is not printable neither
_SAME: Final = 60  # seconds for which it is not written again that someone is where they were


class Known(NamedTuple):
    """A room, or someone; ``state`` is empty where it is not known, and ``at`` in seconds since 1970."""

    name: str
    state: str
    at: int


class Roster:
    """Who and what is known at one server.

    Attributes:
        changed: something is other than in the text.
    """

    def __init__(self, text: str = "") -> None:
        self.changed = False
        self._asked = 0
        self._people: dict[str, Known] = {}
        self._rooms: dict[str, Known] = {}
        for line in text.split("\n"):
            self._take(line)

    @property
    def asked(self) -> int:
        """When the server was last asked for everyone and every room, in seconds since 1970."""
        return self._asked

    def people(self) -> list[Known]:
        """Return the people, the most recent first."""
        return list(reversed(self._people.values()))

    def rooms(self) -> list[Known]:
        """Return the rooms, the most recent first."""
        return list(reversed(self._rooms.values()))

    def saw(self, name: str, state: str = "", at: int | None = None) -> None:
        """Note that there is someone, and where they are if that is known."""
        before = self._people.get(_key(name))
        now = int(time.time()) if at is None else at
        if before is None:
            if _is_sound(name) and not name.startswith(ROOM):
                self._put(self._people, Known(name, state, now if state else 0), MAX_PEOPLE)
        elif state and (before.state != state or now - before.at > _SAME):
            self._put(self._people, Known(name, state, now), MAX_PEOPLE)

    def heard_of(self, room: str) -> None:
        """Note that there is a room."""
        now = int(time.time())
        before = self._rooms.get(_key(room))
        if _is_sound(room) and room.startswith(ROOM) and (before is None or now - before.at > _SAME):
            self._put(self._rooms, Known(room, "", now), MAX_ROOMS)

    def everyone_here(self, names: Iterable[str]) -> None:
        """Note that nobody else is here."""
        here = set(map(_key, names))
        for key, known in self._people.items():
            if key not in here and known.state != "gone":
                self._people[key] = known._replace(state="gone")
                self.changed = True

    def forget(self, name: str) -> None:
        """Note that there is no such person or room."""
        known = (self._rooms if name.startswith(ROOM) else self._people).pop(_key(name), None)
        self.changed = self.changed or known is not None

    def was_asked(self) -> None:
        """Note that the server was asked for everyone and every room just now."""
        self._asked = int(time.time())
        self.changed = True

    def text(self) -> str:
        """Return what is to be kept."""
        people = (f"{_PERSON}{name}\t{state}\t{at}\n" for name, state, at in self._people.values())
        rooms = (f"{name}\t\t{at}\n" for name, _, at in self._rooms.values())
        return f"{_ASKED}\t\t{self._asked}\n" + "".join(people) + "".join(rooms)

    def _take(self, line: str) -> None:
        """Read a line; pass over what is not one of ours."""
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
    """Return what is known there; nothing where nothing was kept."""
    return Roster(cache.read(KIND, server, user))


def is_stale(server: Address, user: str) -> bool:
    """Return whether the server should be asked for everything again."""
    word, _, at = cache.read(KIND, server, user).partition("\n")[0].partition("\t\t")
    asked = int(at) if word == _ASKED and at.isdecimal() and len(at) < 16 else 0
    return not 0 <= time.time() - asked < _STALE


def note(server: Address, user: str, change: Callable[[Roster], None]) -> None:
    """Change what is kept; nothing is raised where that cannot be done."""

    def changed(text: str) -> str:
        roster = Roster(text)
        change(roster)
        return roster.text() if roster.changed or not text else text

    cache.update(KIND, server, user, changed)


def _key(name: str) -> str:
    """Return what a name is known by; not ``folded``, whose tables would be felt at each Tab, for names as owned."""
    return name.casefold()


def _is_sound(name: str) -> bool:
    """Return whether this can be a name, and does no harm where it is shown."""
    return name.isprintable() and _NEVER.isdisjoint(name) and name.strip(ROOM) != ""
