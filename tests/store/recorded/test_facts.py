"""Tests of facts: a memory that follows them, and them alone, has all that the database has."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatcli.store.batch import Batch
from chatcli.store.interface import State
from chatcli.store.records import (
    DropKey,
    DropToken,
    Fact,
    KeyRecord,
    Leave,
    MemberRecord,
    NameChangeRecord,
    Rename,
    RoomRecord,
    Ruling,
    Seen,
    SetOwner,
    SetTopic,
    TokenRecord,
    UserRecord,
    UseToken,
)
from tests.store.recorded import recording, runs, stream


class Memory:
    """The state that facts leave behind; a fact about something that is not there is an error.

    Attributes:
        users: by id.
        keys: by user and key.
        tokens: by digest.
        rulings: by kind and subject.
        rooms: by id.
        members: by room and user; those of each room in the order in which they came.
        freed: the names that were released.
    """

    def __init__(self) -> None:
        self.users: dict[int, UserRecord] = {}
        self.keys: dict[tuple[int, bytes], KeyRecord] = {}
        self.tokens: dict[bytes, TokenRecord] = {}
        self.rulings: dict[tuple[str, str], str] = {}
        self.rooms: dict[int, RoomRecord] = {}
        self.members: dict[tuple[int, int], MemberRecord] = {}
        self.freed: set[str] = set()

    def apply(self, fact: Fact) -> None:  # noqa: C901, PLR0912 (a table of facts)
        """Follow a fact."""
        match fact:
            case UserRecord():
                assert fact.id not in self.users
                self.users[fact.id] = fact
            case Rename():
                self.users[fact.user] = replace(self.users[fact.user], name=fact.name, key=fact.key, look="")
            case Seen():
                self.users[fact.user] = replace(self.users[fact.user], seen=fact.at)
            case KeyRecord():
                assert (fact.user, fact.key) not in self.keys
                self.keys[fact.user, fact.key] = fact
            case DropKey():
                del self.keys[fact.user, fact.key]
            case TokenRecord():
                assert fact.digest not in self.tokens
                self.tokens[fact.digest] = fact
            case UseToken():
                self.tokens[fact.digest] = replace(self.tokens[fact.digest], used=fact.day)
            case DropToken():
                del self.tokens[fact.digest]
            case NameChangeRecord():
                self.freed |= {fact.key} if fact.what == "released" else set()
            case Ruling():
                self._rule(fact)
            case RoomRecord():
                assert fact.id not in self.rooms
                self.rooms[fact.id] = fact
            case SetTopic():
                self.rooms[fact.room] = replace(self.rooms[fact.room], topic=fact.topic)
            case MemberRecord():
                assert (fact.room, fact.user) not in self.members
                self.members[fact.room, fact.user] = fact
            case SetOwner():
                place = fact.room, fact.user
                self.members[place] = self.members[place]._replace(owner=fact.owner)
            case Leave():
                del self.members[fact.room, fact.user]

    def _rule(self, ruling: Ruling) -> None:
        if ruling.value is None:
            self.rulings.pop((ruling.kind, ruling.subject), None)  # to revoke nothing is a fact, too
        else:
            self.rulings[ruling.kind, ruling.subject] = ruling.value


def _assert_followed(state: State, batches: list[Batch]) -> None:
    memory = Memory()
    for batch in batches:
        for change in batch.changes:
            for fact in change.outcome.facts:
                memory.apply(fact)
    positions = {"received": 0, "read": 0, "public_read": 0}  # they do not come as facts
    users = [replace(user, **positions) for user in memory.users.values()]
    assert sorted(users, key=lambda user: user.id) == [replace(user, **positions) for user in state.users]
    assert sorted(memory.keys.values()) == sorted(state.keys)
    assert memory.tokens == {token.digest: token for token in state.tokens}
    assert memory.rulings == {(ruling.kind, ruling.subject): ruling.value for ruling in state.rulings}
    assert sorted(memory.rooms.values(), key=lambda room: -room.id) == state.rooms
    assert sorted(memory.members.values(), key=lambda member: -member.room) == state.members
    assert memory.freed == set(state.freed)


def test_memory_follows_the_recording(data: Path) -> None:
    """Nothing that the log has decided is missing from the facts, and nothing is in them that it has not written."""
    batches = recording.batches()
    runs.run(data, batches, range(0, len(batches), 5))
    with runs.opened(data) as database:
        _assert_followed(database.release_state(), batches)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_memory_follows_any_stream(seed: int) -> None:
    """Likewise for other streams."""
    batches = stream.make(seed, 30)
    with TemporaryDirectory() as directory:
        runs.run(Path(directory, "data"), batches, ())
        with runs.opened(Path(directory, "data")) as database:
            _assert_followed(database.release_state(), batches)
