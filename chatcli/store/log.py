"""The interface of the log: what the server asks of any store, and the records that go in and come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from chatcli.errors import StoreError


class UserRecord(NamedTuple):
    """Someone who has been here.

    Attributes:
        id: positive, never used again.
        name: as it is written.
        key: as it is compared; unique.
        created: milliseconds since 1970-01-01 UTC.
        cursor: everything in the feed up to this ``seq`` was shown to them.
    """

    id: int
    name: str
    key: str
    created: int
    cursor: int


class KeyRecord(NamedTuple):
    """A key that belongs to a user.

    Attributes:
        user: the user's id.
        key: the Ed25519 public key, 32 bytes.
        since: milliseconds since 1970-01-01 UTC.
    """

    user: int
    key: bytes
    since: int


class Ruling(NamedTuple):
    """Something that the operators have decided, and the server remembers.

    Attributes:
        kind: what it is: a ban, a mute, an operator, an invitation.
        subject: whom or what it is about; one ruling of a kind each.
        value: the rest, as JSON; None takes the ruling back.
    """

    kind: str
    subject: str
    value: str | None


class Rename(NamedTuple):
    """A user's new name and key of comparison: how a name is made free without touching what was said."""

    user: int
    name: str
    key: str


class DropKey(NamedTuple):
    """A key that no longer belongs to a user."""

    user: int
    key: bytes


Record = UserRecord | KeyRecord | DropKey | Ruling | Rename
Settled = Callable[[StoreError | None], None]


class Change(NamedTuple):
    """A record on its way into the log, and who is told once it is there, or why it is not."""

    record: Record
    settled: Settled


class Entry:
    """One message on its way into the log.

    Attributes:
        id: the client's UUID, 16 bytes.
        sender: user id.
        recipient: user id.
        at: milliseconds since 1970-01-01 UTC.
        text: what is said.
        origin: the caller's own; the log does not look at it.
        seq: its place, once it is committed.
        duplicate: the id was in the log already; ``seq`` and ``at`` are those of the first time.
        refused: the id was in the log already, in someone else's name; nothing was stored.
    """

    __slots__ = ("at", "duplicate", "id", "origin", "recipient", "refused", "sender", "seq", "text")

    def __init__(self, id: bytes, sender: int, recipient: int, at: int, text: str, origin: object = None) -> None:  # noqa: A002 (the wire's name for it)
        self.id = id
        self.sender = sender
        self.recipient = recipient
        self.at = at
        self.text = text
        self.origin = origin
        self.seq = 0
        self.duplicate = False
        self.refused = False


class FeedRow(NamedTuple):
    """One message read back from the log."""

    seq: int
    id: bytes
    sender: int
    recipient: int
    at: int
    text: str


class FeedPage(NamedTuple):
    """A stretch of someone's feed, in order; ``complete`` if it is known to reach the end that was asked for."""

    rows: list[FeedRow]
    complete: bool


class FeedQuery(NamedTuple):
    """Which stretch of whose feed to read: ``after < seq <= upto``, ``limit`` rows at most, fewer of long ones."""

    user: int
    after: int
    upto: int
    limit: int
    unread_only: bool = False  # leave out what the user said to others


class Batch:
    """What one transaction takes: everything that waited while the one before was written."""

    __slots__ = ("changes", "cursors", "entries")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.entries: list[Entry] = []
        self.cursors: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self.changes or self.entries or self.cursors)


#: Runs a callable in the owner's thread, soon; ``loop.call_soon_threadsafe`` is one.
Post = Callable[..., object]
#: Called in the owner's thread, in log order, with what was committed, or with the reason why nothing of it was.
Committed = Callable[[Batch, StoreError | None], None]
#: Called in the owner's thread with a page, or with the reason why it could not be read.
PageRead = Callable[[FeedPage | None, StoreError | None], None]


class Log(Protocol):
    """A durable log with group commit.

    All methods are called from the owner's thread and return at once, ``open`` and ``close`` excepted.
    """

    head: int  # the newest seq that was handed to the owner as committed

    @property
    def pending_bytes(self) -> int:
        """About how much text waits to be committed."""

    @property
    def idle(self) -> bool:
        """Whether nothing but read positions waits, and nothing is being written."""

    def users(self) -> list[UserRecord]:
        """Return everyone who had been here when the log was opened, the longest known first."""

    def keys(self) -> list[KeyRecord]:
        """Return the keys of all users as they were when the log was opened, the oldest first."""

    def rulings(self) -> list[Ruling]:
        """Return the rulings as they were when the log was opened."""

    def add(self, entry: Entry) -> None:
        """Queue a message; it is written at the next :meth:`commit`."""

    def change(self, record: Record, settled: Settled) -> None:
        """Queue anything but a message; written before the messages of the same batch."""

    def move_cursor(self, user: int, seq: int) -> None:
        """Note how far a user has read; written with the next commit."""

    def commit(self, *, cursors: bool = False) -> None:
        """Write what is queued, now or as soon as the batch before is done.

        Args:
            cursors: write even if only cursors moved.
        """

    def read_feed(self, query: FeedQuery, done: PageRead) -> None:
        """Read a stretch of a feed beside the writer."""

    def close(self) -> None:
        """Write what is queued, then let go of the files. Harmless when repeated."""
