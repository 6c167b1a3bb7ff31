"""The frames of protocol version 1, one class each, tagged by ``t`` on the wire.

Times are integers: milliseconds since 1970-01-01 UTC. A ``seq`` is a message's position in the log: positive, strictly
increasing, with gaps. No number exceeds 2^53, up to which every JSON reader is exact (RFC 7493). A null field
equals a missing one, see :mod:`chatcli.protocol.codec`. Unknown fields are ignored, so that later versions can add
some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

VERSION: Final = 1
REVISION: Final = 1  # of that version, see Hello
MAX_COUNT: Final = 1000  # of unread messages in a conversation: with more nobody wants to know the number
MAX_FRAME: Final = 64 * 1024  # bytes in one line, its newline included
MAX_TEXT: Final = 32 * 1024  # bytes of UTF-8 in one message; the server's default
MAX_PAGE: Final = 500  # messages in one answer
MAX_CHOICES: Final = 9  # of a question: one key each
MAX_CHOICE: Final = 60  # characters in one of them
MAX_OPEN: Final = 30 * 86_400  # seconds for which a question may be open
DECLINED: Final = -1  # in place of the number of a choice

MAX_BAN: Final = 10 * 366 * 86_400  # seconds for which a ban or a mute may last: ten years
MAX_LABEL: Final = 100  # characters in the label of a token
MAX_PLACES: Final = 50  # rooms and people that a token is limited to

MAX_SEQ: Final = 2**53 - 1

Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ)]
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # exact in every JSON reader

# Names, keys and codes are looked up, folded and compared: these bounds limit the time.
Named = Annotated[str, Meta(max_length=256)]
Coded = Annotated[str, Meta(max_length=8192)]  # compared as a whole
Words = Annotated[str, Meta(max_length=1000)]

Time = Annotated[int, Meta(ge=0, le=253_370_764_800_000)]  # up to the year 9999
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]

Purpose = Literal["join", "listen", "send", "query"]
Outcome = Literal["delivered", "stored"]
Operation = Literal["kick", "ban", "unban", "mute", "unmute", "invite", "uninvite", "own", "disown"]
Present = Literal["refuse", "takeover", "attach"]
RoomKind = Literal["open", "private", "announcement"]
Where = Literal["here", "away", "gone"]
Renewal = Literal["key", "recovered", "released", "taken"]
Scope = Literal["send", "read", "all", "metrics", "recover"]
Happening = Literal[
    "joined",
    "left",
    "topic",
    "kicked",
    "banned",
    "unbanned",
    "muted",
    "unmuted",
    "invited",
    "uninvited",
    "owner",
    "disowned",
]
# Not bounded here: the handler reports mistakes in a question with the id of the message.
Choice = Annotated[int, Meta(ge=DECLINED, le=2**53 - 1)]
PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE)]


class Hello(Struct, tag_field="t", tag="hello", gc=False, omit_defaults=True):
    """First frame of a client.

    ``key`` is the Ed25519 public key that the client will prove. ``since`` resumes after that ``seq``; without it the
    feed starts after the last message that this user has acknowledged. ``present`` says what to do if the user's
    ``join`` is open elsewhere; one of the same ``client`` (a new value per start) is replaced in any case. ``link`` is
    a code from another device of the user or a recovery token, ``invite`` a code from the operator. ``newest`` limits
    the missed messages of each room to that number of the newest; without it the feed is complete. With ``receipts``
    false, others do not learn what the user has read on this connection.

    ``revision`` is the newest revision of the protocol that the client knows. From 1 on it says with ``read`` what was
    read, and its ``ack`` means only that it has received messages; below that, an ``ack`` counts as ``read``, too.
    ``epoch`` is that of the log that ``since`` belongs to; in another log, as after a restore, the feed starts where
    the two still agree.

    ``renewed`` is the ``seq`` of the last change of a name that this client was told of: those after it come even where
    another client of the user has received them, so that they are before the start of the feed.

    With a ``token`` in place of a ``key``, the name is that of the token, and the welcome follows at once; a ``user``
    that is given all the same must be the same one.

    ``origin`` is that of the page in a browser which says this; then the proof of the key is bound to it.
    ``device`` is a label for the key, if it becomes one of the user's now.
    """

    version: Number
    user: Named = ""
    purpose: Purpose = "join"
    key: Named = ""
    since: Seq | None = None
    present: Present = "refuse"
    client: Named = ""
    link: Coded = ""
    invite: Coded = ""
    newest: Positive | None = None
    receipts: bool = True
    revision: Number = 0
    epoch: Named = ""
    renewed: Seq | None = None
    token: Named = ""
    origin: Named = ""
    device: Named = ""


class Prove(Struct, tag_field="t", tag="prove", gc=False):
    """Answers ``challenge``: the signature of :func:`chatcli.protocol.keys.signed_bytes`."""

    signature: Coded


class Send(Struct, tag_field="t", tag="send", gc=False, omit_defaults=True):
    """A message to a person or a room.

    ``id`` is a UUID made by the client and the same in every retry; ``re`` is the ``seq`` of the message answered.

    With ``choices`` it is a question, open for ``seconds`` or until it is answered. An ``answer`` to the question
    ``re`` is the number of a choice, from 0, or -1 to decline, which is not possible in a room; the server replaces
    ``text`` by the words of the choice. The asker withdraws the question with -1. The log accepts the first answer
    only: later ones are refused with ``not_open``.
    """

    id: str
    to: Named
    text: str = ""
    re: Seq | None = None
    choices: Sequence[str] = ()
    seconds: Number | None = None
    answer: Choice | None = None


class Check(Struct, tag_field="t", tag="check", gc=False, omit_defaults=True):
    """Asks whether the user may write to a person or a room now; the answer is ``done``, and nothing is sent."""

    to: Named
    n: Number = 0


class Ack(Struct, tag_field="t", tag="ack", gc=False):
    """The client has received every ``message`` up to this ``seq``, and needs none of them again.

    From a client below revision 1 it also means that the user has read them.
    """

    seq: Seq


class MarkRead(Struct, tag_field="t", tag="read", gc=False, omit_defaults=True):
    """The user has read the conversation with a person or in a room up to this ``seq``; there is no answer.

    Without ``of``: all conversations. With ``back`` the messages after ``seq`` become unread again; otherwise the
    position moves forward only.
    """

    seq: Seq
    of: Named = ""
    back: bool = False
    n: Number = 0


class Who(Struct, tag_field="t", tag="who", gc=False, omit_defaults=True):
    """Asks who is here, who belongs to the room ``to``, or where the person ``to`` is.

    The answer carries the same ``n``. ``limit`` is the largest number of people in it; those whose presence is reported
    to the user come first.
    """

    to: Named = ""
    limit: Number = 0
    n: Number = 0


class Away(Struct, tag_field="t", tag="away", gc=False, omit_defaults=True):
    """The user is away from the keyboard, or ``back``; the answer is ``done``."""

    text: str = ""
    back: bool = False
    n: Number = 0


class Idle(Struct, tag_field="t", tag="idle", gc=False, omit_defaults=True):
    """Nobody has touched this ``join`` for a while, or somebody is ``back``; there is no answer.

    A user is idle while all of their open ``join`` are. Unlike ``away`` this is not announced, but ``who`` shows it.
    """

    back: bool = False


class Join(Struct, tag_field="t", tag="join", gc=False, omit_defaults=True):
    """Enters a room, which is created if it does not exist; the answer is ``room``.

    ``kind`` is the kind that an existing room must have and a new one gets; without it any kind will do, and a new room
    is ``open``.
    """

    room: Named
    kind: RoomKind | None = None
    n: Number = 0


class Leave(Struct, tag_field="t", tag="leave", gc=False, omit_defaults=True):
    """Leaves a room for good; the answer is ``done``."""

    room: Named
    n: Number = 0


class Topic(Struct, tag_field="t", tag="topic", gc=False, omit_defaults=True):
    """Sets the topic of a room; the answer is ``done``."""

    room: Named
    text: str = ""
    n: Number = 0


class Rooms(Struct, tag_field="t", tag="rooms", gc=False, omit_defaults=True):
    """Asks for the rooms that the user may see, by name, starting after ``after``; or for one room."""

    room: Named = ""
    after: Named = ""
    n: Number = 0


class History(Struct, tag_field="t", tag="history", gc=False, omit_defaults=True):
    """Asks for a page of messages with a person or in a room.

    They are the newest between ``after`` and ``before`` and from ``since`` to ``until``; with ``forward``, the first.
    """

    of: Named
    before: Seq | None = None
    since: Time | None = None
    limit: PageSize = 50
    n: Number = 0
    after: Seq | None = None
    until: Time | None = None
    forward: bool = False


class Search(Struct, tag_field="t", tag="search", gc=False, omit_defaults=True):
    """Asks for messages that contain these words, the newest first."""

    text: Words
    where: Named = field(default="", name="in")
    sender: Named = field(default="", name="from")
    before: Seq | None = None
    limit: PageSize = 20
    n: Number = 0


class Receipts(Struct, tag_field="t", tag="receipts", gc=False, omit_defaults=True):
    """Asks for what others have seen and received of the conversation with a person or in a room.

    With ``watch``, a ``receipt`` follows whenever one of them has seen more, for as long as the connection is open.
    """

    to: Named
    watch: bool = False
    n: Number = 0


class Answers(Struct, tag_field="t", tag="answers", gc=False, omit_defaults=True):
    """Asks for the answer to one of the user's questions: now or, if there is none yet, as soon as there is one."""

    re: Seq
    n: Number = 0


class Unread(Struct, tag_field="t", tag="unread", gc=False, omit_defaults=True):
    """Asks for the user's unread counts by conversation."""

    n: Number = 0


class Conversations(Struct, tag_field="t", tag="conversations", gc=False, omit_defaults=True):
    """Asks for the user's conversations, those with the newest messages first.

    With ``before``, only those whose newest message is before that ``seq``.
    """

    limit: PageSize = 50
    before: Seq | None = None
    n: Number = 0


class Link(Struct, tag_field="t", tag="link", gc=False, omit_defaults=True):
    """Asks for a code that lets another device of the user add its key."""

    n: Number = 0


class Keys(Struct, tag_field="t", tag="keys", gc=False, omit_defaults=True):
    """Asks for the user's keys."""

    n: Number = 0


class Revoke(Struct, tag_field="t", tag="revoke", gc=False, omit_defaults=True):
    """Removes one of the user's keys; its connections are closed."""

    key: Named
    n: Number = 0


class MakeToken(Struct, tag_field="t", tag="token", gc=False, omit_defaults=True):
    """Asks for a token, with which a program without a key may do part of what the user may.

    ``scope`` says what: ``send`` messages, ``read``, or ``all``. The first two can be limited ``to`` rooms and people.
    The token ends after ``seconds``, or never. One to ``recover`` is for people: as a ``link`` in ``hello`` it adds a
    key, once.
    """

    label: Annotated[str, Meta(max_length=MAX_LABEL)] = ""
    scope: Scope = "send"
    to: Annotated[list[Named], Meta(max_length=MAX_PLACES)] = []
    seconds: Annotated[int, Meta(ge=1, le=MAX_BAN)] | None = None
    n: Number = 0


class Tokens(Struct, tag_field="t", tag="tokens", gc=False, omit_defaults=True):
    """Asks for the user's tokens."""

    n: Number = 0


class RevokeToken(Struct, tag_field="t", tag="untoken", gc=False, omit_defaults=True):
    """Ends one of the user's tokens, given by its ``id``, not by its text; its connections are closed."""

    token: Named
    n: Number = 0


class Operate(Struct, tag_field="t", tag="operate", gc=False, omit_defaults=True):
    """An operator kicks, bans or mutes someone; the answer is ``done``.

    With a ``room``, its owners do so in that room, invite people, and share ownership.
    """

    do: Operation
    to: Named
    room: Named = ""
    seconds: Annotated[int, Meta(ge=1, le=MAX_BAN)] | None = None
    reason: str = ""
    n: Number = 0


class Ping(Struct, tag_field="t", tag="ping", gc=False, omit_defaults=True):
    """Asks for a ``pong``; sent when nothing else was sent for a third of ``limits.silence``."""

    n: Number = 0


class Bye(Struct, tag_field="t", tag="bye", gc=False):
    """The client leaves; the server answers with its own ``bye`` and closes."""


class Limits(Struct, gc=False):
    """The server's limits: bytes of text in a message, bytes in a line, seconds of silence."""

    text: Positive
    frame: Positive
    silence: Positive


class Challenge(Struct, tag_field="t", tag="challenge", gc=False):
    """Asks for a proof of the key: the fields go into :class:`chatcli.protocol.keys.Claim`."""

    nonce: str
    server: str
    key: str


class ReadPosition(Struct, gc=False):
    """The user has read the conversation ``of`` a person or a room up to ``seq``."""

    of: str
    seq: Seq


class Welcome(Struct, tag_field="t", tag="welcome", gc=False):
    """The client is logged in: the name as registered, the newest ``seq`` of the log, and the start of this feed.

    ``rooms`` are the user's rooms, ``invited`` those that they may enter by invitation. ``revision`` is the server's.

    ``epoch`` names the log: it changes when the log is restored from a backup, since messages get the same numbers
    again. Up to ``shared`` the log is the same as that of the ``epoch`` in ``hello``; it is 0 if that is unknown.

    ``read`` is the ``seq`` up to which the user has read all conversations, except for those in ``reads``, which have
    positions of their own. (``reads`` is empty for clients below revision 1 and those without a feed.)

    ``scope`` is that of the token, missing for a key, and ``to`` are the rooms and people that it is limited to,
    missing for everywhere.
    """

    user: str
    head: Seq
    cursor: Seq
    server: str
    limits: Limits
    rooms: list[str] = []
    invited: list[str] = []
    revision: Number = 0
    epoch: str = ""
    shared: Seq = 0
    read: Seq = 0
    reads: list[ReadPosition] = []
    scope: Scope | UnsetType = UNSET
    to: list[str] | UnsetType = UNSET


class Sent(Struct, tag_field="t", tag="sent", gc=False):
    """The message is on disk; ``delivered`` if it was sent to a live connection of somebody else at that moment."""

    id: str
    seq: Seq
    at: Time
    outcome: Outcome


class Message(Struct, tag_field="t", tag="message", gc=False, omit_defaults=True):
    """One message of the user's feed, in the order of ``seq``; ``re`` is the ``seq`` of the message that it answers.

    With ``choices`` it is a question, open ``until`` that time; with an ``answer`` it is the answer to the question
    ``re``: the number of a choice, or -1 if it was declined, or withdrawn by its asker.
    """

    seq: Seq
    id: str
    sender: str = field(name="from")
    to: str
    text: str
    at: Time
    re: Seq | None = None
    choices: Sequence[str] = ()
    until: Time | None = None
    answer: Choice | None = None


class Live(Struct, tag_field="t", tag="live", gc=False):
    """The feed has caught up: everything up to this ``seq`` was sent, and from now on messages come as committed."""

    seq: Seq


class Skipped(Struct, tag_field="t", tag="skipped", gc=False):
    """``count`` messages of a room were skipped (``newest`` in ``hello``); ``history`` before ``before`` has them."""

    to: str
    count: Number
    before: Seq


class Read(Struct, tag_field="t", tag="read", gc=False, omit_defaults=True):
    """On another connection the user has read the conversation ``of`` up to this ``seq``.

    With ``back`` the messages after it are unread, even if they were read before. Without ``of``: all conversations;
    clients below revision 1 get no others.
    """

    seq: Seq
    of: str = ""
    back: bool = False


class Receipt(Struct, tag_field="t", tag="receipt", gc=False, omit_defaults=True):
    """Someone has seen everything up to ``seq`` in a conversation: with them, or in the room ``to`` after ``since``.

    ``received`` is the newest message there that a client of theirs has received.
    """

    user: str
    seq: Seq
    to: str = ""
    since: Seq = 0
    received: Seq = 0


class Person(Struct, gc=False, omit_defaults=True):
    """A person and their presence since a time; ``text`` is their away message.

    ``idle`` is the time since when nobody has touched any of their clients; missing if somebody has.
    """

    user: str
    since: Time
    state: Where = "here"
    text: str = ""
    idle: Time = 0


class People(Struct, tag_field="t", tag="who", gc=False, omit_defaults=True):
    """The answer to ``who``: everyone who is here, belongs to the room ``to``, or is the person ``to``, by name.

    ``count`` is the total if a limit has shortened the list.
    """

    people: list[Person]
    to: str = ""
    count: Number = 0
    n: Number = 0


class Presence(Struct, tag_field="t", tag="presence", gc=False, omit_defaults=True):
    """People who came, left or went away from the keyboard since the last such frame.

    Only those who share a room of moderate size with the user, or are among their recent contacts.
    """

    here: list[str] = []
    gone: list[str] = []
    away: list[Person] = []


class RoomInfo(Struct, gc=False, omit_defaults=True):
    """A room: its number of members, whether the user is a member or invited, and the start of its last message."""

    name: str
    kind: RoomKind
    members: Number
    topic: str = ""
    owners: list[str] = []
    joined: bool = False
    invited: bool = False
    last: Message | None = None


class Room(Struct, tag_field="t", tag="room", gc=False):
    """The answer to ``join``: the user is a member and gets the room's messages after ``since``."""

    room: RoomInfo
    since: Seq
    n: Number = 0


class RoomList(Struct, tag_field="t", tag="rooms", gc=False):
    """The answer to ``rooms``, by name; ``more`` if others follow."""

    rooms: list[RoomInfo]
    more: bool = False
    n: Number = 0


class Happened(Struct, tag_field="t", tag="happened", gc=False, omit_defaults=True):
    """An event in one of the user's rooms, or about the user: ``by`` did it to ``user``."""

    room: str
    what: Happening
    user: str = ""
    by: str = ""
    text: str = ""


class NameChange(Struct, tag_field="t", tag="renewed", gc=False, omit_defaults=True):
    """A name that the user talks with has another key or another owner.

    ``key``: its owner has added a device. ``recovered``: an operator has given it a new key, for the same person.
    ``released``: an operator has freed it. ``taken``: someone has taken a name that was freed. ``seq`` is the change's
    own place in the log, in the order of the messages; ``by`` is the operator, or "operator".
    """

    user: str
    what: Renewal
    at: Time
    seq: Seq
    by: str = ""


class HistoryPage(Struct, tag_field="t", tag="history", gc=False):
    """The answer to ``history``, the oldest first; ``more`` if there are older ones, or with ``forward`` newer ones.

    ``changes`` are those of the other person's name in the time of these messages.
    """

    of: str
    messages: list[Message]
    more: bool
    n: Number = 0
    changes: list[NameChange] | UnsetType = UNSET


class Found(Struct, tag_field="t", tag="search", gc=False):
    """The answer to ``search``, the newest first; ``more`` if there are older ones."""

    messages: list[Message]
    more: bool
    n: Number = 0


class ReceiptList(Struct, tag_field="t", tag="receipts", gc=False):
    """The answer to ``receipts``: one of each person there."""

    to: str
    people: list[Receipt]
    n: Number = 0


class Answered(Struct, tag_field="t", tag="answer", gc=False, omit_defaults=True):
    """The answer to ``answers``: the message that answers the question ``re``, or None yet.

    If there was none, another such frame with ``n`` 0 follows when the answer comes.
    """

    re: Seq
    message: Message | None = None
    n: Number = 0


class UnreadCount(Struct, gc=False, omit_defaults=True):
    """The number of unread messages in a conversation, and of those that mention the user; the newest is ``seq``."""

    of: str
    count: Number
    seq: Seq
    mentions: Number = 0


class UnreadList(Struct, tag_field="t", tag="unread", gc=False):
    """The answer to ``unread``: conversations with unread messages, the newest first.

    ``cursor`` is the ``seq`` up to which some client of the user has received everything. A ``count`` of 1000 means
    1000 or more; with very many conversations the oldest are omitted.
    """

    cursor: Seq
    conversations: list[UnreadCount]
    n: Number = 0


class ConversationInfo(Struct, gc=False, omit_defaults=True):
    """A conversation with a person or in a room.

    ``last`` is its newest message that the user may read, with the start of its text; ``unread`` the number of
    messages after ``read``, and ``mentions`` of those in a room that mention the user. 1000 means 1000 or more.
    """

    of: str
    last: Message | None = None
    unread: Number = 0
    mentions: Number = 0
    read: Seq = 0


class ConversationList(Struct, tag_field="t", tag="conversations", gc=False):
    """The answer to ``conversations``, that with the newest message first; ``more`` if there are older ones."""

    conversations: list[ConversationInfo]
    more: bool = False
    n: Number = 0


class LinkCode(Struct, tag_field="t", tag="link", gc=False):
    """The answer to ``link``: a code that can be used once, until that time."""

    code: str
    until: Time
    n: Number = 0


class KeyInfo(Struct, gc=False, omit_defaults=True):
    """One of a user's keys, when it was added, and the label of its device."""

    fingerprint: str
    since: Time
    device: str = ""


class KeyList(Struct, tag_field="t", tag="keys", gc=False):
    """The answer to ``keys``, the oldest first."""

    keys: list[KeyInfo]
    n: Number = 0


class Token(Struct, tag_field="t", tag="token", gc=False, omit_defaults=True):
    """The answer to ``token``: the token, which is said this once, its ``id``, and its end."""

    token: str
    id: str
    until: Time | None = None
    n: Number = 0


class TokenInfo(Struct, gc=False, omit_defaults=True):
    """One of a user's tokens.

    ``used`` is the day of the last login with it, the beginning of that day in UTC; ``key`` is the fingerprint of the
    key that made it, empty if an operator of the server did.
    """

    id: str
    scope: Scope
    since: Time
    label: str = ""
    limited: bool = False
    to: list[str] = []
    until: Time | None = None
    used: Time | None = None
    key: str = ""


class TokenList(Struct, tag_field="t", tag="tokens", gc=False):
    """The answer to ``tokens``, the oldest first."""

    tokens: list[TokenInfo]
    n: Number = 0


class Done(Struct, tag_field="t", tag="done", gc=False):
    """The request was carried out and is on disk."""

    n: Number = 0


class Pong(Struct, tag_field="t", tag="pong", gc=False, omit_defaults=True):
    """The answer to ``ping``, with the same ``n``."""

    n: Number = 0


class ServerBye(Struct, tag_field="t", tag="bye", gc=False):
    """The server closes the connection; ``text`` says why in a sentence for people."""

    code: str
    text: str


class Error(Struct, tag_field="t", tag="error", gc=False, omit_defaults=True):
    """A request failed; ``id`` or ``n`` identifies it, ``text`` is a sentence for people."""

    code: str
    text: str
    id: str | None = None
    n: Number | None = None
    names: list[str] = []


ClientFrame = (
    Hello
    | Prove
    | Send
    | Check
    | Ack
    | MarkRead
    | Who
    | Away
    | Idle
    | Join
    | Leave
    | Topic
    | Rooms
    | History
    | Search
    | Receipts
    | Answers
    | Unread
    | Conversations
    | Link
    | Keys
    | Revoke
    | MakeToken
    | Tokens
    | RevokeToken
    | Operate
    | Ping
    | Bye
)
ServerFrame = (
    Challenge
    | Welcome
    | Sent
    | Message
    | Live
    | Skipped
    | Read
    | Receipt
    | People
    | Presence
    | Room
    | RoomList
    | Happened
    | NameChange
    | HistoryPage
    | Found
    | ReceiptList
    | Answered
    | UnreadList
    | ConversationList
    | LinkCode
    | KeyList
    | Token
    | TokenList
    | Done
    | Pong
    | ServerBye
    | Error
)
