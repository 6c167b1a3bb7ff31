"""The users: everyone who has ever logged in, found by id and by name as people spell it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from chatcli.errors import InputError
from chatcli.protocol.values.lookalikes import look_of
from chatcli.protocol.values.names import Name, check_name
from chatcli.server.model import User
from chatcli.server.state import read_positions
from chatcli.store.records import RELEASED, KeyRecord, ReadRecord, UserRecord

_SPELLINGS: Final = 100_000  # cached, so that a name is not folded anew for each message
_HINTS: Final = 3
_CANDIDATES: Final = 1000  # names compared with a misspelt one, twice: half a millisecond


class Users:
    """All users, in memory: about a kilobyte each."""

    def __init__(self, records: Iterable[UserRecord], keys: Iterable[KeyRecord], reads: Iterable[ReadRecord]) -> None:
        self._by_id: dict[int, User] = {}
        self._by_key: dict[str, User] = {}
        self._by_spelling: dict[str, User] = {}
        self._by_look: dict[str, User] = {}  # only of those whose look differs from their key
        self._released: dict[str, User] = {}  # by the name as it is written
        for record in records:
            self.add(record)
        for key in keys:
            self.add_key(key)
        for read in reads:
            reader = self._by_id.get(read.user)
            if reader is not None:
                read_positions.restore(reader, read)

    def add(self, record: UserRecord) -> User:
        """Add a user whom the log has, and return them."""
        user = User(record)
        self._by_id[user.id] = user
        self._by_key[user.key] = user
        if user.key.startswith(RELEASED):
            self._released[user.name] = user
        elif user.look != user.key:
            self._by_look.setdefault(user.look, user)
        else:
            user.look = user.key  # one string for both, as nearly all have
        return user

    def add_key(self, key: KeyRecord) -> None:
        """Add a key that the log has to its user, who is missing only if the log is damaged."""
        owner = self._by_id.get(key.user)
        if owner is not None:
            owner.keys[key.key] = key

    def get(self, identity: int) -> User | None:
        """Return the user with that id."""
        return self._by_id.get(identity)

    def name_of(self, identity: int) -> str:
        """Return the name of the user with that id, or a stand-in if they are missing from a damaged log."""
        user = self._by_id.get(identity)
        return user.name if user is not None else "?"

    @property
    def count(self) -> int:
        """The number of users."""
        return len(self._by_id)

    def all(self) -> list[User]:
        """Return all users."""
        return list(self._by_id.values())

    def by_key(self, key: str) -> User | None:
        """Return the user with that folded name."""
        return self._by_key.get(key)

    def lookalike(self, name: Name) -> User | None:
        """Return another user whose name looks like this one."""
        look = look_of(name.text)
        for found in (self._by_key.get(look), self._by_look.get(look)):
            if found is not None and found.key != name.key:
                return found
        return None

    def find(self, spelling: str) -> User | None:
        """Return the user of that name, in any spelling."""
        user = self._by_spelling.get(spelling)
        if user is None:
            try:
                user = self._by_key.get(check_name(spelling).key)
            except InputError:
                return None
            if user is None:
                return None
            if len(self._by_spelling) >= _SPELLINGS:
                self._by_spelling.clear()
            self._by_spelling[spelling] = user
        return user

    def find_released(self, spelling: str) -> User | None:
        """Return the user whose name was released and has since been written exactly like this."""
        return self._released.get(spelling)

    def rename(self, user: User, name: str, key: str) -> None:
        """Give a user the name that one gets whose name is released, which becomes free."""
        del self._by_key[user.key]
        self._forget_look(user)
        self._by_spelling.clear()
        user.name, user.key, user.look = name, key, ""
        self._by_key[key] = user
        self._released[name] = user

    def _forget_look(self, user: User) -> None:
        if self._by_look.get(user.look) is user:
            del self._by_look[user.look]

    def suggestions(self, spelling: str, here: Iterable[User]) -> list[str]:
        """Return names that are close to ``spelling``, the closest first: of users who are here, and of the newest."""
        newest = reversed(self._by_key.values())
        users = (*islice(here, _CANDIDATES), *islice(newest, _CANDIDATES))
        return close_names(spelling, ((user.key, user.name) for user in users), 2 * _CANDIDATES)


def warm_up() -> None:
    """Import what the first misspelt name and the first name beyond ASCII need: it would hold up the loop."""
    close_names("ab", [("abc", "abc")], 1)
    check_name("é")


def close_names(spelling: str, names: Iterable[tuple[str, str]], most: int) -> list[str]:
    """Return names that are close to ``spelling``, the closest first.

    Args:
        spelling: as somebody has typed it.
        names: pairs of a folded name and the name as it is written.
        most: the number of names that are compared.
    """
    from rapidfuzz import process  # noqa: PLC0415 (needed only once a name is misspelt)
    from rapidfuzz.distance import OSA  # noqa: PLC0415 (as above)

    candidates = dict(islice(names, most))
    key = spelling.casefold()
    distance = max(1, len(key) // 3)
    prefixed = [name for name in candidates if key and name.startswith(key)][:_HINTS]
    found = process.extract(key, candidates.keys(), scorer=OSA.distance, score_cutoff=distance, limit=_HINTS)
    near = dict.fromkeys([*(name for name, _, _ in found), *prefixed])
    return [candidates[name] for name in islice(near, _HINTS)]
