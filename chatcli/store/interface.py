"""The interface of the log: what the server asks of any store, and the records that go in and come out.

A message belongs to a conversation: between two people, or a room. What a room's id stands for and what a user's id
stands for can be told apart: the ids of rooms are negative. A *recipient* is either.

What someone may see of a room that is not open to everyone is what was said while they belonged to it, and so is what
their feed has of any room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from chatcli.errors import ChatError, StoreError


class UserRecord(NamedTuple):
    """Someone who has been here.

    Attributes:
        id: positive, never used again.
        name: as it is written.
        key: as it is compared; unique.
        created: milliseconds since 1970-01-01 UTC.
        cursor: everything in the feed up to this ``seq`` was shown to them.
        shown: the same, as far as others are told.
        seen: when they were last here, in milliseconds since 1970-01-01 UTC; 0 if that is not known.
    """

    id: int
    name: str
    key: str
    created: int
    cursor: int
    shown: int = 0
    seen: int = 0


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
    """Something that operators or the owners of a room have decided, and the server remembers.

    Attributes:
        kind: what it is: a ban, a mute, an operator, an invitation, and the like of a room.
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


class RoomRecord(NamedTuple):
    """A room; written again, it takes the place of what was there under the same id.

    Attributes:
        id: negative, never used again.
        name: as it is written, with its ``#``.
        key: as it is compared; unique.
        kind: ``open``, ``private`` or ``announcement``.
        topic: what it is about.
        created: milliseconds since 1970-01-01 UTC.
    """

    id: int
    name: str
    key: str
    kind: str
    topic: str
    created: int


class Enter(NamedTuple):
    """A user comes to belong to a room, from the message behind the newest on.

    Harmless if they do already, or if there is no such room.
    """

    user: int
    room: int
    owner: bool = False


class Leave(NamedTuple):
    """A user belongs to a room no longer: the newest message is the last of it in their feed."""

    user: int
    room: int


class Own(NamedTuple):
    """A member of a room comes to own it, or ceases to."""

    user: int
    room: int
    owner: bool


class Seen(NamedTuple):
    """A user was last here at this time, in milliseconds since 1970-01-01 UTC."""

    user: int
    at: int


class MemberRecord(NamedTuple):
    """A user who belongs to a room.

    Attributes:
        user: the user's id.
        room: the room's id.
        since: they have been told what was said behind this ``seq``.
        owner: whether they own it.
    """

    user: int
    room: int
    since: int
    owner: bool


class Lookup:
    """Not a record, but a question that is answered in its place among them: whether a message is in the log.

    Attributes:
        id: the message's, 16 bytes.
        by: who asks; one of theirs that was deleted is known for a while.
        sender: whose it is; 0 if it is not there.
        seq: its place.
        at: its time, in milliseconds since 1970-01-01 UTC.
    """

    __slots__ = ("at", "by", "id", "sender", "seq")

    def __init__(self, id: bytes, by: int) -> None:  # noqa: A002 (the wire's name for it)
        self.id = id
        self.by = by
        self.sender = self.seq = self.at = 0


class DropKey(NamedTuple):
    """A key that no longer belongs to a user."""

    user: int
    key: bytes


class Barrier(NamedTuple):
    """Nothing: whoever waits for it knows that all before it is written."""


Record = UserRecord | KeyRecord | DropKey | Ruling | Rename | RoomRecord | Enter | Leave | Own | Seen | Lookup | Barrier
Settled = Callable[[StoreError | None], None]


def unheeded(_error: StoreError | None) -> None:
    """Stands in where nobody waits for a change."""


class Change(NamedTuple):
    """A record on its way into the log, and who is told once it is there, or why it is not.

    Attributes:
        record: what is written.
        settled: told of it.
        behind: so many messages of the same batch are written before it.
    """

    record: Record
    settled: Settled
    behind: int


class Closed(NamedTuple):
    """The answer that a question has already.

    Attributes:
        sender: whose it is; 0 if it is not in the log any more.
        text: in words.
        answer: the number of the choice, or -1.
    """

    sender: int
    text: str
    answer: int


class Entry(Struct, gc=False, eq=False):
    """One message on its way into the log.

    Attributes:
        id: the client's UUID, 16 bytes.
        sender: user id.
        recipient: user id, or the id of a room.
        at: milliseconds since 1970-01-01 UTC.
        text: what is said.
        origin: the caller's own; the log does not look at it.
        re: the ``seq`` of the message that it answers.
        extra: what it has beside its text, as :mod:`chatcli.store.question_data` keeps it; None for most.
        written: the id as the client wrote it; the caller's own as well.
        seq: its place, once it is committed.
        duplicate: the id is in the log already, or was deleted of late; ``seq`` and ``at`` are those of the first time.
        refused: nothing was stored: the id was in the log already, in someone else's name, or the question is closed.
        closed: what the question that it answers has been answered with before.
    """

    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    origin: Any = None
    re: int | None = None
    extra: str | None = None
    written: str = ""
    seq: int = 0
    duplicate: bool = False
    refused: bool = False
    closed: Closed | None = None

    @property
    def size(self) -> int:
        """About how many characters there are in it."""
        return len(self.text) if self.extra is None else len(self.text) + len(self.extra)


class MessageRow(NamedTuple):
    """One message read back from the log; see :class:`Entry`."""

    seq: int
    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    re: int | None
    extra: str | None = None


class Question(NamedTuple):
    """A message, which may be a question, and the one that answers it, if there is one."""

    row: MessageRow
    answer: MessageRow | None


class FeedPage(NamedTuple):
    """A stretch of someone's feed.

    Attributes:
        rows: the messages, in order.
        upto: there are no others up to this ``seq``; the end that was asked for, if the page reaches it.
        damaged: how many could not be read, because the file is damaged where they were.
    """

    rows: list[MessageRow]
    upto: int
    damaged: int = 0


class FeedQuery(NamedTuple):
    """Which stretch of whose feed to read.

    Attributes:
        user: whose.
        after: behind this ``seq``.
        upto: not beyond this one.
        limit: rows at most; there are fewer of long ones.
        unread_only: leave out what the user said to others.
        floors: of these rooms, by id, nothing up to this ``seq``.
    """

    user: int
    after: int
    upto: int
    limit: int
    unread_only: bool = False
    floors: Mapping[int, int] = {}


class BacklogQuery(NamedTuple):
    """In which rooms someone has missed more than ``newest`` messages: ``after < seq <= upto``."""

    user: int
    after: int
    upto: int
    newest: int
    unread_only: bool = False


class Backlog(NamedTuple):
    """A room of which someone has missed much.

    Attributes:
        room: its id.
        count: how many there are but for the newest.
        floor: the ``seq`` of the last of these.
    """

    room: int
    count: int  # type: ignore[assignment]  # nobody counts in this tuple
    floor: int


class HistoryQuery(NamedTuple):
    """Which page of a conversation to read: the newest of it that fit.

    Attributes:
        user: who asks.
        of: the other's id, or that of a room.
        limit: rows at most; there are fewer of long ones.
        before: before this ``seq``; from the newest on, where there is none.
        since: not older than this, in milliseconds since 1970-01-01 UTC.
        own: of a room, only what was said while the user belonged to it.
    """

    user: int
    of: int
    limit: int
    before: int | None = None
    since: int | None = None
    own: bool = False


class UnreadQuery(NamedTuple):
    """What of others' messages lies behind ``after`` in someone's feed.

    Attributes:
        user: whose feed it is.
        after: up to here everything was shown.
        now: the time in milliseconds; questions that were open until earlier are over.
    """

    user: int
    after: int
    now: int = 0


class Unread(NamedTuple):
    """A conversation in which something was said.

    Attributes:
        of: the other's id, or that of a room.
        count: how many messages there are; so many at most as are counted.
        newest: the ``seq`` of the newest of them.
    """

    of: int
    count: int  # type: ignore[assignment]  # nobody counts in this tuple
    newest: int


class SearchQuery(NamedTuple):
    """Which messages to find: the newest of those that fit.

    What is found is what the user may see: what was said with them, in the rooms named, and in their own rooms while
    they belonged to them.

    Attributes:
        user: who asks.
        words: what to look for, as people write it: ``word``, ``pre*``, ``"a phrase"``; all of these.
        rooms: ids of the rooms that are open to everyone.
        limit: rows at most; there are fewer of long ones.
        within: only with this user, or in this room.
        sender: only by this user.
        before: before this ``seq``.
    """

    user: int
    words: str
    rooms: Sequence[int]
    limit: int
    within: int | None = None
    sender: int | None = None
    before: int | None = None


class Page(NamedTuple):
    """Messages; ``more`` if there are older ones."""

    rows: list[MessageRow]
    more: bool


class Health(NamedTuple):
    """How the log is.

    Attributes:
        error: why it cannot be written; None while it can.
        since: when that began, in milliseconds since 1970-01-01 UTC.
        damaged: how often something could not be read because the file is damaged.
        bytes: how much room its files take.
    """

    error: str | None
    since: int
    damaged: int
    bytes: int


class Batch:
    """What one transaction takes: what waited while those before it were written.

    Attributes:
        changes: in order; each says how many of the entries come before it.
        entries: the messages, in order.
        cursors: how far users have read.
        shown: the same, as far as others are told.
        bytes: about how much text that is.
        newest: the ``seq`` of the last message that was stored, in it or before it; 0 until it is committed.
    """

    __slots__ = ("bytes", "changes", "cursors", "entries", "newest", "shown")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.entries: list[Entry] = []
        self.cursors: dict[int, int] = {}
        self.shown: dict[int, int] = {}
        self.bytes = 0
        self.newest = 0

    def __bool__(self) -> bool:
        return bool(self.changes or self.entries or self.cursors)

    def in_order(self) -> Iterator[Change | list[Entry]]:
        """Yield what is in it, in order: changes, and the runs of messages between them."""
        done = 0
        for change in self.changes:
            if change.behind > done:
                yield self.entries[done : change.behind]
                done = change.behind
            yield change
        if not done:
            if self.entries:
                yield self.entries
        elif done < len(self.entries):
            yield self.entries[done:]


#: Runs a callable in the owner's thread, soon; ``loop.call_soon_threadsafe`` is one.
Post = Callable[..., object]
#: Called in the owner's thread, in log order, with what was committed, or with the reason why nothing of it was.
Committed = Callable[[Batch, StoreError | None], None]
Answer = TypeVar("Answer")
#: Called in the owner's thread with what was asked for, or with the reason why it could not be read.
Done = Callable[[Answer | None, ChatError | None], None]


class Log(Protocol):
    """A durable log with group commit.

    Of the answers to a question the log takes the first, and no other, see :class:`Entry`.

    All methods are called from the owner's thread and return at once, ``open`` and ``close`` excepted. What was there
    when the log was opened, from ``users`` to ``members``, is handed over once and belongs to the caller from then on;
    who asks again gets nothing.
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

    def rooms(self) -> list[RoomRecord]:
        """Return all rooms as they were when the log was opened."""

    def members(self) -> list[MemberRecord]:
        """Return who belonged to which room when the log was opened, those of each room in the order they came."""

    def add(self, entry: Entry) -> None:
        """Queue a message; it is written at the next :meth:`commit`."""

    def add_all(self, entries: list[Entry], size: int) -> None:
        """Queue messages, as :meth:`add` does, with so many characters in all of them."""

    def change(self, record: Record, settled: Settled = unheeded) -> None:
        """Queue anything but a message; it is written in its place among the messages of the same batch."""

    def move_cursor(self, user: int, seq: int, *, shown: bool = True) -> None:
        """Note how far a user has read, and whether others may be told; written with the next commit."""

    def commit(self, *, cursors: bool = False) -> None:
        """Write what is queued. While a batch is being written it may stay queued: commit again when that is done.

        Args:
            cursors: write even if only cursors moved.
        """

    def read_feed(self, query: FeedQuery, done: Done[FeedPage]) -> None:
        """Read a stretch of a feed beside the writer."""

    def read_backlog(self, query: BacklogQuery, done: Done[list[Backlog]]) -> None:
        """Count what someone has missed in rooms."""

    def read_history(self, query: HistoryQuery, done: Done[Page]) -> None:
        """Read a page of a conversation, the oldest first."""

    def read_newest(
        self, user: int, rooms: Sequence[int], done: Done[dict[int, MessageRow]], own: Collection[int] = ()
    ) -> None:
        """Read for a user the newest message of each of these rooms that has any.

        Of the rooms that are also among ``own`` it is the newest that was said while the user belonged to them.
        """

    def read_question(self, user: int, seq: int, done: Done[list[Question]]) -> None:
        """Read for a user the message with that ``seq``, if there is one, and what answers it."""

    def read_unread(self, query: UnreadQuery, done: Done[list[Unread]]) -> None:
        """Count what someone has not been shown, by conversation, the newest first; the oldest of many are left out."""

    def read_partners(self, user: int, limit: int, done: Done[list[int]]) -> None:
        """Read with whom a user has talked last, the latest first."""

    def search(self, query: SearchQuery, done: Done[Page]) -> None:
        """Find messages, the newest first; what was committed before it was asked is found.

        The error is an InputError where the words make no sense or are too common, and a StoreError where too many
        searches wait.
        """

    def prune(self, before: int) -> None:
        """Delete a few of the messages from before that time, in milliseconds since 1970-01-01 UTC; call it again.

        What was used once, a ``seq`` above all, is not used again.
        """

    def health(self) -> Health:
        """Return how the log is."""

    def close(self) -> None:
        """Write what is queued, then let go of the files. Harmless when repeated."""
