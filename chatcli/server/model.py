"""Users and rooms as the server holds them in memory, and what its parts call on a connection and on a feed.

This is the ground that delivery, handlers, state and security stand on: it knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from chatcli.protocol.frames import RoomKind
from chatcli.protocol.values.tokens import token_id
from chatcli.store.records import KeyRecord, RoomRecord, TokenRecord, UserRecord

if TYPE_CHECKING:
    from chatcli.errors import ChatError
    from chatcli.protocol.frames import ClientFrame, Purpose, ServerFrame
    from chatcli.protocol.values.address import Address
    from chatcli.server.purse import Purse


class Account(Protocol):
    """The account of a connection."""

    def charge(self, points: float) -> None:
        """Pay for anything but messages."""


class Output(Protocol):
    """The output buffer of a connection, as a feed sees it.

    Attributes:
        full: whether the socket is full, or the connection is closed.
        closed: whether nothing more is sent.
    """

    full: bool
    closed: bool

    def send(self, line: bytes) -> None:
        """Send a line at the end of this tick."""

    def try_send(self, line: bytes) -> bool:
        """Send a line unless too much is unsent already; return whether it will be sent."""

    def wake(self) -> None:
        """Have the session flushed at the end of this tick, even if there is nothing to write."""


class Connection(Protocol):
    """A session, as the rest of the server sees it.

    Attributes:
        client: which start of which client this is, as the client says.
        attached: whether it is a ``join`` that shares the user's place with others.
        key: the public key that the client has proved.
        purpose: what the connection is for.
        shares_receipts: whether others learn what the user has read on this connection.
        revision: the newest revision of the protocol that the client knows.
        user: the user who is logged in; None before the welcome, and on a nameless query.
        token: the token in place of a key; None for a key.
    """

    client: str
    attached: bool
    key: bytes
    purpose: Purpose
    shares_receipts: bool
    revision: int
    user: User | None
    token: Token | None

    @property
    def places(self) -> frozenset[int] | None:
        """The conversations that its feed has, by the ids of the other users and of the rooms; None for all."""

    @property
    def peer(self) -> Address:
        """The address at the other end."""

    @property
    def caller(self) -> str:
        """The address under which the limits of each address count."""

    @property
    def channel(self) -> bytes | None:
        """The channel binding of the client's proof, see :class:`chatcli.protocol.keys.Claim`; None without any."""

    @property
    def owns_page(self) -> Callable[[str], bool] | None:
        """Tell whether pages of an origin are the server's own; None if no page of a browser has opened it."""

    @property
    def feed(self) -> Subscription | None:
        """The feed of messages, if the connection's purpose includes one."""

    @property
    def account(self) -> Account:
        """The account of the connection."""

    @property
    def output(self) -> Output:
        """Its output buffer."""

    @property
    def closed(self) -> bool:
        """Whether nothing more is sent."""

    @property
    def silent(self) -> bool:
        """Whether the client has missed several of its pings."""

    def send(self, line: bytes) -> None:
        """Send a line at the end of this tick."""

    def try_send(self, line: bytes) -> bool:
        """Send a line unless too much is unsent already; return whether it will be sent."""

    def send_droppable(self, line: bytes) -> None:
        """Send a line about presence or a position; if it has to be dropped, the present state follows later."""

    def close(self, code: str, text: str) -> None:
        """Send the reason and close."""

    def require_user(self) -> User:
        """Return the user.

        Raises:
            Refused: the connection has none.
        """

    def charge(self, size: int, count: int = 1, reach: int = 0) -> None:
        """Count messages that are on their way into the log, until they are acknowledged.

        Args:
            size: characters of all texts together.
            count: how many messages there are.
            reach: connections that each of them is delivered to, if it goes to a room.
        """

    def acknowledge(self, answer: bytes, size: int, count: int) -> None:
        """Answer messages that were charged."""

    def suspend(self) -> bool:
        """Stop processing frames until a request is answered; return whether messages are still being written."""

    def answer(self, frame: ClientFrame, answer: ServerFrame | bytes | ChatError) -> None:
        """Answer the request for which the connection was suspended, and process frames again."""

    def resume_charged(self, size: int, reach: int) -> None:
        """Process frames again, after a suspended message that is charged now."""

    def retry(self, frame: ClientFrame) -> None:
        """Process the frame for which the connection was suspended as if it came now."""


class Subscription(Protocol):
    """One connection's feed, as those see it who have something for it.

    Attributes:
        position: the ``seq`` up to which the connection has everything.
    """

    position: int

    @property
    def connection(self) -> Connection:
        """The connection that gets the messages."""

    @property
    def user(self) -> User:
        """The user whose feed it is."""

    @property
    def live(self) -> bool:
        """Whether messages are passed on as they are committed."""

    @property
    def listening(self) -> bool:
        """Whether it is among the feeds of its user's rooms."""

    def includes(self, identity: int) -> bool:
        """Return whether it has the conversation with the user, or in the room, with that id."""

    def includes_change(self, identity: int) -> bool:
        """Return whether it has the changes of the name of the user with that id."""

    def push(self, seq: int, lines: bytes) -> bool:
        """Pass on messages that were just committed; return whether they are on their way to a live client."""

    def skip_own(self, seq: int) -> None:
        """Move past a message that this connection has sent itself."""

    def end(self) -> bool:
        """Pass on nothing more; return whether it has to be removed from the rooms of its user."""


# Shared by all who have none, which are nearly all: an empty set of one's own is 200 bytes. A change of one of these
# puts another object in its place.
_NO_KEYS: Final[frozenset[bytes]] = frozenset()
_NO_READS: Final[Mapping[int, tuple[int, int]]] = MappingProxyType({})
_NOT_IDLE: Final[Mapping[Connection, int]] = MappingProxyType({})
_NO_INVITATIONS: Final[frozenset[Room]] = frozenset()


class User:
    """A user, logged in at present or not.

    Attributes:
        id: as in the log.
        name: as it is written.
        key: the folded name, by which names are compared.
        look: the skeleton of the name; empty if it was released.
        received: the ``seq`` up to which some client of the user has received their feed.
        read: the ``seq`` up to which the user has read all conversations without a position of their own.
        public_read: the part of ``read`` that others may know about.
        reads: the positions of single conversations, by the id of the other user or the room, see
            :mod:`chatcli.server.state.read_positions`.
        receipt_waiters: the senders of messages that the user has yet to read, each with the ``seq`` of the newest, and
            one that is at or before the oldest, but after what they know of; they get a receipt when the user has read
            more. None while there are none.
        delivery_waiters: likewise the senders of messages that no client of the user has received, each with the
            ``seq`` of the oldest and of the newest. None while there are none.
        idle: the connections that are an open ``join`` and that nobody has touched for a while, each with the time
            since when, in milliseconds since 1970-01-01 UTC.
        keys: the public keys to which the name belongs, as they are on disk, each with the time since when.
        adding: keys that are being added.
        dropping: keys that are being removed, and are not valid any more.
        sessions: the user's connections.
        feeds: the feeds of those connections that get messages.
        limited_feeds: those among them that get the messages of some conversations only, and are not in ``feeds``: what
            is sent to all ``feeds`` of a user must not reach a token for one room.
        joined: the connections that are an open ``join``.
        since: when the first of these began, or the last one ended; in milliseconds since 1970-01-01 UTC.
        away: the text that the user has left for the time away from the keyboard; None while they are not away.
        away_since: since when they are away, in milliseconds since 1970-01-01 UTC.
        rooms: the rooms of which the user is a member.
        invited: rooms to which the user may be invited; see :class:`chatcli.server.state.invitations.Invitations`.
        contacts: users with whom this one has talked, the latest last; None until they were read from the log.
        purse: the user's allowance on all connections together; None while it is full.
    """

    __slots__ = (
        "adding", "away", "away_since", "contacts", "delivery_waiters", "dropping", "feeds", "id", "idle", "invited",
        "joined", "key", "keys", "limited_feeds", "look", "name", "public_read", "purse", "read", "reads",
        "receipt_waiters", "received", "rooms", "sessions", "since",
    )  # fmt: skip

    def __init__(self, record: UserRecord) -> None:
        self.id = record.id
        self.name = record.name
        self.key = record.key
        self.look = record.look
        self.received = record.received
        self.read = record.read
        self.public_read = record.public_read
        self.reads = _NO_READS
        self.receipt_waiters: dict[User, tuple[int, int]] | None = None
        self.delivery_waiters: dict[User, tuple[int, int]] | None = None
        self.idle: Mapping[Connection, int] = _NOT_IDLE
        self.sessions: list[Connection] = []
        self.feeds: list[Subscription] = []
        self.limited_feeds: tuple[Subscription, ...] = ()
        self.keys: dict[bytes, KeyRecord] = {}
        self.adding = _NO_KEYS
        self.dropping = _NO_KEYS
        self.joined: list[Connection] = []
        self.since = record.seen
        self.away: str | None = None
        self.away_since = 0
        self.rooms: tuple[Room, ...] = ()
        self.invited = _NO_INVITATIONS
        self.contacts: dict[User, None] | None = None
        self.purse: Purse | None = None

    @property
    def owned(self) -> bool:
        """Whether the name belongs to a key, or will once it is written."""
        return bool(self.keys or self.adding)

    def has(self, key: bytes) -> bool:
        """Return whether a key is on disk and is not being removed."""
        return key in self.keys and key not in self.dropping

    def is_adding(self, key: bytes) -> bool:
        """Return whether a key is being added."""
        return key in self.adding

    def usable_keys(self) -> list[bytes]:
        """Return the keys that are on disk and are not being removed, the oldest first."""
        return [key for key in self.keys if key not in self.dropping]


class Token:
    """A token of a user: a credential for programs that cannot keep a key, for part of what the user may do.

    Args:
        record: as the log has it.
        user: its user.

    Attributes:
        id: its public name.
        digest: of the token itself, which nobody has but its holder.
        user: as given.
        label: the user's words for it.
        scope: what it is good for.
        places: the ids of the users and rooms that it is limited to; None for everywhere.
        created: milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        used: the beginning of the day of the last login with it; None for never.
        key: the public key that made it; empty if an operator did.
        ended: whether it is being removed, and not valid any more.
        timed: whether a timer waits for its end.
        sessions: the connections under it.
        purse: its allowance of messages.
    """

    __slots__ = (
        "created", "digest", "ended", "id", "key", "label", "places", "purse", "scope", "sessions", "timed", "until",
        "used", "user",
    )  # fmt: skip

    def __init__(self, record: TokenRecord, user: User) -> None:
        self.id = token_id(record.digest)
        self.digest = record.digest
        self.user = user
        self.label = record.label
        self.scope = record.scope
        self.places = None if record.places is None else frozenset(record.places)
        self.created = record.created
        self.until = record.until
        self.used = record.used
        self.key = record.key
        self.ended = False
        self.timed = False
        self.sessions: dict[Connection, None] = {}
        self.purse: Purse | None = None

    def valid(self, now: int) -> bool:
        """Return whether it lets somebody in at a time, in milliseconds since 1970-01-01 UTC.

        It does not while the key that has made it is being removed.
        """
        return not (self.ended or self.key in self.user.dropping) and (self.until is None or now < self.until)

    def includes(self, identity: int) -> bool:
        """Return whether it is good for the conversation with the user, or in the room, with that id."""
        return self.places is None or identity in self.places

    def reads(self, identity: int) -> bool:
        """Return whether it is good for reading that conversation."""
        return self.scope in ("read", "all") and self.includes(identity)


class Room:
    """A room.

    Attributes:
        id: as in the log; negative.
        name: as it is written, with its ``#``.
        key: the folded name, by which names are compared.
        look: the skeleton of the name.
        kind: decides who may enter, read and write.
        topic: its subject.
        members: its members in the order in which they entered, each with the ``seq`` after which that was.
        owners: members who own it.
        leaving: members whose leaving is being written; they have no rights there any more.
        here: members with an open ``join``.
        feeds: the feeds that get its messages; those that have fallen behind read them from the log.
        newest: the ``seq`` of its newest message since the server started.
        watchers: the connections that get receipts of its members.
    """

    __slots__ = (
        "feeds", "here", "id", "key", "kind", "leaving", "look", "members", "name", "newest", "owners",
        "topic", "watchers",
    )  # fmt: skip

    def __init__(self, record: RoomRecord) -> None:
        self.id = record.id
        self.name = record.name
        self.key = record.key
        self.look = record.look
        self.kind = cast("RoomKind", record.kind)
        self.topic = record.topic
        self.members: dict[User, int] = {}
        self.owners: set[User] = set()
        self.leaving: set[User] = set()
        self.here: set[User] = set()
        self.feeds: dict[Subscription, None] = {}
        self.newest = 0
        self.watchers: set[Connection] = set()
