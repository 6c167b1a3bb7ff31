"""Everyone who has ever been here, found by name as people spell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, StoreError
from chatcli.protocol.names import Name, check_name
from chatcli.store.log import UserRecord

if TYPE_CHECKING:
    from chatcli.server.feed import Feed
    from chatcli.server.session import Session

_SPELLINGS: Final = 100_000  # remembered, so that a name is not folded anew for each message
_HINTS: Final = 3
_CANDIDATES: Final = 1000  # names looked at for a near miss, twice: half a millisecond

Settled = Callable[[StoreError | None], None]


class User:
    """Someone known, and what of them is connected now.

    Attributes:
        id: as in the log.
        name: as it is written.
        key: as it is compared.
        cursor: everything in the feed up to this ``seq`` was shown to them.
        feeds: those of their connections that get messages.
        interactive: the connection of their open ``join``.
        since: when that began, in milliseconds since 1970-01-01 UTC.
        settling: told when the name is on disk; None once it is.
    """

    __slots__ = ("cursor", "feeds", "id", "interactive", "key", "name", "settling", "since")

    def __init__(self, record: UserRecord, *, settled: bool) -> None:
        self.id = record.id
        self.name = record.name
        self.key = record.key
        self.cursor = record.cursor
        self.feeds: list[Feed] = []
        self.interactive: Session | None = None
        self.since = 0
        self.settling: list[Settled] | None = None if settled else []


class Directory:
    """All users, in memory: about 500 bytes each."""

    def __init__(self, records: Iterable[UserRecord]) -> None:
        self._by_id: dict[int, User] = {}
        self._by_key: dict[str, User] = {}
        self._by_spelling: dict[str, User] = {}
        for record in records:
            self._add(User(record, settled=True))
        self._next_id = max(self._by_id, default=0) + 1

    def _add(self, user: User) -> None:
        self._by_id[user.id] = user
        self._by_key[user.key] = user

    def by_id(self, identity: int) -> User:
        """Return the user with that id, who must exist."""
        return self._by_id[identity]

    def name_of(self, identity: int) -> str:
        """Return the name of the user with that id, or a stand-in where a damaged log has lost them."""
        user = self._by_id.get(identity)
        return user.name if user is not None else "?"

    def claimed(self, key: str) -> User | None:
        """Return whoever has the name, even if it is not on disk yet."""
        return self._by_key.get(key)

    def find(self, spelling: str) -> User | None:
        """Return the known user whom that spelling of a name means."""
        user = self._by_spelling.get(spelling)
        if user is None:
            try:
                user = self._by_key.get(check_name(spelling).key)
            except InputError:
                return None
            if user is None or user.settling is not None:
                return None
            if len(self._by_spelling) >= _SPELLINGS:
                self._by_spelling.clear()
            self._by_spelling[spelling] = user
        return user

    def create(self, name: Name, created: int, cursor: int) -> UserRecord:
        """Take a free name; it is someone's from now on, and known once :meth:`settle` says so."""
        record = UserRecord(self._next_id, name.text, name.key, created, cursor)
        self._next_id += 1
        self._add(User(record, settled=False))
        return record

    def settle(self, record: UserRecord, error: StoreError | None) -> None:
        """Note that the name is on disk, or give it free because it could not be written."""
        user = self._by_id[record.id]
        waiting, user.settling = user.settling or [], None
        if error is not None:
            del self._by_id[user.id], self._by_key[user.key]
        for settled in waiting:
            settled(error)

    def close_to(self, spelling: str, here: Iterable[User]) -> list[str]:
        """Return known names that ``spelling`` may have meant, the closest first: of those here now, and the newest."""
        from rapidfuzz import process  # noqa: PLC0415 (nobody may ever misspell a name)
        from rapidfuzz.distance import OSA  # noqa: PLC0415

        newest = reversed(self._by_key.values())
        candidates = {user.key: user.name for user in (*islice(here, _CANDIDATES), *islice(newest, _CANDIDATES))}
        key = spelling.casefold()
        distance = max(1, len(key) // 3)
        begin_so = [name for name in candidates if key and name.startswith(key)][:_HINTS]
        found = process.extract(key, candidates.keys(), scorer=OSA.distance, score_cutoff=distance, limit=_HINTS)
        near = dict.fromkeys([*(name for name, _, _ in found), *begin_so])
        return [candidates[name] for name in islice(near, _HINTS)]
