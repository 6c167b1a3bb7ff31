"""The records of ``chatcli admin … --json``, a class for each command."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from chatcli.cli.output.records import Count, Name, Time, about

Closed = Annotated[Count, about("how many connections were closed")]
Until = Annotated[Time | None, about("until when; null: for ever")]
Fingerprint = Annotated[str, about("of the server's key")]
Access = Annotated[Literal["open", "invite"], about("who may take a free name")]
Messages = Annotated[Count, about("how many messages are in it")]
File = Annotated[str, about("where it was written")]


class ServerStatus(Struct, frozen=True, kw_only=True):
    """How the server is."""

    version: Annotated[str, about("of chatcli")]
    since: Annotated[Time, about("since when it runs")]
    addresses: Annotated[list[str], about("where it listens")]
    key: Fingerprint
    certificate: Annotated[str, about('"good", or what is wrong with it, or will be within two weeks')]
    certificate_expires: Annotated[Time, about("when it ceases to be valid")]
    access: Access
    connections: Annotated[Count, about("how many are open")]
    here: Annotated[Count, about("how many people are in the chat")]
    users: Annotated[Count, about("how many people there are")]
    messages: Annotated[Count, about("the newest place in the log")]
    waiting_bytes: Annotated[Count, about("what is not on disk yet")]
    log: Annotated[str, about('"writable", or why the last attempt to write it failed')]
    log_since: Annotated[Time | None, about("since when it cannot be written")]
    log_damaged: Annotated[Count, about("how often something could not be read, because the file is damaged")]
    log_bytes: Annotated[Count, about("how much room the log's files take")]
    banned: Annotated[list[str], about("names and fingerprints")]
    invitations: Annotated[Count, about("how many are open")]


class User(Struct, frozen=True, kw_only=True):
    """Someone who was ever here."""

    user: Annotated[Name, about("the name")]
    here: Annotated[bool, about("whether they are in the chat")]
    connections: Annotated[Count, about("how many of theirs are open")]
    operator: Annotated[bool, about("whether they are one")]
    muted: Annotated[bool, about("whether they may not write")]
    banned: Annotated[bool, about("whether they are kept out")]
    keys: Annotated[list[str], about("fingerprints of the keys that the name belongs to")]


class Kicked(Struct, frozen=True):
    """Someone was sent away."""

    user: Annotated[Name, about("who")]
    closed: Closed


class Banned(Struct, frozen=True):
    """A name or a key is kept out."""

    banned: Annotated[Name, about("the name, or the fingerprint")]
    until: Until
    closed: Closed


class Unbanned(Struct, frozen=True):
    """A ban was taken back."""

    unbanned: Annotated[Name, about("the name, or the fingerprint")]
    was_banned: Annotated[bool, about("whether there was a ban")]


class Muted(Struct, frozen=True):
    """Someone may read, but not write."""

    muted: Annotated[Name, about("who")]
    until: Until


class Unmuted(Struct, frozen=True):
    """Someone may write again."""

    unmuted: Annotated[Name, about("who")]
    was_muted: Annotated[bool, about("whether they could not")]


class Operator(Struct, frozen=True):
    """Someone was made an operator."""

    operator: Annotated[Name, about("who")]


class NoOperator(Struct, frozen=True):
    """Someone is an operator no longer."""

    user: Annotated[Name, about("who")]
    was_operator: Annotated[bool, about("whether they were one")]


class Released(Struct, frozen=True):
    """A name was made free for another key."""

    released: Annotated[Name, about("which")]
    closed: Closed


class Invitation(Struct, frozen=True, kw_only=True):
    """An invitation for newcomers."""

    code: Annotated[str, about("what they need")]
    uses: Annotated[int, about("how many of them may use it")]
    until: Annotated[Time, about("until when it is good")]
    addresses: Annotated[list[str], about("where the server listens")]
    key: Fingerprint
    access: Access
    command: Annotated[str, about("for a newcomer to paste")]


class Backup(Struct, frozen=True):
    """A copy of the log."""

    file: File
    messages: Messages
    bytes: Annotated[Count, about("how large it is")]


class Export(Struct, frozen=True):
    """An export that went into a file; without `--output`, standard output is the archive itself."""

    file: File
    messages: Messages
    unread: Annotated[Count, about("how many places of a damaged log could not be read")]


class Import(Struct, frozen=True):
    """What came into the log with an archive."""

    messages: Annotated[Count, about("how many messages are new")]
    known: Annotated[Count, about("how many messages were there already")]
    users: Annotated[Count, about("how many people are new")]
    rooms: Annotated[Count, about("how many rooms are new")]


class Checked(Struct, frozen=True):
    """One of the things that were looked at."""

    what: Annotated[str, about("what must hold")]
    findings: Annotated[list[str], about("sentences that say where it does not; empty if all is well")]
