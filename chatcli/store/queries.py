"""The queries that a log answers, and the results of each.

A user may read of a private room the messages sent while they were a member; their feed has of every room only these.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from chatcli.errors import ChatError
from chatcli.store.records import MessageRow, NameChangeRecord

Result = TypeVar("Result")
#: Called in the owner's thread with the result, or with the reason why there is none.
OnResult = Callable[[Result | None, ChatError | None], None]


class Query(Struct, Generic[Result], frozen=True, kw_only=True):
    """Base of all queries; the type argument is the type of the result.

    Attributes:
        user: the id of the user who asks.
    """

    user: int


class FeedPage(NamedTuple):
    """A stretch of a user's feed.

    Attributes:
        rows: the messages, in order.
        upto: the page is complete up to this ``seq``; the end of the query if the page reaches it.
        damaged: number of messages that could not be read because the file is damaged.
        changes: the changes of names, in order.
    """

    rows: list[MessageRow]
    upto: int
    damaged: int = 0
    changes: Sequence[NameChangeRecord] = ()


class FeedQuery(Query[FeedPage], frozen=True, kw_only=True):
    """A stretch of the user's feed.

    Attributes:
        after: exclusive lower bound of ``seq``.
        upto: inclusive upper bound of ``seq``.
        limit: maximum number of rows; long ones count for more.
        unread_only: leave out the user's own messages to others.
        floors: by room id, the ``seq`` up to which the room's messages are left out.
        changes: whether the page has the changes of names that concern the user.
    """

    after: int
    upto: int
    limit: int
    unread_only: bool = False
    floors: Mapping[int, int] = {}
    changes: bool = False


class Backlog(Struct, frozen=True):
    """A room in which the user missed many messages.

    Attributes:
        room: the room's id.
        count: number of missed messages apart from the newest ones.
        floor: the ``seq`` of the last of these.
    """

    room: int
    count: int
    floor: int


class BacklogQuery(Query[list[Backlog]], frozen=True, kw_only=True):
    """The rooms in which the user missed more than ``newest`` messages with ``after < seq <= upto``."""

    after: int
    upto: int
    newest: int
    unread_only: bool = False


class Page(NamedTuple):
    """A page of messages.

    Attributes:
        rows: the messages.
        more: whether there are older ones, or newer ones of a page that is read forward.
        changes: the changes of the other user's name in the time of these messages, in order.
    """

    rows: list[MessageRow]
    more: bool
    changes: Sequence[NameChangeRecord] = ()


class HistoryQuery(Query[Page], frozen=True, kw_only=True):
    """The newest messages of a conversation that fit, or the first of them, oldest first.

    Attributes:
        of: the id of the other user, or of the room.
        limit: maximum number of rows; long ones count for more.
        before: exclusive upper bound of ``seq``.
        after: exclusive lower bound of ``seq``.
        since: lower bound of the time, in milliseconds since 1970-01-01 UTC.
        until: upper bound of the time.
        forward: the first messages that fit, not the newest.
        own: of a room, only the messages sent while the user was a member.
        name: the other user's folded name, whose changes are read, too; empty for none.
    """

    of: int
    limit: int
    before: int | None = None
    after: int | None = None
    since: int | None = None
    until: int | None = None
    forward: bool = False
    own: bool = False
    name: str = ""


class NewestQuery(Query[dict[int, MessageRow]], frozen=True, kw_only=True):
    """The newest message of each room that has any, by room id.

    Attributes:
        rooms: ids of the rooms.
        own: ids of those of them for which only messages sent while the user was a member count.
    """

    rooms: Sequence[int]
    own: Collection[int] = ()


class PlacesQuery(Query[dict[int, int]], frozen=True, kw_only=True):
    """The ``seq`` of the newest message of a room at or before each position, 0 if there is none, by position.

    Attributes:
        room: the room's id.
        positions: the positions.
    """

    room: int
    positions: Sequence[int]


class Question(NamedTuple):
    """A message that may be a question, and its answer if it has one."""

    row: MessageRow
    answer: MessageRow | None


class QuestionQuery(Query[list[Question]], frozen=True, kw_only=True):
    """The message with this ``seq``, if there is one, with the message that answers it."""

    seq: int


class Unread(Struct, frozen=True):
    """A conversation with unread messages.

    Attributes:
        of: the id of the other user, or of the room.
        count: number of unread messages, up to a maximum.
        newest: the ``seq`` of the newest of them.
        mentions: number of those of them in a room that have the user's name near their beginning.
    """

    of: int
    count: int
    newest: int
    mentions: int = 0


class UnreadQuery(Query[list[Unread]], frozen=True, kw_only=True):
    """The user's conversations with unread messages, newest first; rooms that were left have those of the user's time.

    The oldest of many are left out, and of very many long messages the mentions in the oldest.

    Attributes:
        after: the user has read all conversations up to this ``seq``.
        reads: the positions of single conversations in place of it, by the id of the other user or the room.
        name: the user's name, which messages in rooms may mention.
        now: the time in milliseconds since 1970-01-01 UTC; expired questions are not counted.
    """

    after: int
    reads: Mapping[int, int] = {}
    name: str = ""
    now: int = 0


class Conversation(Struct, frozen=True):
    """A conversation of the user's.

    Attributes:
        of: the id of the other user, or of the room.
        last: its newest message that the user may read; None if it is damaged.
        unread: number of unread messages, up to a maximum.
        mentions: as in :class:`Unread`.
    """

    of: int
    last: MessageRow | None
    unread: int = 0
    mentions: int = 0


class ConversationPage(NamedTuple):
    """Conversations; ``more`` if there are others with older messages."""

    conversations: list[Conversation]
    more: bool


class ConversationsQuery(Query[ConversationPage], frozen=True, kw_only=True):
    """The user's conversations, that with the newest message first: those of two, and the rooms they belong to.

    Conversations without a message that the user may read are left out: they have no place in this order.

    Attributes:
        unread: how the unread messages are counted.
        limit: maximum number of conversations.
        before: only conversations whose newest message is before this ``seq``.
        only: the ids of the users and rooms of whose conversations it may list; None for all.
    """

    unread: UnreadQuery
    limit: int
    before: int | None = None
    only: frozenset[int] | None = None


class NameChangesQuery(Query[list[NameChangeRecord]], frozen=True, kw_only=True):
    """The changes of names that concern the user, ``after < seq <= upto``; not all if there are very many."""

    after: int
    upto: int


class ContactsQuery(Query[list[int]], frozen=True, kw_only=True):
    """The ids of the users with whom this one talked, latest first, at most ``limit``."""

    limit: int


class SearchQuery(Query[Page], frozen=True, kw_only=True):
    """The newest messages that contain some words, newest first; everything committed before the query is searched.

    It finds the messages that the user may read: those between them and other users, those in ``rooms``, and those in
    their own rooms while they were a member.

    The error is an InputError if the words make no sense or are too common, and a StoreError if too many searches wait.

    Attributes:
        words: search text as users write it: ``word``, ``pre*``, ``"a phrase"``; all of them must match.
        rooms: ids of the rooms that everyone may read.
        limit: maximum number of rows; long ones count for more.
        within: only the conversation with this user, or this room.
        sender: only messages from this user.
        before: exclusive upper bound of ``seq``.
    """

    words: str
    rooms: Sequence[int]
    limit: int
    within: int | None = None
    sender: int | None = None
    before: int | None = None
