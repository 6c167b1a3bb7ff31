"""Batches: messages and records on their way into the log, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from chatcli.errors import StoreError
from chatcli.store.records import Fact, ReadRecord, Record

#: Why the writer refuses a record or a message, which is the same wherever the log is written:
#:
#: * ``answered``: the question has an answer already; ``over``: its time was over;
#: * ``bad_code``: an invitation, a recovery code or a recovery token is wrong, used up or too old;
#: * ``duplicate``: the message is in the log already, or was deleted recently;
#: * ``id_taken``: somebody else's message has the id;
#: * ``last_key``: a name without keys would belong to whoever asks first;
#: * ``lookalike``: the name looks like another one;
#: * ``taken``: the name of a user or a room is taken, the user has a first key already, or the token is there already;
#: * ``missing``: the user, the room, the key or the token is not there (any more);
#: * ``outdated``: a newer decision has replaced the one that was to end;
#: * ``damaged``: the messages that were to be deleted cannot be read;
#: * ``invalid``: it cannot be stored as it is, such as a number with more than 64 bits.
Conflict = Literal[
    "answered",
    "bad_code",
    "damaged",
    "duplicate",
    "id_taken",
    "invalid",
    "last_key",
    "lookalike",
    "missing",
    "outdated",
    "over",
    "taken",
]


class Outcome:
    """The outcome of a record, once its batch is written.

    Attributes:
        error: why nothing of its batch was stored; None if it was.
        conflict: why the writer has refused it; None if it was accepted.
        facts: what it has changed, in order.
        cause: the connection that has asked for it, which pays for events and learns of its change by the answer; None
            if no connection of this server has. The log does not look at it.
        closed: the number of connections that were closed because of its facts; the server counts them.
    """

    __slots__ = ("cause", "closed", "conflict", "error", "facts")

    def __init__(self, cause: Any = None) -> None:  # noqa: ANN401 (the log does not look at it)
        self.error: StoreError | None = None
        self.conflict: Conflict | None = None
        self.facts: list[Fact] = []
        self.cause = cause
        self.closed = 0

    @property
    def accepted(self) -> bool:
        """Whether the record was stored."""
        return self.error is None and self.conflict is None

    def forget(self) -> None:
        """Forget what a failed attempt to write the record has decided."""
        self.conflict, self.facts = None, []


#: Called in the owner's thread with the outcome of a record, once its facts are in memory.
OnOutcome = Callable[[Outcome], None]


def ignore(_outcome: Outcome) -> None:
    """Do nothing: the callback of a change whose outcome does not matter."""


class Change(NamedTuple):
    """A record on its way into the log.

    Attributes:
        record: the record.
        on_outcome: called with the outcome.
        preceding: number of the batch's messages that are written before it.
        outcome: what has become of it, once the batch is committed.
    """

    record: Record
    on_outcome: OnOutcome
    preceding: int
    outcome: Outcome


class PriorAnswer(NamedTuple):
    """The answer that closed a question.

    Attributes:
        sender: the user who gave it; 0 if it is no longer in the log.
        text: its text.
        answer: the index of the choice, or -1.
    """

    sender: int
    text: str
    answer: int


class Entry(Struct, kw_only=True, gc=False, eq=False):
    """A message on its way into the log.

    Attributes:
        id: the client's UUID, 16 bytes.
        sender: user id.
        recipient: user id, or room id.
        at: milliseconds since 1970-01-01 UTC.
        text: the message's text.
        origin: for the caller; None for a message of which no connection waits for the outcome.
        re: the ``seq`` of the message that this one answers.
        extra: question data as encoded by :mod:`chatcli.store.question_data`; None for most messages.
        id_text: the id as the client wrote it; for the caller, too.
        seq: the message's place in the log, once it is committed; of a duplicate, the place of the first.
        conflict: why nothing was stored; None if it was.
        first_at: the time of a duplicate's first.
        prior_answer: the answer that closed the question.
    """

    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    origin: Any = None
    re: int | None = None
    extra: str | None = None
    id_text: str = ""
    seq: int = 0
    conflict: Conflict | None = None
    first_at: int = 0
    prior_answer: PriorAnswer | None = None

    @property
    def size(self) -> int:
        """The number of characters, about."""
        return len(self.text) if self.extra is None else len(self.text) + len(self.extra)


class Batch:
    """The contents of one transaction: everything that was queued while earlier ones were written.

    Attributes:
        changes: in order; each has the number of the messages before it.
        entries: the messages, in order.
        received: the ``seq`` up to which a client of a user has received their feed, by user.
        reads: read positions, by user and conversation; None removes one.
        bytes: the size of the messages in memory, about.
        newest: the ``seq`` of the newest message in the log after this batch; 0 until it is committed.
    """

    __slots__ = ("bytes", "changes", "entries", "newest", "reads", "received")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.entries: list[Entry] = []
        self.received: dict[int, int] = {}
        self.reads: dict[tuple[int, int], ReadRecord | None] = {}
        self.bytes = 0
        self.newest = 0

    def __bool__(self) -> bool:
        return bool(self.changes or self.entries or self.received or self.reads)

    @property
    def has_positions(self) -> bool:
        """Whether it has positions of users."""
        return bool(self.received or self.reads)

    def in_order(self) -> Iterator[Change | list[Entry]]:
        """Yield the changes, and the runs of messages between them, in order."""
        done = 0
        for change in self.changes:
            if change.preceding > done:
                yield self.entries[done : change.preceding]
                done = change.preceding
            yield change
        if not done:
            if self.entries:
                yield self.entries
        elif done < len(self.entries):
            yield self.entries[done:]
