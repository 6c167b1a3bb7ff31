"""Presence: the users who are in the chat, lists of them, and notices of coming and going.

A notice goes to those who share a room with the user, unless the room is large, to those who have talked with the user
lately, and to clients that have asked about the user. So a server that starts again with thousands of users sends each
of them only a few names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, cast

from chatcli.errors import ChatError
from chatcli.protocol.codec import encode, raw
from chatcli.protocol.frames import People, Person
from chatcli.protocol.frames import Presence as PresenceFrame
from chatcli.server import slices
from chatcli.server.state.presence_watches import PresenceWatches
from chatcli.server.state.room_events import SMALL_ROOM
from chatcli.store.queries import ContactsQuery
from chatcli.store.records import Seen

if TYPE_CHECKING:
    from msgspec import Raw

    from chatcli.server.model import Connection, User
    from chatcli.server.state.users import Users
    from chatcli.server.throttle import Later
    from chatcli.store.interface import Log

_MOST_CONTACTS: Final = 50
_AT_ONCE: Final = 300  # users who are listed, or get a notice, in one tick of the loop
_SOONEST: Final = 0.05  # seconds
_BETWEEN: Final = 1000  # milliseconds between two notices about the same user
_NOTICES_A_SECOND: Final = 5_000  # to all sessions together: with many users, notices are rarer and longer

State = tuple[str, str]  # "here", "away" or "gone", and the text that a user has left for the time away


class _Change:
    """A change that others have yet to learn of.

    Attributes:
        name: the user's name then.
        key: the same, folded.
        before: the state that others know of.
        audience: the users who were to learn of it when the user left, and was still a member of rooms.
        told: those who have asked since then, and so may know another state than ``before``.
    """

    __slots__ = ("audience", "before", "key", "name", "told")

    def __init__(self, user: User, before: State) -> None:
        self.name = user.name
        self.key = user.key
        self.before = before
        self.audience: set[User] = set()
        self.told: set[User] = set()


class Presence:
    """The users with an open ``join``.

    Args:
        log: knows who has talked with whom.
        users: all users.
        later: runs a callable after a number of seconds.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(self, log: Log, users: Users, later: Later, clock: Callable[[], int]) -> None:
        self._log = log
        self._users = users
        self._later = later
        self._clock = clock
        self._here: dict[int, User] = {}
        self._changed: dict[User, _Change] = {}
        self._scheduled = False
        self._watches = PresenceWatches()
        self._recent: dict[User, int] = {}  # the times of notices within the last second

    @property
    def count(self) -> int:
        """The number of users who are here."""
        return len(self._here)

    def users(self) -> Collection[User]:
        """Return the users who are here."""
        return self._here.values()

    def is_here(self, user: User) -> bool:
        """Return whether a user is here."""
        return user.id in self._here

    def apply(self, seen: Seen) -> None:
        """Follow the time at which a user was last connected, which the log has."""
        user = self._users.get(seen.user)
        if user is not None and not self.is_here(user):
            user.since = max(user.since, seen.at)

    def join(self, user: User) -> None:
        """Record that a user is here, if that is new."""
        if self.is_here(user):
            return
        self._prepare_change(user)
        self._here[user.id] = user
        user.since = self._clock()
        for room in user.rooms:
            room.here.add(user)
        if user.contacts is None:
            self._load_contacts(user)

    def _load_contacts(self, user: User) -> None:
        user.contacts = {}

        def loaded(identities: list[int] | None, _error: ChatError | None) -> None:
            # If the log cannot be read, the user has only the contacts of this session.
            found = [self._users.get(identity) for identity in reversed(identities or ())]
            since = user.contacts or {}
            user.contacts = dict.fromkeys([*(one for one in found if one is not None and one not in since), *since])
            _trim(user.contacts)
            if self.is_here(user):
                self._notify_contacts(user)

        self._log.read(ContactsQuery(user=user.id, limit=_MOST_CONTACTS), loaded)

    def add_contact(self, one: User, other: User) -> None:
        """Record that two users have talked: from now on each gets notices about the other."""
        _add_latest(one.contacts, other)
        _add_latest(other.contacts, one)

    def leave(self, user: User) -> None:
        """Record that a user is gone, if they were here."""
        if not self.is_here(user):
            return
        self._prepare_change(user)
        self._changed[user].audience |= self.audience(user)
        del self._here[user.id]
        for room in user.rooms:
            room.here.discard(user)
        user.away = None
        user.since = self._clock()
        self._log.append_change(Seen(user.id, user.since))  # in whichever batch comes next

    def set_away(self, user: User, text: str | None) -> None:
        """Record that a user is away from the keyboard, with the text they leave, or back if it is None."""
        self._prepare_change(user)
        user.away, user.away_since = text, self._clock()
        if len(user.joined) > 1:  # the user's other clients remind of it
            notice = PresenceFrame([], [], [])
            _add(notice, user.name, self.person(user))
            line = encode(notice)
            for session in user.joined:
                session.send_droppable(line)

    def set_idle(self, session: Connection, *, idle: bool) -> None:
        """Record that nobody has touched a user's open ``join`` for a while, or that somebody has again."""
        user = session.require_user()
        if (session in user.idle) != idle:
            others = {one: since for one, since in user.idle.items() if one is not session}
            user.idle = {**others, session: self._clock()} if idle else others

    def _prepare_change(self, user: User) -> None:
        self._changed.setdefault(user, _Change(user, self._state(user)))
        self._schedule(_SOONEST + len(self._here) / _NOTICES_A_SECOND)

    def _state(self, user: User) -> State:
        person = self.person(user)
        return person.state, person.text

    def person(self, user: User) -> Person:
        """Return a user's state, and since when it is so."""
        if not self.is_here(user):
            return Person(user.name, user.since, "gone")
        idle = max(user.idle.values()) if user.idle and all(one in user.idle for one in user.joined) else 0
        if user.away is not None:
            return Person(user.name, user.away_since, "away", user.away, idle)
        return Person(user.name, user.since, idle=idle)

    def audience(self, user: User) -> set[User]:
        """Return the users who are here and get notices about a user."""
        audience: set[User] = set()
        for room in user.rooms:
            if len(room.here) <= SMALL_ROOM:
                audience |= room.here
        audience.update(contact for contact in user.contacts or () if self.is_here(contact))
        audience.discard(user)
        return audience

    def watch(self, session: Connection, key: str, user: User | None) -> None:
        """Have a ``join`` that asks about a person get notices about them.

        Args:
            session: the connection that asks.
            key: the folded name of the person, which nobody may have yet.
            user: the person, unless nobody has the name.
        """
        asker = session.user
        if asker is None or session not in asker.joined:
            return
        self._watches.add(session, key)
        if user is not None and user in self._changed:
            self._changed[user].told.add(asker)

    def forget(self, session: Connection) -> None:
        """Forget a connection that has ended."""
        self._watches.forget(session)

    # Answers to ``who``

    def list_some(self, number: int, limit: int, asker: User | None) -> bytes:
        """Return an encoded list of at most ``limit`` users who are here, beginning with those near to the asker."""
        if limit >= len(self._here):
            return self.list_few(self._here.values(), number)
        near = self.audience(asker) if asker is not None else set()
        chosen = islice(dict.fromkeys(chain(near, islice(self._here.values(), limit))), limit)
        return self.list_few(chosen, number, count=len(self._here))

    def list_all(self, users: Iterable[User], number: int, to: str, answer: Callable[[bytes], None]) -> Iterator[None]:
        """List users by name, in slices, so that nobody else has to wait.

        Args:
            users: the users to list.
            number: the ``n`` of the question.
            to: the name of their room; empty for all users.
            answer: called with the encoded list.
        """
        people: list[Person] = []
        listed: list[Raw] = []
        for portion in slices.portions(tuple(users), _AT_ONCE):
            people += map(self.person, portion)
            yield
        yield from slices.in_order(people, _by_name, _AT_ONCE, lambda some: listed.extend(map(raw, some)))
        answer(encode(People(cast("list[Person]", listed), to, 0, number)))

    def list_few(self, users: Iterable[User], number: int, to: str = "", count: int = 0) -> bytes:
        """Return an encoded list of users, by name; ``count`` is the number of all, if these are only some."""
        people = sorted(map(self.person, users), key=_by_name)
        return encode(People(people, to, count, number))

    # RoomEvents

    def _notify_contacts(self, user: User) -> None:
        """Notify the contacts of a user who has arrived; members of the same rooms get the notice of all changes."""
        notice = PresenceFrame([], [], [])
        _add(notice, user.name, self.person(user))
        line = encode(notice)
        for contact in user.contacts or ():
            for session in contact.joined:
                session.send_droppable(line)

    def send_notices(self) -> None:
        """Send notices of all changes; called a moment after the first of them, so that more can come together."""
        self._scheduled = False
        changed, self._changed = self._changed, {}
        notices: dict[User, PresenceFrame] = {}
        now = self._clock()
        self._recent = {user: at for user, at in self._recent.items() if 0 <= now - at < _BETWEEN}
        for user, change in changed.items():
            if self._state(user) == change.before and not change.told:
                continue
            if user in self._recent:  # one notice a second about a user who comes and goes all the time
                self._changed[user] = change
                continue
            self._recent[user] = now
            person = self.person(user)
            for other in self._told_of(user, change):
                notice = notices.get(other)
                if notice is None:
                    notice = notices[other] = PresenceFrame([], [], [])
                _add(notice, change.name, person)
        slices.run(self._later, _send_each(notices))
        if self._changed:
            self._schedule(_BETWEEN / 1000)

    def _told_of(self, user: User, change: _Change) -> set[User]:
        """Return the users who get a notice of a change; if it was undone meanwhile, those who may know of it."""
        if self._state(user) == change.before:
            return change.told
        watching = {session.user for session in self._watches.watching(change.key) if session.user is not None}
        return self.audience(user) | change.audience | (watching - {user})

    def _schedule(self, seconds: float) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(seconds, self.send_notices)


def _send_each(notices: dict[User, PresenceFrame]) -> Iterator[None]:
    for portion in slices.portions(notices.items(), _AT_ONCE):
        for other, notice in portion:
            line = encode(notice)
            for session in other.joined:
                session.send_droppable(line)
        yield


def _by_name(person: Person) -> str:
    return person.user.casefold()


def _add_latest(contacts: dict[User, None] | None, user: User) -> None:
    if contacts is not None:
        contacts.pop(user, None)
        contacts[user] = None
        _trim(contacts)


def _trim(contacts: dict[User, None]) -> None:
    while len(contacts) > _MOST_CONTACTS:
        del contacts[next(iter(contacts))]


def _add(notice: PresenceFrame, name: str, person: Person) -> None:
    if person.state == "gone":
        notice.gone.append(name)
    elif person.state == "away":
        notice.away.append(person)
    else:
        notice.here.append(name)
