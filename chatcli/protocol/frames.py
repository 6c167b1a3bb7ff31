"""The frames of protocol version 1, one class each, tagged by ``t`` on the wire.

Times are integers: milliseconds since 1970-01-01 UTC. A ``seq`` is a message's place in the log: positive, 64 bits,
strictly increasing, with gaps. Unknown fields are ignored, so that later versions can add some.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

VERSION: Final = 1
MAX_FRAME: Final = 64 * 1024  # bytes in one line, its newline included
MAX_TEXT: Final = 32 * 1024  # bytes of UTF-8 in one message, unless the server is told otherwise

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]  # exact in every JSON reader

Time = Annotated[int, Meta(ge=0, le=253_370_764_800_000)]  # up to the year 9999
Positive = Annotated[int, Meta(ge=1, le=2**31 - 1)]

Purpose = Literal["join", "listen", "send", "query"]
Outcome = Literal["delivered", "stored"]
Operation = Literal["kick", "ban", "unban", "mute", "unmute"]
Present = Literal["refuse", "takeover", "attach"]


class Hello(Struct, tag_field="t", tag="hello", gc=False, omit_defaults=True):
    """First frame of a client.

    ``key`` is the Ed25519 public key that the client will prove. ``since`` resumes behind that ``seq``; without it the
    feed starts behind what this user has acknowledged. ``present`` says what to do if the user's ``join`` is open
    elsewhere; one of the same ``client`` (made anew with each start) is replaced in any case. ``link`` is a code from
    another device of the user, ``invite`` one from the operator.
    """

    version: Number
    user: str = ""
    purpose: Purpose = "join"
    key: str = ""
    since: Seq | None = None
    present: Present = "refuse"
    client: str = ""
    link: str = ""
    invite: str = ""


class Prove(Struct, tag_field="t", tag="prove", gc=False):
    """Answers ``challenge``: the signature of :func:`chatcli.protocol.keys.signed_bytes`."""

    signature: str


class Send(Struct, tag_field="t", tag="send", gc=False):
    """A message to one recipient; ``id`` is a UUID made by the client and the same in every retry."""

    id: str
    to: str
    text: str


class Ack(Struct, tag_field="t", tag="ack", gc=False):
    """Every ``message`` up to this ``seq`` was shown to the user."""

    seq: Seq


class Who(Struct, tag_field="t", tag="who", gc=False, omit_defaults=True):
    """Asks who is here; the answer carries the same ``n``."""

    n: Number = 0


class Link(Struct, tag_field="t", tag="link", gc=False, omit_defaults=True):
    """Asks for a code with which another device of the user can add its key."""

    n: Number = 0


class Keys(Struct, tag_field="t", tag="keys", gc=False, omit_defaults=True):
    """Asks for the user's keys."""

    n: Number = 0


class Revoke(Struct, tag_field="t", tag="revoke", gc=False, omit_defaults=True):
    """Takes one of the user's keys away; its connections are closed."""

    key: str
    n: Number = 0


class Operate(Struct, tag_field="t", tag="operate", gc=False, omit_defaults=True):
    """An operator sends someone away, keeps them out or silences them; the answer is ``done``."""

    do: Operation
    to: str
    seconds: Positive | None = None
    reason: str = ""
    n: Number = 0


class Ping(Struct, tag_field="t", tag="ping", gc=False, omit_defaults=True):
    """Asks for a ``pong``; to be said whenever nothing else was for a third of ``limits.silence``."""

    n: Number = 0


class Bye(Struct, tag_field="t", tag="bye", gc=False):
    """The client leaves; the server answers with its own ``bye`` and closes."""


class Limits(Struct, gc=False):
    """What the server takes: bytes of text in a message, bytes in a line, seconds of silence."""

    text: Positive
    frame: Positive
    silence: Positive


class Challenge(Struct, tag_field="t", tag="challenge", gc=False):
    """Asks for a proof of the key: sign these, see :class:`chatcli.protocol.keys.Claim`."""

    nonce: str
    server: str
    key: str


class Welcome(Struct, tag_field="t", tag="welcome", gc=False):
    """The client is in: the name as owned, the newest ``seq`` of the log, and where this session's feed starts."""

    user: str
    head: Seq
    cursor: Seq
    server: str
    limits: Limits


class Sent(Struct, tag_field="t", tag="sent", gc=False):
    """The message is on disk; ``delivered`` if a connection of the recipient was handed it at that moment."""

    id: str
    seq: Seq
    at: Time
    outcome: Outcome


class Message(Struct, tag_field="t", tag="message", gc=False):
    """One message of the user's feed, in the order of ``seq``."""

    seq: Seq
    id: str
    sender: str = field(name="from")
    to: str
    text: str
    at: Time


class Live(Struct, tag_field="t", tag="live", gc=False):
    """The feed has caught up: all of it up to this ``seq`` was sent, and from now on it comes as it is committed."""

    seq: Seq


class Person(Struct, gc=False):
    """Someone who is here, and since when."""

    user: str
    since: Time


class People(Struct, tag_field="t", tag="who", gc=False):
    """The answer to ``who``: everyone who is here, by name."""

    people: list[Person]
    n: Number = 0


class Presence(Struct, tag_field="t", tag="presence", gc=False):
    """Who came and who went since the last such frame."""

    here: list[str] = []
    gone: list[str] = []


class LinkCode(Struct, tag_field="t", tag="link", gc=False):
    """The answer to ``link``: a code to be used once, until that time."""

    code: str
    until: Time
    n: Number = 0


class KeyInfo(Struct, gc=False):
    """One of a user's keys, and since when."""

    fingerprint: str
    since: int


class KeyList(Struct, tag_field="t", tag="keys", gc=False):
    """The answer to ``keys``, the oldest first."""

    keys: list[KeyInfo]
    n: Number = 0


class Done(Struct, tag_field="t", tag="done", gc=False):
    """What was asked for has been done, and is on disk."""

    n: Number = 0


class Pong(Struct, tag_field="t", tag="pong", gc=False, omit_defaults=True):
    """The answer to ``ping``, with the same ``n``."""

    n: Number = 0


class ServerBye(Struct, tag_field="t", tag="bye", gc=False):
    """The server closes the connection; ``text`` says why in a sentence for people."""

    code: str
    text: str


class Error(Struct, tag_field="t", tag="error", gc=False, omit_defaults=True):
    """Something was not done; ``id`` or ``n`` names the frame it answers, ``text`` is a sentence for people."""

    code: str
    text: str
    id: str | None = None
    n: Number | None = None
    names: list[str] = []


ClientFrame = Hello | Prove | Send | Ack | Who | Link | Keys | Revoke | Operate | Ping | Bye
ServerFrame = (
    Challenge
    | Welcome
    | Sent
    | Message
    | Live
    | People
    | Presence
    | LinkCode
    | KeyList
    | Done
    | Pong
    | ServerBye
    | Error
)
