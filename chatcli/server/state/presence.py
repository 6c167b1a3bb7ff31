"""Who is in the chat, and the notices of coming and going: gathered, and told to those whom they concern.

Those are who shares a room with someone, unless it is so large that nobody knows everyone in it, and with whom they
have talked of late. So a server that starts again with thousands of people sends each of them a few names.
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
from chatcli.server.state.room_events import SMALL_ROOM
from chatcli.store.queries import ContactsQuery
from chatcli.store.records import Seen

if TYPE_CHECKING:
    from msgspec import Raw

    from chatcli.server.model import User
    from chatcli.server.state.users import Directory
    from chatcli.store.interface import Log

_PARTNERS: Final = 50
_AT_ONCE: Final = 300  # people who are listed, or told, in one turn of the loop
_SOONEST: Final = 0.05  # seconds
_BETWEEN: Final = 1000  # milliseconds between two notices of the same person
_NOTICES_A_SECOND: Final = 5_000  # to all sessions together: with many people here, notices are rarer and longer

Later = Callable[[float, Callable[[], None]], object]
State = tuple[str, str]  # here, away or gone, and what they said of that


class _Change:
    """What is yet to be told of someone.

    Attributes:
        name: how they are called.
        before: what was last told of them.
        whom: those whom it concerned when they left; who has left belongs nowhere any more.
    """

    __slots__ = ("before", "name", "whom")

    def __init__(self, name: str, before: State) -> None:
        self.name = name
        self.before = before
        self.whom: set[User] = set()


class Presence:
    """The people with an open ``join``.

    Args:
        log: knows with whom people have talked.
        directory: everyone.
        later: runs a callable after so many seconds.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(self, log: Log, directory: Directory, later: Later, clock: Callable[[], int]) -> None:
        self._log = log
        self._directory = directory
        self._later = later
        self._clock = clock
        self._here: dict[int, User] = {}
        self._changed: dict[User, _Change] = {}
        self._scheduled = False
        self._told: dict[User, int] = {}  # of whom something was told within the last second, and when

    @property
    def count(self) -> int:
        """How many are here."""
        return len(self._here)

    def users(self) -> Collection[User]:
        """Return those who are here."""
        return self._here.values()

    def came(self, user: User) -> None:
        """Note that someone is here now, unless they were already."""
        if user.id in self._here:
            return
        self._note(user)
        self._here[user.id] = user
        for room in user.rooms:
            room.here.add(user)
        if user.contacts is None:
            self._ask_for_partners(user)

    def _ask_for_partners(self, user: User) -> None:
        user.contacts = {}

        def answered(identities: list[int] | None, _error: ChatError | None) -> None:
            # Without an answer they are told of those only with whom they talk from now on.
            found = [self._directory.get(identity) for identity in reversed(identities or ())]
            since = user.contacts or {}
            user.contacts = dict.fromkeys([*(one for one in found if one is not None and one not in since), *since])
            _trim(user.contacts)
            if user.id in self._here:
                self._tell_partners(user)

        self._log.read(ContactsQuery(user=user.id, limit=_PARTNERS), answered)

    def talked(self, one: User, other: User) -> None:
        """Note that two have talked: from now on they are told of each other."""
        _remember(one.contacts, other)
        _remember(other.contacts, one)

    def went(self, user: User) -> None:
        """Note that someone has left, if they were here."""
        if user.id not in self._here:
            return
        self._note(user)
        self._changed[user].whom |= self.near(user)
        del self._here[user.id]
        for room in user.rooms:
            room.here.discard(user)
        user.away = None
        user.since = self._clock()
        self._log.append_change(Seen(user.id, user.since))  # with whatever is written next

    def step_away(self, user: User, text: str | None) -> None:
        """Note that someone is away from the keyboard, with what they say of it, or back."""
        self._note(user)
        user.away, user.away_since = text, self._clock()

    def _note(self, user: User) -> None:
        self._changed.setdefault(user, _Change(user.name, self._state(user)))
        self._schedule(_SOONEST + len(self._here) / _NOTICES_A_SECOND)

    def _state(self, user: User) -> State:
        person = self.person(user)
        return person.state, person.text

    def person(self, user: User) -> Person:
        """Return where someone is, and since when."""
        if user.id not in self._here:
            return Person(user.name, user.since, "gone")
        if user.away is not None:
            return Person(user.name, user.away_since, "away", user.away)
        return Person(user.name, user.since)

    def near(self, user: User) -> set[User]:
        """Return those here who are told of a user's coming and going."""
        near: set[User] = set()
        for room in user.rooms:
            if len(room.here) <= SMALL_ROOM:
                near |= room.here
        near.update(partner for partner in user.contacts or () if partner.id in self._here)
        near.discard(user)
        return near

    # The answers to ``who``

    def people(self, number: int, limit: int, asking: User | None) -> bytes:
        """Return so many of those who are here, those first who are near to whoever asks."""
        if limit >= len(self._here):
            return self.list_few(self._here.values(), number)
        near = self.near(asking) if asking is not None else set()
        chosen = islice(dict.fromkeys(chain(near, islice(self._here.values(), limit))), limit)
        return self.list_few(chosen, number, count=len(self._here))

    def list_all(self, users: Iterable[User], number: int, to: str, answer: Callable[[bytes], None]) -> Iterator[None]:
        """List people by name, as many at once as keep nobody else waiting.

        Args:
            users: those to be listed.
            number: of the question.
            to: the room, if it is about one.
            answer: takes the encoded answer.
        """
        people: list[Person] = []
        listed: list[Raw] = []
        for portion in slices.portions(tuple(users), _AT_ONCE):
            people += map(self.person, portion)
            yield
        yield from slices.in_order(people, _by_name, _AT_ONCE, lambda some: listed.extend(map(raw, some)))
        answer(encode(People(cast("list[Person]", listed), to, 0, number)))

    def list_few(self, users: Iterable[User], number: int, to: str = "", count: int = 0) -> bytes:
        """List people by name, in one go; ``count`` is how many there are where these are not all."""
        people = sorted(map(self.person, users), key=_by_name)
        return encode(People(people, to, count, number))

    # The notices

    def _tell_partners(self, user: User) -> None:
        """Tell those with whom someone has talked that they are here; who shares a room with them is told as ever."""
        notice = PresenceFrame([], [], [])
        _add(notice, user.name, self.person(user))
        line = encode(notice)
        for partner in user.contacts or ():
            for session in partner.joined:
                session.send_droppable(line)

    def tell(self) -> None:
        """Tell what is yet to be told; called as soon as there is some, and enough time for more to come with it."""
        self._scheduled = False
        changed, self._changed = self._changed, {}
        notices: dict[User, PresenceFrame] = {}
        now = self._clock()
        self._told = {user: at for user, at in self._told.items() if 0 <= now - at < _BETWEEN}
        for user, change in changed.items():
            if self._state(user) == change.before:
                continue
            if user in self._told:  # whoever comes and goes without end is told of once a second
                self._changed[user] = change
                continue
            self._told[user] = now
            person = self.person(user)
            for other in self.near(user) | change.whom:
                notice = notices.get(other)
                if notice is None:
                    notice = notices[other] = PresenceFrame([], [], [])
                _add(notice, change.name, person)
        slices.run(self._later, _tell_each(notices))
        if self._changed:
            self._schedule(_BETWEEN / 1000)

    def _schedule(self, seconds: float) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(seconds, self.tell)


def _tell_each(notices: dict[User, PresenceFrame]) -> Iterator[None]:
    for portion in slices.portions(notices.items(), _AT_ONCE):
        for other, notice in portion:
            line = encode(notice)
            for session in other.joined:
                session.send_droppable(line)
        yield


def _by_name(person: Person) -> str:
    return person.user.casefold()


def _remember(partners: dict[User, None] | None, partner: User) -> None:
    if partners is not None:
        partners.pop(partner, None)
        partners[partner] = None
        _trim(partners)


def _trim(partners: dict[User, None]) -> None:
    while len(partners) > _PARTNERS:
        del partners[next(iter(partners))]


def _add(notice: PresenceFrame, name: str, person: Person) -> None:
    if person.state == "gone":
        notice.gone.append(name)
    elif person.state == "away":
        notice.away.append(person)
    else:
        notice.here.append(name)
