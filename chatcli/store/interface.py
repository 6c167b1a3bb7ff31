"""The interface of the log: everything that the server asks of a store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from chatcli.errors import StoreError
from chatcli.store.batch import Batch, Entry, OnOutcome, ignore
from chatcli.store.queries import OnResult, Query, Result
from chatcli.store.records import (
    KeyRecord,
    MemberRecord,
    ReadRecord,
    Record,
    RoomRecord,
    Ruling,
    TokenRecord,
    UserRecord,
)

#: Runs a callable in the owner's thread, soon; ``loop.call_soon_threadsafe`` is one.
Post = Callable[..., object]
#: Called in the owner's thread, in log order, with a committed batch, or with the reason why nothing of it was stored.
OnCommit = Callable[[Batch, StoreError | None], None]


class State(Struct, frozen=True, kw_only=True):
    """Everything that a log held when it was opened, but for the messages.

    Attributes:
        users: by id, ascending.
        keys: the keys of all users, oldest first.
        tokens: the tokens of all users, oldest first.
        reads: read positions in single conversations.
        rulings: in no order.
        rooms: oldest first.
        members: those of each room in the order in which they entered it.
        freed: the folded names that were ever released.
    """

    users: list[UserRecord] = []
    keys: list[KeyRecord] = []
    tokens: list[TokenRecord] = []
    reads: list[ReadRecord] = []
    rulings: list[Ruling] = []
    rooms: list[RoomRecord] = []
    members: list[MemberRecord] = []
    freed: list[str] = []


class Health(Struct, frozen=True, kw_only=True):
    """The condition of a log.

    Attributes:
        error: why it cannot be written; None while it can.
        since: the time of the first failure, in milliseconds since 1970-01-01 UTC.
        damaged: number of reads that met damage in the file.
        bytes: size of its files.
    """

    error: str | None
    since: int
    damaged: int
    bytes: int


class CommitTimes:
    """A histogram of the time that commits take. One thread adds, others read.

    Attributes:
        counts: the number of commits of each bucket; the last one is for those that took longer than all bounds.
        seconds: the sum of all times.
    """

    #: Seconds, the longest time of each bucket.
    BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count a commit."""
        self.counts[bisect_left(self.BOUNDS, seconds)] += 1
        self.seconds += seconds


class Log(Protocol):
    """A durable log with group commit.

    The first answer to a question is stored, every other is refused, see :class:`Entry`.

    All methods are called from the owner's thread and return at once, except for :meth:`close`.
    """

    head: int  # the newest seq that was reported to the owner as committed
    epoch: str  # the name of the log as it goes on now; it changes when numbers may be used again
    commit_times: CommitTimes  # of the batches that were stored

    @property
    def pending_bytes(self) -> int:
        """The size of the messages that wait to be committed, about."""

    @property
    def idle(self) -> bool:
        """Whether nothing but positions of users waits, and nothing is being written."""

    @property
    def writable(self) -> bool:
        """Whether it can be written, as far as is known; after a failure it finds out by itself when it can again."""

    def load(self) -> State:
        """Return the state when the log was opened; it is not kept in memory, so that a second call returns nothing."""

    def shared(self, epoch: str) -> int | None:
        """Return the ``seq`` up to which this log is the same as that of an epoch; None if the epoch is unknown."""

    def append_message(self, entry: Entry) -> None:
        """Queue a message for the next :meth:`commit`."""

    def append_messages(self, entries: list[Entry], size: int) -> None:
        """Queue several messages; ``size`` is the sum of theirs."""

    def append_change(self, record: Record, on_outcome: OnOutcome = ignore, cause: object = None) -> None:
        """Queue any other record; it is written in its place among the messages.

        Args:
            record: the record.
            on_outcome: to be called by the owner with the outcome, after its facts are in memory.
            cause: the connection that has asked for it, see :class:`chatcli.store.batch.Outcome`.
        """

    def new_user_id(self) -> int:
        """Return an id for a user who is about to be made; it is given once, whether the user comes to be or not."""

    def new_room_id(self) -> int:
        """Return an id for a room that is about to be made, likewise."""

    def set_received(self, user: int, seq: int) -> None:
        """Queue the ``seq`` up to which a client of the user with that id has received their feed."""

    def set_read(self, user: int, of: int, position: ReadRecord | None) -> None:
        """Queue a read position; None removes it. The last of a conversation counts, whatever it was before.

        Args:
            user: the user's id.
            of: the conversation, as in :class:`chatcli.store.records.ReadRecord`.
            position: the position.
        """

    def commit(self, *, positions: bool = False) -> None:
        """Write the queue; it may be kept back while a batch is being written: commit again when that is done.

        Args:
            positions: write even if only positions of users wait, or if nothing does and the last batch has failed; to
                be called like this regularly.
        """

    def read(self, query: Query[Result], on_result: OnResult[Result]) -> None:
        """Answer a query, beside the writer."""

    def prune(self, before: int, now: int) -> None:
        """Delete some of the messages older than a time, by a record of its own; to be called repeatedly.

        No ``seq`` is reused.

        Args:
            before: the time, in milliseconds since 1970-01-01 UTC.
            now: the present time, likewise.
        """

    def health(self) -> Health:
        """Return the condition of the log."""

    def close(self) -> None:
        """Write the queue and close the files; harmless when repeated."""
