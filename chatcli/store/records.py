"""The records that go into the log and come out of it: requests, which its writer decides about, and facts.

A request is accepted or refused by the writer, from the database and what came before it alone. What it has changed
then is a list of *facts*; they are all that memory follows, in order. Some records, such as :class:`Leave`, are both: a
request that is a fact itself once it is accepted, with others that follow from it.

A message belongs to a conversation, which is either that of two people or a room. Ids of users are positive and those
of rooms negative; a *recipient* is either.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from msgspec import Struct

from chatcli.protocol.frames import Happening, Renewal, Scope

RELEASED: Final = "\0"  # begins the keys of users whose name was released; no name can have such a key

#: Why a key or a token ends, which is what those are told who are connected with it.
Ending = Literal["expired", "key_revoked", "recovered", "released", "revoked", "revoked_by_operator", "used"]
#: The permission with which a key is added to a name: it has none yet, a device with a key has vouched for the new one,
#: a recovery token, or a recovery code of an operator.
Voucher = Literal["none", "device", "token", "recovery"]

# Facts only


class UserRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A user.

    Attributes:
        id: positive, never reused.
        name: the name as displayed.
        key: the folded name, by which names are compared (no public key); unique.
        look: the skeleton of the name; empty if the name was released.
        created: milliseconds since 1970-01-01 UTC.
        received: some client of the user has received their feed up to this ``seq``.
        read: the user has read everything up to this ``seq``, except in conversations with a position of their own.
        public_read: the part of it that other users may know about.
        seen: when the user was last connected, in milliseconds since 1970-01-01 UTC; 0 if unknown.
    """

    id: int
    name: str
    key: str
    look: str
    created: int
    received: int
    read: int = 0
    public_read: int = 0
    seen: int = 0


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
        seq: the change's place in the log.
        partners: the ids of users who have exchanged direct messages with an owner of the name, and if it is taken of
            those who shared a room with the owner when it was released.
    """

    key: str
    user: int
    what: Renewal
    by: str
    at: int
    seq: int = 0
    partners: list[int] = []


class RoomRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A room.

    Attributes:
        id: negative, never reused.
        name: the name as displayed, with its ``#``.
        key: the name as compared; unique.
        look: the skeleton of the name.
        kind: ``open``, ``private`` or ``announcement``.
        topic: one line of text.
        created: milliseconds since 1970-01-01 UTC.
    """

    id: int
    name: str
    key: str
    look: str
    kind: str
    topic: str
    created: int


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


# Requests that are facts once they are accepted


class DropKey(NamedTuple):
    """The removal of a key from a user; refused if it is their last one, or none of theirs."""

    user: int
    key: bytes
    why: Ending = "revoked"


class TokenRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A token, with which a program may do part of what a user may.

    Refused if there is no such user, or a token with that digest.

    Attributes:
        digest: the SHA-256 of the token, 32 bytes; the token itself is not stored.
        user: the user's id.
        label: the user's words for it.
        scope: ``send``, ``read``, ``all``, ``metrics`` or ``recover``.
        places: the ids of the rooms and users that it is limited to; None for everywhere.
        created: milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        used: the beginning of the day of the last login with it; None for never.
        key: the public key that made it; empty if an operator did. It is refused if the user has the key no more.
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
    why: Ending = "revoked"


class Ruling(NamedTuple):
    """A decision of operators or room owners: a ban, a mute, an operator, an invitation.

    Attributes:
        kind: the kind of decision.
        subject: the user or room that it concerns; there is one ruling per kind and subject.
        value: the details as JSON, see :class:`chatcli.store.sanction.Sanction`; None revokes the ruling.
        ended: the value that is revoked because its time is over; if another one has replaced it, that one stays.
        event: the event for the members of the room that it concerns, or for the user; empty for none.
        by: the id of the user who has decided that in a room; 0 if nobody has.
        reason: in their words, for the event.
    """

    kind: str
    subject: str
    value: str | None
    ended: str | None = None
    event: Happening | Literal[""] = ""
    by: int = 0
    reason: str = ""


class SetTopic(NamedTuple):
    """A new topic of a room, and the id of the user who has set it; 0 if nobody has."""

    room: int
    topic: str
    by: int = 0


class Leave(NamedTuple):
    """A user ceases to be a member of a room: the newest message is the last of it in their feed.

    No fact if they are not a member. The longest member inherits the room from its last owner, the invitations that the
    user gave to it end, and a room without members loses the decisions of its owners.

    Attributes:
        user: the user's id.
        room: the room's id.
        event: the event for the other members; empty for none.
        by: the id of the user who has caused it; 0 for the user.
        reason: in their words.
    """

    user: int
    room: int
    event: Happening | Literal[""] = ""
    by: int = 0
    reason: str = ""


class SetOwner(NamedTuple):
    """A member becomes an owner of a room, or ceases to be one; no fact if they are no member.

    Attributes:
        user: the user's id.
        room: the room's id.
        owner: whether the user is an owner from now on.
        by: the id of the user who has decided that; 0 if the user inherits the room.
        reason: in their words.
    """

    user: int
    room: int
    owner: bool
    by: int = 0
    reason: str = ""


class Seen(NamedTuple):
    """The last time that a user was connected, in milliseconds since 1970-01-01 UTC."""

    user: int
    at: int


# Requests only


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """The request for a name that nobody has: it makes the user and their first key.

    Their feed begins after the newest message.

    Refused if the name is taken or looks like another one, or a code is wrong, used up or too old.

    Attributes:
        id: of the user, from :meth:`chatcli.store.interface.Log.new_user_id`.
        name: the name as displayed.
        key: the name as compared.
        look: the skeleton of the name.
        created: milliseconds since 1970-01-01 UTC.
        public_key: the first key; empty for a name for programs, which belongs to none.
        device: the label of the device; empty if unknown.
        invitation: the digest of an invitation to the server, which loses a use; empty if none is needed.
        recovery: the digest of an operator's code for the name; empty if none is needed. The code ends in any case.
        by: the operator who takes the name for programs; empty for its owner.
    """

    id: int
    name: str
    key: str
    look: str
    created: int
    public_key: bytes = b""
    device: str = ""
    invitation: str = ""
    recovery: str = ""
    by: str = ""


class AddKey(Struct, frozen=True, kw_only=True, gc=False):
    """The request to add a key to a user; no fact if they have it.

    Refused if the voucher does not hold: the user has a key although they were to have none, or the token or code is
    wrong, used or too old. A token or code is used up. With a code that does not keep the keys, all others and all
    tokens end.

    Attributes:
        key: the key.
        voucher: what permits it.
        digest: of the recovery token; or of the recovery code, as text; empty for other vouchers.
        by: the operator who has made the code; empty for other vouchers.
    """

    key: KeyRecord
    voucher: Voucher
    digest: bytes | str = b""
    by: str = ""


class Release(NamedTuple):
    """The request to take a name from its owner; refused if the user does not have it.

    The user gets a name that nobody can ask for, leaves all rooms, and loses tokens, invitations, and all that was
    decided about the name and would hold for its next owner.

    Attributes:
        user: the user's id.
        key: the name as compared.
        name: the name that the user gets.
        by: the operator.
        at: milliseconds since 1970-01-01 UTC.
    """

    user: int
    key: str
    name: str
    by: str
    at: int


class Found(NamedTuple):
    """The request to make (to found) a room, of which the user is the first member and owner.

    Refused if there is a room of that name, or one that looks like it. Of several for one name the first in the log is
    accepted; the others are refused, and a handler then runs their `join` again, which finds the room.
    """

    room: RoomRecord
    user: int


class Enter(NamedTuple):
    """The request to become a member of a room after the newest message, and its owner if it has no members.

    It uses up an invitation. No fact if the user is a member already; refused if there is no such room or user. Whether
    the user may enter is checked before, by the handler.
    """

    user: int
    room: int


class Prune(NamedTuple):
    """The deletion of old messages.

    Attributes:
        after: only those with a greater ``seq``.
        upto: and up to this ``seq``.
        before: only those from before this time, in milliseconds since 1970-01-01 UTC.
        at: when that was asked for, likewise.
    """

    after: int
    upto: int
    before: int
    at: int


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


Both = DropKey | TokenRecord | UseToken | DropToken | Ruling | SetTopic | Leave | SetOwner | Seen
Record = Both | Claim | AddKey | Release | Found | Enter | Prune | Lookup | Barrier | Probe
Fact = Both | UserRecord | KeyRecord | Rename | NameChangeRecord | RoomRecord | MemberRecord


class MessageRow(NamedTuple):
    """A message read back from the log, see :class:`chatcli.store.batch.Entry`.

    It is a tuple like the database's rows, which are not copied.
    """

    seq: int
    id: bytes
    sender: int
    recipient: int
    at: int
    text: str
    re: int | None
    extra: str | None = None
