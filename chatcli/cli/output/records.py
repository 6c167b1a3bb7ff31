"""The records that ``--json`` prints, but for messages: those are in :mod:`chatcli.protocol.records`.

``docs/schema.json`` and ``docs/json.md`` are made of them. :func:`chatcli.cli.output.tables.print_json` prints one;
:mod:`chatcli.cli.output.schema` lists the commands. No field has a default: the output always contains all of them.
Administrators' records have a module of their own, so that the other commands need not import theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from chatcli.protocol.records import Count, Message, Name, Seq, Time, about, moment, of_message

if TYPE_CHECKING:
    from chatcli.protocol import frames


class Person(Struct, frozen=True):
    """A person, and where they are."""

    user: Annotated[Name, about("the name")]
    state: Annotated[
        Literal["here", "away", "gone"], about("in the chat, in it but away from the keyboard, or not in it")
    ]
    since: Annotated[Time | None, about("the time since which the state holds; null if that is not known")]
    text: Annotated[str, about("their away message; may be empty")]
    idle: Annotated[
        Time | None,
        about("the time since when nobody has touched any of their clients; null if somebody has, or it is not known"),
    ]


class Failure(Struct, frozen=True):
    """The reason for a failure."""

    code: Annotated[str, about("a word that stays the same: a [code of the protocol](protocol.md#codes), or another")]
    text: Annotated[str, about("a sentence for people")]


class Sent(Struct, frozen=True, kw_only=True):
    """The outcome of a message to one of its recipients."""

    to: Annotated[Name, about("the recipient: a person or a room")]
    outcome: Annotated[
        Literal["seen", "delivered", "stored", "spooled", "failed", "unknown"],
        about(
            "the server has it on disk, and `seen`: the person, or somebody else in the room, has read it (only with "
            "--wait seen); `delivered`: a client of theirs has it; `stored`: they get it when they are back. Or else "
            "`spooled`: it is in this machine's outbox; `failed`: it is nowhere; `unknown`: the connection broke "
            "before the answer"
        ),
    ]
    id: Annotated[str, about("the message's UUID")]
    seq: Annotated[Seq | None, about("the message's place in the log; null if the server does not have it")]
    at: Annotated[Time | None, about("the time when the server accepted it; null if it did not")]
    error: Annotated[
        Failure | None,
        about(
            "what went wrong; its code may also be `unreachable`, `not_trusted`, `held_back` (another recipient cannot"
            " get it), `not_in_time` or `unexpected`, which are not the server's"
        ),
    ]
    status: Annotated[Count, about("the exit status, if this were the only recipient")]
    person: Annotated[
        Person | None,
        about("where the person is; null for a room, for more than ten recipients, and if it is not known"),
    ]


class Waiting(Struct, frozen=True, kw_only=True):
    """A message that waits in the outbox of this machine."""

    id: Annotated[str, about("its UUID: for `outbox drop` and `outbox retry`")]
    at: Annotated[Time | None, about("the time when it was written; null if that is not known")]
    user: Annotated[str | None, about("the sender; null if that is not known")]
    server: Annotated[str | None, about("the server; null if that is not known")]
    to: Annotated[Name, about("the recipient: a person or a room")]
    text: Annotated[str, about("the text")]
    re: Annotated[Seq | None, about("the `seq` of the message that it answers")]
    state: Annotated[Literal["waiting", "refused"], about("whether it will be sent, or is only kept")]
    error: Annotated[Failure | None, about("the reason why the server refused it")]


class Unread(Struct, frozen=True):
    """The unread messages of one conversation."""

    of: Annotated[Name, about("the person or the room")]
    count: Annotated[Count, about("the number of messages; 1000 means 1000 or more")]
    seq: Annotated[Seq, about("the newest of them")]
    mentions: Annotated[Count, about("the number of them that mention you in a room")]


class Status(Struct, frozen=True, kw_only=True):
    """Your connection and unread messages; what only the server knows is null or empty if it is not reached."""

    server: Annotated[str, about("its address")]
    reachable: Annotated[bool, about("whether it answered")]
    key: Annotated[str | None, about("the fingerprint of its key; null if it is on this machine and shows none")]
    trust: Annotated[
        Literal["plain", "pinned", "known", "vouched"] | None,
        about(
            "the reason to trust it: it is on this machine, its key is pinned, its key is known, or an authority "
            "vouches for it"
        ),
    ]
    user: Annotated[Name, about("your name there")]
    fingerprint: Annotated[str | None, about("the fingerprint of your key; null with a token")]
    cursor: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        about("the place in the log up to which some client of yours has received everything"),
    ]
    head: Annotated[Annotated[int, Meta(ge=0)] | None, about("the newest message of the log")]
    unread: Annotated[
        Count | None, about("the number of messages that you have not read, from others and from yourself to yourself")
    ]
    mentions: Annotated[Count | None, about("the number of these that mention you in a room")]
    conversations: Annotated[list[Unread], about("the unread messages by conversation, the newest first")]
    spooled: Annotated[Count, about("the number of messages in the outbox for this server")]


class Conversation(Struct, frozen=True, kw_only=True):
    """A conversation with a person, or in a room."""

    of: Annotated[Name, about("the person or the room")]
    unread: Annotated[Count, about("the number of unread messages; 1000 means 1000 or more")]
    mentions: Annotated[Count, about("the number of these that mention you in a room")]
    read: Annotated[Count, about("the place in the log up to which you have read it; 0 if you have not")]
    last: Annotated[Message | None, about("the newest message, with the start of its text; null if it is damaged")]


class Room(Struct, frozen=True, kw_only=True):
    """A room."""

    room: Annotated[Name, about("its name, with the `#`")]
    kind: Annotated[Literal["open", "announcement", "private"], about("who may enter and write")]
    members: Annotated[Count, about("the number of members")]
    topic: Annotated[str, about("the topic; may be empty")]
    owners: Annotated[list[str], about("the names of its owners")]
    joined: Annotated[bool, about("whether you belong to it")]
    invited: Annotated[bool, about("whether you may enter by invitation")]
    last: Annotated[Message | None, about("the newest message that you may read there, with the start of its text")]


class Key(Struct, frozen=True):
    """A key that your name belongs to."""

    fingerprint: Annotated[str, about("the fingerprint of the key: `SHA256:` and 43 characters")]
    since: Annotated[Time, about("the time when it was added")]
    device: Annotated[str, about("the label of the device that added it; empty if there is none")]


class Answer(Struct, frozen=True, kw_only=True):
    """The outcome of a question."""

    answer: Annotated[str | None, about("the words of the choice; null if it was declined")]
    choice: Annotated[Count | None, about("its number, from 0; null if it was declined")]
    by: Annotated[Name, about("the name of the person who answered")]
    seq: Annotated[Seq, about("the place of the answer in the log")]
    at: Annotated[Time, about("the time of the answer")]
    question: Annotated[Seq, about("the place of the question in the log")]
    person: Annotated[Person | None, about("where the person was when they were asked; null for a room")]


class OwnKey(Struct, frozen=True):
    """Your key."""

    fingerprint: Annotated[str, about("the fingerprint of the key: `SHA256:` and 43 characters")]


class LinkCode(Struct, frozen=True):
    """A code with which another device of yours can join."""

    code: Annotated[str, about("the code for that device")]
    until: Annotated[Time, about("the time until which it is valid")]
    command: Annotated[str, about("the command to run on that device")]
    url: Annotated[str, about("the address to open in the browser that is to have the name; it holds the code")]


class Token(Struct, frozen=True):
    """A new token."""

    token: Annotated[str, about("the token, a secret that is shown this once")]
    id: Annotated[str, about("its name, for `key revoke`")]
    until: Annotated[Time | None, about("the time when it ends; null: never")]


class TokenInfo(Struct, frozen=True, kw_only=True):
    """A token that speaks under your name."""

    id: Annotated[str, about("its name, for `key revoke`")]
    scope: Annotated[Literal["send", "read", "all", "metrics", "recover"], about("what it is good for")]
    label: Annotated[str, about("your words for it; may be empty")]
    to: Annotated[list[str] | None, about("the rooms and people that it is limited to; null: everywhere")]
    since: Annotated[Time, about("the time when it was made")]
    until: Annotated[Time | None, about("the time when it ends; null: never")]
    used: Annotated[Time | None, about("the beginning of the day of its last use, in UTC; null: never")]
    key: Annotated[str | None, about("the fingerprint of the key that made it; null: an operator did")]


def of_token(one: frames.TokenInfo) -> TokenInfo:
    """Return the record of a token."""
    return TokenInfo(
        id=one.id,
        scope=one.scope,
        label=one.label,
        to=one.to if one.limited else None,
        since=moment(one.since),
        until=moment(one.until) if one.until else None,
        used=moment(one.used) if one.used else None,
        key=one.key or None,
    )


class Latency(Struct, frozen=True):
    """The latency in milliseconds: the median, the 90th and 99th percentiles, and the longest."""

    p50: Annotated[float, about("the median, rounded to a sixteenth of it, as the next two")]
    p90: Annotated[float, about("the 90th percentile")]
    p99: Annotated[float, about("the 99th percentile")]
    max: Annotated[float, about("the longest")]


class Measured(Struct, frozen=True, kw_only=True):
    """The measurement of a server under one load."""

    scenario: Annotated[
        Literal["pairs", "room", "paced", "idle", "connect", "catch-up"],
        about("the load: see [`chatcli bench`](cli.md#chatcli-bench)"),
    ]
    clients: Annotated[Seq, about("pairs, members of the room, or connections")]
    window: Annotated[Seq | None, about("messages of a speaker in flight at once; null if there were none")]
    speakers: Annotated[Seq | None, about("the number of members who spoke; null without a room")]
    rate: Annotated[Seq | None, about("the requested messages a second; null for as many as possible")]
    text: Annotated[Seq, about("bytes in a message")]
    tls: Annotated[bool, about("whether the connections were encrypted")]
    via: Annotated[Literal["tcp", "ws"], about("the way of the connections: `ws` is TLS within a WebSocket")]
    seconds: Annotated[float, about("the duration of the measurement")]
    sent: Annotated[Count, about("messages sent from the first to the last, with those before the measurement")]
    acknowledged: Annotated[Count, about("the messages among them that the server acknowledged")]
    received: Annotated[Count, about("messages received, or connections made")]
    per_second: Annotated[
        float | None, about("messages received, or connections made, in a second; null if there were to be none")
    ]
    latency: Annotated[
        Latency | None,
        about(
            "from sending to receiving; with `connect` from dialling to the welcome, with `catch-up` until all is "
            "read; null if nothing came, and in a room if every member spoke"
        ),
    ]
    server_cpu: Annotated[
        float | None, about("the processor time of the server, in percent of a core; null if its process is not known")
    ]
    generator_cpu: Annotated[
        float, about("the processor time of all processes that made the load, in percent of a core")
    ]
    workers: Annotated[Seq, about("the number of these processes")]
    limited: Annotated[
        bool,
        about(
            "whether they were busy for over 90 % of the time, or too slow for the rate, and may have been the limit"
        ),
    ]
    memory: Annotated[
        Count | None, about("the resident memory of the server at the end, in bytes; null if it is not known")
    ]
    memory_each: Annotated[
        int | None, about("the growth of that memory for each connection, in bytes; null except with `idle`")
    ]


def of_room(room: frames.RoomInfo) -> Room:
    """Return the record of a room."""
    return Room(
        room=room.name,
        kind=room.kind,
        members=room.members,
        topic=room.topic,
        owners=room.owners,
        joined=room.joined,
        invited=room.invited,
        last=of_message(room.last) if room.last else None,
    )


def of_conversation(one: frames.ConversationInfo) -> Conversation:
    """Return the record of a conversation."""
    last = of_message(one.last) if one.last else None
    return Conversation(of=one.of, unread=one.unread, mentions=one.mentions, read=one.read, last=last)


def of_person(person: frames.Person) -> Person:
    """Return the record of a person."""
    since, idle = (moment(time) if time else None for time in (person.since, person.idle))
    return Person(person.user, person.state, since, person.text, idle)
