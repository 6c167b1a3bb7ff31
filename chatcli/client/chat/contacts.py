"""The people and the rooms that the user knows of: the spelling of names, presence, and members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from chatcli.client.chat.conversations import Conversations
from chatcli.client.chat.events import Event, Notice
from chatcli.client.chat.phrases import listed
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line

_PARTNERS: Final = 500  # people
_PEOPLE: Final = 2000
_MEMBERS: Final = 1000  # of one room
_SHORT: Final = 3  # letters: in a shorter name, every other one is but a slip of the finger away


class Presence:
    """The presence of the people about whom the server reports: contacts, and members of the user's rooms.

    Of everybody else nothing is known: not that they are gone, either.

    Attributes:
        here: the people who are in the chat.
        away: the messages of those of them who are away from the keyboard.
        gone: the people who are known not to be in the chat.
    """

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.away: dict[str, str] = {}
        self.gone: set[str] = set()
        self._expected: set[str] = set()  # those who were here before the connection broke

    def reconnected(self) -> None:
        """Start on a new connection: the people who were here may come back one by one."""
        self._expected = set(self.here)
        self.gone.clear()

    def where(self, name: str) -> f.Where | None:
        """Return the presence of a person; None if it is not known."""
        if name in self.away:
            return "away"
        return "here" if name in self.here else "gone" if name in self.gone else None

    def replace(self, people: Iterable[f.Person], whole: bool, reported: Iterable[str]) -> None:
        """Replace everything known by a list of people who are here.

        Args:
            people: these people.
            whole: whether nobody else is here.
            reported: the people of whom the server reports when they come.
        """
        people = list(people)
        self.here = {person.user for person in people}
        self.away = {person.user: person.text for person in people if person.state == "away"}
        self.gone = {*self.gone, *(reported if whole else ())} - self.here

    def locate(self, person: f.Person) -> None:
        """Record where a person is."""
        now, before = (self.gone, self.here) if person.state == "gone" else (self.here, self.gone)
        now.add(person.user)
        before.discard(person.user)
        self.away.pop(person.user, None)
        if person.state == "away":
            self.away[person.user] = person.text

    def update(self, frame: f.Presence, is_reported: Callable[[str], bool]) -> list[Event]:
        """Record who came and went; return the events.

        Args:
            frame: what the server reports.
            is_reported: whether the user is shown that a person comes and goes.
        """
        expected, self._expected = self._expected, self._expected - set(frame.here)
        came = [name for name in frame.here if name not in self.here | expected]
        back = [name for name in frame.here if name in self.here & self.away.keys()]
        left = [person for person in frame.away if self.away.get(person.user) != person.text]
        self.here.update(frame.here, (person.user for person in frame.away))
        self.here.difference_update(frame.gone)
        self.gone = (self.gone | {*frame.gone}) - self.here
        for name in (*frame.here, *frame.gone):
            self.away.pop(name, None)
        self.away.update((person.user, person.text) for person in frame.away)
        groups = ((came, "joined"), (frame.gone, "left"), (back, "back"))
        shown = [(others, verb) for names, verb in groups if (others := list(filter(is_reported, names)))]
        return [
            *(Notice(f"{listed(names)} {_verb(names, verb)}") for names, verb in shown),
            *(
                Notice(f"{printable_line(person.user)} is away{_reason(person)}")
                for person in left
                if is_reported(person.user)
            ),
        ]


class _Members:
    """The members of a room that the server has listed.

    Attributes:
        names: as written, by folded name; of those who only wrote in the room, too.
        here: whether a member is here, by folded name; None where the server has not named all of them on this
            connection.
        count: the number of members of a room that has too many to name; None for any other.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.here: dict[str, bool] | None = None
        self.count: int | None = None


class Contacts:
    """The people and rooms that the user may mean.

    Args:
        user: the user's own name.
        conversations: those that the user has.

    Attributes:
        presence: who is here.
        partners: the people whom the user has talked with, the most recent last.
        rooms: those that the user belongs to, by folded name.
        other_rooms: those that the user has heard of or is invited to, by folded name.
    """

    def __init__(self, user: str, conversations: Conversations) -> None:
        self.user = user
        self.conversations = conversations
        self.presence = Presence()
        self.partners: dict[str, None] = {}
        self.rooms: dict[str, str] = {}
        self.other_rooms: dict[str, str] = {}
        self._people: dict[str, str] = {}  # as they write themselves, by folded name, the latest last
        self._members: dict[str, _Members] = {}  # by folded room

    def reconnected(self) -> None:
        """Start on a new connection: nobody has reported who came and went meanwhile."""
        self.presence.reconnected()
        for members in self._members.values():
            members.here = members.count = None

    # Names

    def is_known(self, name: str) -> bool:
        """Return whether a person or room is known to the user."""
        key = fold(name)
        if is_room(name):
            return key in self.rooms or key in self.other_rooms
        return key in self._people or key in map(fold, (*self.presence.here, *self.partners, self.user))

    def names(self) -> list[str]:
        """Return the people who have been seen, the latest first."""
        return list(reversed(self._people.values()))

    def spelling(self, name: str) -> str:
        """Return a name as its owner spells it, or as it is given if that is not known."""
        key = fold(name)
        if is_room(name):
            return self.rooms.get(key) or self.other_rooms.get(key, name)
        here = next((one for one in self.presence.here if fold(one) == key), None)
        return here or self._people.get(key, name)

    def resembling(self, name: str) -> str:
        """Return a known person whose name is one typing mistake away from this one; empty if there is none."""
        from rapidfuzz.distance import OSA  # noqa: PLC0415 (nobody may ever misspell a name)

        key = fold(name)
        if len(key) < _SHORT:
            return ""
        names = {fold(one): one for one in (*self._people.values(), *self.presence.here, *self.partners)}
        return next((one for other, one in names.items() if OSA.distance(key, other, score_cutoff=1) == 1), "")

    # People

    def add_people(self, *names: str) -> None:
        """Record that there are such people."""
        for name in names:
            key = fold(name)
            self._people.pop(key, None)
            self._people[key] = name
            if len(self._people) > _PEOPLE:
                del self._people[next(iter(self._people))]

    def add_partner(self, name: str) -> None:
        """Record that something was said in a conversation; it counts if it is one with a person."""
        if is_room(name):
            return
        self.partners.pop(name, None)
        self.partners[name] = None
        if len(self.partners) > _PARTNERS:
            del self.partners[next(iter(self.partners))]

    def forget(self, name: str) -> None:
        """Record that there is no such person or room."""
        self._people.pop(fold(name), None)
        for partner in [partner for partner in self.partners if fold(partner) == fold(name)]:
            del self.partners[partner]
        self.conversations.forget(name)

    def update_presence(self, frame: f.Presence) -> list[Event]:
        """Record who came and went; return the events."""
        self.add_people(*frame.here, *(person.user for person in frame.away))
        here = {fold(name) for name in (*frame.here, *(person.user for person in frame.away))}
        gone = set(map(fold, frame.gone))
        for members in self._members.values():
            for key in members.here or ():
                if key in here | gone:
                    members.here[key] = key not in gone  # type: ignore[index] # which has that key
        return self.presence.update(frame, self._is_reported)

    def _is_reported(self, name: str) -> bool:
        """Return whether the user is shown that a person comes and goes."""
        is_open = self.conversations.is_current(name)
        here = self.members(self.conversations.current)
        return name != self.user and (is_open or name in self.partners or fold(name) in here)

    @property
    def is_away(self) -> bool:
        """Whether the user is away from the keyboard, for all that others are told."""
        return self.presence.where(self.user) == "away"

    def set_away(self, text: str | None) -> None:
        """Record that the user is away, with the text that others are shown, or back if it is None."""
        state: f.Where = "here" if text is None else "away"
        self.presence.locate(f.Person(self.user, 0, state, text or ""))

    # Rooms

    def enter(self, room: str) -> bool:
        """Record that the user belongs to a room; return whether they did before."""
        key = fold(room)
        known = key in self.rooms
        self.rooms[key] = room
        self.other_rooms.pop(key, None)
        return known

    def leave(self, room: str) -> None:
        """Record that the user does not belong to a room any more."""
        self.rooms.pop(fold(room), None)
        self._members.pop(fold(room), None)
        self.conversations.forget(room)

    def list_people(self, frame: f.People) -> None:
        """Record a list of the people who are here, of the members of a room, or where one person is."""
        names = [person.user for person in frame.people]
        self.add_people(*names)
        if not frame.to:
            self.presence.replace(frame.people, frame.count <= len(names), self.partners)
            return
        if not is_room(frame.to):
            for person in frame.people:
                self.presence.locate(person)
            return
        members = self._members.setdefault(fold(frame.to), _Members())
        members.names = by_name(names)
        if frame.count > len(names):
            members.count = frame.count
        else:
            members.here = {fold(person.user): person.state != "gone" for person in frame.people}
            for person in frame.people if fold(frame.to) in self.rooms else ():  # the server reports when they move
                self.presence.locate(person)

    def add_member(self, name: str, room: str, *, entered: bool = False) -> None:
        """Record that someone belongs to a room whose members were listed.

        Args:
            name: the person.
            room: the room.
            entered: whether they have entered it just now, and so are here.
        """
        members = self._members.get(fold(room))
        if members is None or len(members.names) >= _MEMBERS:
            return
        members.names[fold(name)] = name
        if entered and members.here is not None:
            members.here[fold(name)] = True

    def remove_member(self, name: str, room: str) -> None:
        """Record that someone does not belong to a room any more."""
        members = self._members.get(fold(room))
        if members is not None:
            members.names.pop(fold(name), None)
            (members.here or {}).pop(fold(name), None)

    def members(self, room: str) -> Mapping[str, str]:
        """Return the known members of a room, by folded name."""
        members = self._members.get(fold(room))
        return {} if members is None else members.names

    def shared_rooms(self, name: str) -> list[str]:
        """Return the rooms that the user is known to share with a person."""
        return sorted(room for room in self.rooms.values() if fold(name) in self.members(room))

    def count_here(self, room: str) -> int | None:
        """Return the number of a room's members who are here, or None if it is not known."""
        members = self._members.get(fold(room))
        return None if members is None or members.here is None else sum(members.here.values())

    def count_members(self, room: str) -> int | None:
        """Return the number of members of a room that has too many to name, or None for any other room."""
        members = self._members.get(fold(room))
        return None if members is None else members.count


def by_name(names: Iterable[str]) -> dict[str, str]:
    """Return names as they are written, by folded name."""
    return {fold(name): name for name in names}


def _verb(names: list[str], verb: str) -> str:
    if verb != "back":
        return verb
    return "is back" if len(names) == 1 else "are back"


def _reason(person: f.Person) -> str:
    return f" ({printable_line(person.text)})" if person.text else ""
