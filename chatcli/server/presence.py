"""Who is in the chat, and the notices of coming and going: gathered, encoded once, sent to everyone here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from chatcli.protocol.codec import encode
from chatcli.protocol.frames import People, Person
from chatcli.protocol.frames import Presence as PresenceFrame

if TYPE_CHECKING:
    from chatcli.server.directory import User

_SOONEST: Final = 0.05  # seconds
_NOTICES_A_SECOND: Final = 5_000  # to all sessions together: with many people here, notices are rarer and longer

Later = Callable[[float, Callable[[], None]], object]


class Presence:
    """The people with an open ``join``.

    Args:
        later: runs a callable after so many seconds.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._here: dict[int, User] = {}
        self._changed: dict[int, tuple[str, bool]] = {}  # as they were called, and whether here when last told
        self._scheduled = False

    @property
    def count(self) -> int:
        """How many are here."""
        return len(self._here)

    def came(self, user: User) -> None:
        """Note that someone is here now, unless they were already."""
        if user.id not in self._here:
            self._note(user, was_here=False)
            self._here[user.id] = user

    def went(self, user: User) -> None:
        """Note that someone has left, if they were here."""
        if self._here.pop(user.id, None):
            self._note(user, was_here=True)

    def _note(self, user: User, *, was_here: bool) -> None:
        self._changed.setdefault(user.id, (user.name, was_here))
        if not self._scheduled:
            self._scheduled = True
            self._later(_SOONEST + len(self._here) / _NOTICES_A_SECOND, self._tell)

    def users(self) -> Iterable[User]:
        """Return those who are here."""
        return self._here.values()

    def people(self, number: int = 0) -> bytes:
        """Return the answer to ``who``."""
        people = [Person(user.name, user.since) for user in self._here.values()]
        people.sort(key=lambda person: person.user.casefold())
        return encode(People(people, number))

    def _tell(self) -> None:
        self._scheduled = False
        changed, self._changed = self._changed, {}
        here: list[str] = []
        gone: list[str] = []
        for identity, (name, was_here) in changed.items():
            is_here = identity in self._here
            if is_here != was_here:
                (here if is_here else gone).append(name)
        if not here and not gone:
            return
        line = encode(PresenceFrame(here, gone))
        for user in self._here.values():
            for session in user.joined:
                session.notify(line)
