"""The records that ``--json`` prints; ``docs/schema.json`` and ``docs/json.md`` are made of them.

:func:`chatcli.cli.output.tables.print_json` prints a record; :mod:`chatcli.cli.output.schema` lists the commands. No
field has a default: the output always contains all of them. Administrators' records have a module of their own, so that
the other commands need not import theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct, field

from chatcli.cli.output.times import moment

if TYPE_CHECKING:
    from chatcli.protocol import frames


def about(text: str) -> Meta:
    """Return the description of a field, for the pages."""
    return Meta(description=text)


#: As :func:`chatcli.cli.output.times.moment` writes it.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Seq = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]


class Message(Struct, frozen=True, kw_only=True):
    """A message, a question or an answer to one."""

    seq: Annotated[Seq, about("its place in the log: for `--before`, `--since` and `--reply-to`")]
    id: Annotated[str, about("the UUID that its sender gave it")]
    sender: Annotated[Name, about("who said it")] = field(name="from")
    to: Annotated[Name, about("to whom: a person, or a room, which begins with `#`")]
    text: Annotated[str, about("what; of an answer, the words of the choice")]
    at: Annotated[Time, about("when the server took it")]
    re: Annotated[Seq | None, about("the `seq` of the message that it answers")]
    choices: Annotated[list[str], about("of a question, what can be answered; otherwise empty")]
    until: Annotated[Time | None, about("of a question, when its time is over; null if it has all the time")]
    answer: Annotated[
        Annotated[int, Meta(ge=-1)] | None,
        about("of the answer to a question, which of its `choices`, from 0; -1 if it was declined or withdrawn"),
    ]


class Failure(Struct, frozen=True):
    """Why something was not done."""

    code: Annotated[str, about("a word that stays the same: a [code of the protocol](protocol.md#codes), or another")]
    text: Annotated[str, about("a sentence for people")]


class Sent(Struct, frozen=True, kw_only=True):
    """What became of a message to one of its recipients."""

    to: Annotated[Name, about("who, or which room")]
    outcome: Annotated[
        Literal["delivered", "stored", "spooled", "failed", "unknown"],
        about(
            "`delivered` or `stored`: the server has it on disk, and with --wait `delivered` means that it was shown; "
            "`spooled`: it is in this machine's outbox; `failed`: it is nowhere; `unknown`: the connection broke "
            "before the answer"
        ),
    ]
    id: Annotated[str, about("the UUID that it was given")]
    seq: Annotated[Seq | None, about("its place in the log; null if the server does not have it")]
    at: Annotated[Time | None, about("when the server took it; null if it has not")]
    error: Annotated[
        Failure | None,
        about(
            "what went wrong; its code may also be `unreachable`, `not_trusted`, `held_back` (another recipient cannot"
            " get it), `not_in_time` or `unexpected`, which are not the server's"
        ),
    ]
    status: Annotated[Count, about("what the exit status were, if there were only this recipient")]


class Waiting(Struct, frozen=True, kw_only=True):
    """A message that waits in the outbox of this machine."""

    id: Annotated[str, about("its UUID: for `outbox drop` and `outbox retry`")]
    at: Annotated[Time | None, about("when it was written; null if that is not known")]
    user: Annotated[str | None, about("who wrote it; null if that is not known")]
    server: Annotated[str | None, about("for which server; null if that is not known")]
    to: Annotated[Name, about("to whom, or to which room")]
    text: Annotated[str, about("what")]
    re: Annotated[Seq | None, about("the `seq` of the message that it answers")]
    state: Annotated[Literal["waiting", "refused"], about("whether it will be sent, or is only kept")]
    error: Annotated[Failure | None, about("why the server has refused it")]


class Heard(Message, frozen=True, kw_only=True):
    """A message that was listened for."""

    replayed: Annotated[bool, about("whether it may have been handed on before: after a failure, or from further back")]


class Unread(Struct, frozen=True):
    """What is unread of one conversation."""

    of: Annotated[Name, about("the person or the room")]
    count: Annotated[Count, about("how many messages; 1000 means that, or more")]
    seq: Annotated[Seq, about("the newest of them")]


class Status(Struct, frozen=True, kw_only=True):
    """How you are connected, and what is unread; null or empty is what only the server knows, if it is not reached."""

    server: Annotated[str, about("its address")]
    reachable: Annotated[bool, about("whether it answered")]
    key: Annotated[str | None, about("the fingerprint of its key; null where it is on this machine and shows none")]
    trust: Annotated[
        Literal["plain", "pinned", "known", "vouched"] | None,
        about("why: on this machine, its key is pinned, its key is known, an authority vouches for it"),
    ]
    user: Annotated[Name, about("who you are there")]
    fingerprint: Annotated[str, about("of your key")]
    cursor: Annotated[Annotated[int, Meta(ge=0)] | None, about("up to where you were shown everything")]
    head: Annotated[Annotated[int, Meta(ge=0)] | None, about("the newest message of the log")]
    unread: Annotated[
        Count | None, about("how many messages you were not shown: of others, and what you sent to yourself")
    ]
    conversations: Annotated[list[Unread], about("the same by conversation, the newest first")]
    spooled: Annotated[Count, about("how many messages wait here to be sent there")]


class Room(Struct, frozen=True, kw_only=True):
    """A room."""

    room: Annotated[Name, about("its name, with the `#`")]
    kind: Annotated[Literal["open", "announcement", "private"], about("who may enter and write")]
    members: Annotated[Count, about("how many belong to it")]
    topic: Annotated[str, about("what it is about; may be empty")]
    owners: Annotated[list[str], about("who owns it")]
    joined: Annotated[bool, about("whether you belong to it")]
    invited: Annotated[bool, about("whether you may enter by invitation")]
    last: Annotated[Message | None, about("the newest message that you may read there; of its text, the beginning")]


class Person(Struct, frozen=True):
    """Someone who is in the chat, or belongs to a room."""

    user: Annotated[Name, about("the name")]
    state: Annotated[Literal["here", "away", "gone"], about("in the chat, there but away from the keyboard, or not")]
    since: Annotated[Time | None, about("since when; null if that is not known")]
    text: Annotated[str, about("what they said of being away; may be empty")]


class Key(Struct, frozen=True):
    """A key that your name belongs to."""

    fingerprint: Annotated[str, about("of the key, as `SHA256:` and 43 characters")]
    since: Annotated[Time, about("when it was added")]


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a question."""

    answer: Annotated[str | None, about("the words of the choice; null if it was declined")]
    choice: Annotated[Count | None, about("its number, from 0; null if it was declined")]
    by: Annotated[Name, about("who answered")]
    seq: Annotated[Seq, about("the place of the answer in the log")]
    at: Annotated[Time, about("when it was given")]
    question: Annotated[Seq, about("the place of the question in the log")]


class OwnKey(Struct, frozen=True):
    """Your key."""

    fingerprint: Annotated[str, about("of the key, as `SHA256:` and 43 characters")]


class LinkCode(Struct, frozen=True):
    """A code that lets another device of yours in."""

    code: Annotated[str, about("what that device needs")]
    until: Annotated[Time, about("until when it is good")]
    command: Annotated[str, about("what to say on that device")]


class Latency(Struct, frozen=True):
    """How long it took, in milliseconds: what half of all, 90 % and 99 % were not above, and the longest."""

    p50: Annotated[float, about("what half of them were not above, to a sixteenth of it, as the next two")]
    p90: Annotated[float, about("what 90 % were not above")]
    p99: Annotated[float, about("what 99 % were not above")]
    max: Annotated[float, about("the longest")]


class Measured(Struct, frozen=True, kw_only=True):
    """What was measured of a server under one load."""

    scenario: Annotated[
        Literal["pairs", "room", "paced", "idle", "connect", "catch-up"],
        about("the load: see [`chatcli bench`](cli.md#chatcli-bench)"),
    ]
    clients: Annotated[Seq, about("pairs, members of the room, or connections")]
    window: Annotated[Seq | None, about("messages of a speaker that were on their way at once; null without such")]
    speakers: Annotated[Seq | None, about("who spoke in the room; null without one")]
    rate: Annotated[Seq | None, about("messages a second that were asked for; null if as many as possible")]
    text: Annotated[Seq, about("bytes in a message")]
    tls: Annotated[bool, about("whether the connections were encrypted")]
    seconds: Annotated[float, about("for which it was measured")]
    sent: Annotated[Count, about("messages said from the first to the last, those before the measurement included")]
    acknowledged: Annotated[Count, about("of them, those that the server said it has")]
    received: Annotated[Count, about("messages that came for them, or connections that were made")]
    per_second: Annotated[
        float | None, about("messages that came, or connections that were made, in a second; null where none were to")
    ]
    latency: Annotated[
        Latency | None,
        about(
            "from sending to receiving; with `connect` from dialling to the welcome, with `catch-up` to having read"
            " all; null if nothing came, and in a room if nobody only listened"
        ),
    ]
    server_cpu: Annotated[float | None, about("of the server, in percent of a core; null if its process is not known")]
    generator_cpu: Annotated[float, about("of all processes that made the load, in percent of a core")]
    workers: Annotated[Seq, about("how many of these there were")]
    limited: Annotated[
        bool, about("whether they were busy more than 90 % of it, or kept no pace: they may have been what limits")
    ]
    memory: Annotated[Count | None, about("the server's at the end, resident, in bytes; null if it is not known")]
    memory_each: Annotated[
        int | None, about("by how much it has grown for a connection, in bytes; null but with `idle`")
    ]


def of_message(message: frames.Message) -> Message:
    """Return the record of a message."""
    return Message(**_fields(message))


def of_delivery(message: frames.Message, *, replayed: bool) -> Heard:
    """Return the record of a message that a listener received."""
    return Heard(**_fields(message), replayed=replayed)


def _fields(message: frames.Message) -> dict[str, Any]:
    return {
        "seq": message.seq,
        "id": message.id,
        "sender": message.sender,
        "to": message.to,
        "text": message.text,
        "at": moment(message.at),
        "re": message.re,
        "choices": list(message.choices),
        "until": None if message.until is None else moment(message.until),
        "answer": message.answer,
    }


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


def of_person(person: frames.Person) -> Person:
    """Return the record of a person."""
    return Person(person.user, person.state, moment(person.since) if person.since else None, person.text)
