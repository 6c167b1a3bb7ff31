"""The records that go into the log and come out of it.

A message belongs to a conversation, which is either that of two people or a room. Ids of users are positive and those
of rooms negative; a *recipient* is either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from chatcli.errors import StoreError
from chatcli.protocol.frames import Renewal, Scope


class UserRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A user.

    Attributes:
        id: positive, never reused.
        name: the name as displayed.
        key: the name as compared; unique.
        created: milliseconds since 1970-01-01 UTC.
        received: some client of the user has received their feed up to this ``seq``.
        read: the user has read everything up to this ``seq``, except in conversations with a position of their own.
        public_read: the part of it that other users may know about.
        seen: when the user was last connected, in milliseconds since 1970-01-01 UTC; 0 if unknown.
    """

    id: int
    name: str
    key: str
    created: int
    received: int
    read: int = 0
    public_read: int = 0
    seen: int = 0


class ReadRecord(NamedTuple):
    """A user's read position in a conversation.

    Attributes:
        user: the user's id.
        of: the id of the other user, or of the room; 0 stands for all conversations without a record.
        seq: the messages after it are unread.
        public: the ``seq`` up to which other users may know that the user has read; it never goes back.
    """

    user: int
    of: int
    seq: int
    public: int


class KeyRecord(NamedTuple):
    """A key that belongs to a user.

    Attributes:
        user: the user's id.
        key: the Ed25519 public key, 32 bytes.
        since: milliseconds since 1970-01-01 UTC.
        device: the label of the device that added it; empty if unknown.
    """

    user: int
    key: bytes
    since: int
    device: str = ""


class DropKey(NamedTuple):
    """The removal of a key from a user."""

    user: int
    key: bytes


class TokenRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A token, with which a program may do part of what a user may.

    Attributes:
        digest: the SHA-256 of the token, 32 bytes; the token itself is not stored.
        user: the user's id.
        label: the user's words for it.
        scope: ``send``, ``read``, ``all`` or ``metrics``.
        places: the ids of the rooms and users that it is limited to; None for everywhere.
        created: milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        used: the beginning of the day of the last login with it; None for never.
        key: the public key that made it; empty if an operator did.
    """

    digest: bytes
    user: int
    label: str
    scope: Scope
    places: tuple[int, ...] | None
    created: int
    until: int | None
    used: int | None = None
    key: bytes = b""


class UseToken(NamedTuple):
    """The day of the last login with a token."""

    digest: bytes
    day: int


class DropToken(NamedTuple):
    """The end of a token."""

    digest: bytes


class Ruling(NamedTuple):
    """A decision of operators or room owners: a ban, a mute, an operator, an invitation.

    Attributes:
        kind: the kind of decision.
        subject: the user or room that it concerns; there is one ruling per kind and subject.
        value: the details as JSON; None revokes the ruling.
    """

    kind: str
    subject: str
    value: str | None


class Rename(NamedTuple):
    """A user's new name and comparison key; their messages stay as they are."""

    user: int
    name: str
    key: str


class NameChangeRecord(Struct, kw_only=True, gc=False):
    """A change of the owner or the keys of a name; it has a place in the log, as messages have.

    Attributes:
        key: the name as compared.
        user: the id of its owner, who got a key, lost the name, or has taken it.
        what: ``key``, ``recovered``, ``released`` or ``taken``.
        by: the operator who did it; empty for the owner.
        at: milliseconds since 1970-01-01 UTC.
        seq: the change's place in the log, once it is committed.
        partners: the ids of users who have exchanged direct messages with an owner of the name, and if it is taken of
            those who shared a room with the owner when it was released; once it is committed.
    """

    key: str
    user: int
    what: Renewal
    by: str
    at: int
    seq: int = 0
    partners: list[int] = []


class RoomRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A room; it replaces the record with the same id.

    Attributes:
        id: negative, never reused.
        name: the name as displayed, with its ``#``.
        key: the name as compared; unique.
        kind: ``open``, ``private`` or ``announcement``.
        topic: one line of text.
        created: milliseconds since 1970-01-01 UTC.
    """

    id: int
    name: str
    key: str
    kind: str
    topic: str
    created: int


class Enter(NamedTuple):
    """A user becomes a member of a room after the newest message.

    Ignored if they are a member already, or if there is no such room.
    """

    user: int
    room: int
    owner: bool = False


class Leave(NamedTuple):
    """A user ceases to be a member of a room: the newest message is the last of it in their feed."""

    user: int
    room: int


class SetOwner(NamedTuple):
    """A member becomes an owner of a room, or ceases to be one."""

    user: int
    room: int
    owner: bool


class Seen(NamedTuple):
    """The last time that a user was connected, in milliseconds since 1970-01-01 UTC."""

    user: int
    at: int


class MemberRecord(NamedTuple):
    """A user's membership in a room.

    Attributes:
        user: the user's id.
        room: the room's id.
        since: the user receives the room's messages after this ``seq``.
        owner: whether the user owns the room.
    """

    user: int
    room: int
    since: int
    owner: bool


class Lookup:
    """A query for one message that is answered in its place among the records, so that it sees all before it.

    Attributes:
        id: the message's id, 16 bytes.
        by: the user who asks; their own deleted messages are found for a while, too.
        sender: the message's sender; 0 if it is not found.
        seq: the message's ``seq``.
        at: the message's time, in milliseconds since 1970-01-01 UTC.
    """

    __slots__ = ("at", "by", "id", "sender", "seq")

    def __init__(self, id: bytes, by: int) -> None:  # noqa: A002 (the wire's name for it)
        self.id = id
        self.by = by
        self.sender = self.seq = self.at = 0


class Barrier(NamedTuple):
    """An empty record: once it is written, so is everything before it."""


class Probe(NamedTuple):
    """A record that changes nothing: its outcome is whether the log can be written, and the disk has some room."""


Record = (
    UserRecord
    | KeyRecord
    | DropKey
    | TokenRecord
    | UseToken
    | DropToken
    | Ruling
    | Rename
    | NameChangeRecord
    | RoomRecord
    | Enter
    | Leave
    | SetOwner
    | Seen
    | Lookup
    | Barrier
    | Probe
)
#: Called in the owner's thread once a record is on disk, or with the reason why it is not.
OnWritten = Callable[[StoreError | None], None]


def ignore(_error: StoreError | None) -> None:
    """Do nothing: the callback of a change whose outcome does not matter."""


class Change(NamedTuple):
    """A record on its way into the log.

    Attributes:
        record: the record.
        on_written: called with the outcome.
        preceding: number of the batch's messages that are written before it.
    """

    record: Record
    on_written: OnWritten
    preceding: int


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
        origin: for the caller; the log does not look at it.
        re: the ``seq`` of the message that this one answers.
        extra: question data as encoded by :mod:`chatcli.store.question_data`; None for most messages.
        id_text: the id as the client wrote it; for the caller, too.
        seq: the message's place in the log, once it is committed.
        duplicate: the id is in the log already, or was deleted recently; ``seq`` and ``at`` are those of then.
        refused: nothing was stored, because another sender used the id before, or because the question is closed.
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
    duplicate: bool = False
    refused: bool = False
    prior_answer: PriorAnswer | None = None

    @property
    def size(self) -> int:
        """The number of characters, about."""
        return len(self.text) if self.extra is None else len(self.text) + len(self.extra)


class MessageRow(NamedTuple):
    """A message read back from the log, see :class:`Entry`; a tuple like the database's rows, which are not copied."""

    seq: int
    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    re: int | None
    extra: str | None = None


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
