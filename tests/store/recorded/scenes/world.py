"""The world of a stream: chance, a clock that only goes on, and hopes about what the log contains by now."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chatcli.store.batch import Entry
from chatcli.store.records import Record

Item = Record | Entry
#: A course of events: items in order; None waits for the next batch.
Scene = Iterator[Item | None]

BEGINNING: Final = 1_700_000_000_000  # milliseconds since 1970
LATEST: Final = 2**63 - 1  # of a time or a number that the log can store
NOBODY: Final = (77_777, 2**40)  # ids of no user
NOWHERE: Final = (-77_777, -(2**40))  # ids of no room
_SECOND: Final = 1000
_DAY: Final = 86_400_000
_PAUSES: Final = (0, 7, _SECOND, _SECOND, 60 * _SECOND, 3_600 * _SECOND, _DAY, 5 * _DAY)
_KEPT: Final = 400  # messages that may be sent again

# Some look like others: the tables of Unicode are for the origin to know, here "o" and "0" are enough.
_NAMES: Final = (
    *("Ann", "ANN", "Bob", "B0b", "bo8", "bob", "Carol", "Car0l", "Otto", "0tto", "ott0", "Dora", "D0ra", "o", "0"),
    *("Жанна", "ЖАННА", "李雷", "Ωmega", "Zoë", "tom", "t0m", "x", "łódź", "deploy", "depl0y", "bot", "b0t", "🦊fox"),
    *("eve", "Frank", "gr0g", "grog", "Heidi", "ivan", "Judy", "m" * 32, "niaj", "Oscar", "0scar", "Peggy", "Rupert"),
)
_PLACES: Final = (
    *("#ops", "#0ps", "#Ops", "#lobby", "#l0bby", "#日本", "#secret", "#pets", "#dev", "#DEV", "#d", "#o", "#0"),
)
_WORDS: Final = (
    *("", "hi", "deploy?", "Łódź", "日本語", "🎉🎉", "a\nb", "\0", "'); DROP TABLE users; --", "שלום", "e\u0301"),
)


class Person(NamedTuple):
    """A user whom a claim was to make."""

    id: int
    name: str
    key: str
    look: str


class Place(NamedTuple):
    """A room that was to be made."""

    id: int
    name: str
    key: str
    look: str


def fold(name: str) -> str:
    """Return a name as compared."""
    return name.lower()


def look_of(name: str) -> str:
    """Return the skeleton of a name: two names of the same one look alike."""
    return fold(name).replace("0", "o").replace("8", "b")


class World:
    """Chance, time, and what the records so far were meant to do; the log may have refused any of them.

    Attributes:
        dice: the only source of chance.
        now: milliseconds since 1970-01-01 UTC.
        seq: the place of the newest message, about.
        owners: the present owner of each name, by folded name.
        keys: the keys that each user was to get.
        rooms: all rooms.
        members: the members of each room, in no order.
        tokens: the digests of tokens, and the user of each.
        sent: messages that were written lately.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = BEGINNING
        self.seq = 0
        self.owners: dict[str, Person] = {}
        self.keys: dict[int, list[bytes]] = {}
        self.rooms: list[Place] = []
        self.members: defaultdict[int, list[int]] = defaultdict(list)
        self.tokens: list[tuple[bytes, int]] = []
        self.sent: list[Entry] = []
        self._users = self._rooms = self._secrets = 0

    def pass_time(self) -> None:
        """Let time pass, a moment or some days."""
        self.now += self.dice.choice(_PAUSES)

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self.dice.random() < probability

    def secret(self) -> bytes:
        """Return a new key or digest; it need not be a secret from anyone, and is shorter in a compressed file."""
        self._secrets += 1
        return self._secrets.to_bytes(32, "big")

    def person(self) -> Person:
        """Return someone new, who would like some name."""
        self._users += 1
        name = self.dice.choice(_NAMES)
        return Person(self._users, name, fold(name), look_of(name))

    def stranger(self) -> Person:
        """Return someone new, who would like a name that nobody has."""
        person = self.person()
        if not self.is_free(person):
            name = f"{person.name[:24]}-{person.id}"
            person = Person(person.id, name, fold(name), look_of(name))
        return person

    def is_free(self, person: Person) -> bool:
        """Return whether nobody has a name, or one that looks like it."""
        return all(person.look not in (other.look, other.key) for other in self.owners.values())

    def place(self) -> Place:
        """Return a new room of some name."""
        self._rooms -= 1
        name = self.dice.choice(_PLACES) + ("" if self.chance(0.5) else str(-self._rooms))
        return Place(self._rooms, name, fold(name), look_of(name))

    def add_place(self, place: Place, user: int) -> None:
        """Hope that a room is made."""
        if all(place.look != other.look for other in self.rooms):
            self.rooms.append(place)
            self.members[place.id].append(user)

    def owner(self) -> Person:
        """Return someone who has a name, or would like one if nobody has."""
        return self.dice.choice(list(self.owners.values()) or [self.person()])

    def user(self) -> int:
        """Return the id of someone who has a name; now and then of someone who had, or never will."""
        if not self.owners or self.chance(0.04):
            return self.dice.choice(NOBODY)
        if self.chance(0.04):
            return self.dice.randint(1, self._users)
        return self.owner().id

    def name_of(self, user: int) -> str:
        """Return the name of a user; nobody's if they have none."""
        return next((person.name for person in self.owners.values() if person.id == user), "nobody")

    def room(self) -> int:
        """Return the id of a room; now and then of one that does not exist."""
        if not self.rooms or self.chance(0.04):
            return self.dice.choice(NOWHERE)
        return self.dice.choice(self.rooms).id

    def member(self, room: int) -> int:
        """Return the id of a member of a room, or of anyone."""
        return self.dice.choice(self.members[room] or [self.user()])

    def key_of(self, user: int) -> bytes:
        """Return a key of a user; now and then one of nobody, or of somebody else."""
        somebody = self.dice.choice(list(self.keys))
        keys = self.keys.get(somebody if self.chance(0.1) else user)
        return self.secret() if not keys or self.chance(0.05) else self.dice.choice(keys)

    def until(self) -> int | None:
        """Return a time at which something ends, which may be over."""
        return self.dice.choice((None, None, self.now, self.now - 1, self.now + _DAY, 0, LATEST))

    def text(self) -> str:
        """Return the text of a message or a topic."""
        words: Sequence[str] = self.dice.choices(_WORDS, k=self.dice.choice((1, 1, 1, 3, 8)))
        return "\U0001f98a" * 4000 if self.chance(0.002) else " ".join(words)

    def message_id(self) -> bytes:
        """Return the id of a new message, mostly of version 7: these begin with the time."""
        tail = bytearray(self.dice.randbytes(10))
        if self.chance(0.2):
            return self.dice.randbytes(6) + bytes((0x40 | tail[0] & 0x0F, *tail[1:]))
        return (self.now & (1 << 48) - 1).to_bytes(6, "big") + bytes((0x70 | tail[0] & 0x0F, *tail[1:]))

    def remember(self, entry: Entry) -> None:
        """Keep a message, to send it again."""
        self.sent.append(entry)
        del self.sent[:-_KEPT]
