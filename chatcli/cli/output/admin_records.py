"""The records of ``chatcli admin … --json``, a class for each command."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from chatcli.cli.output.records import TokenInfo
from chatcli.protocol.records import Count, Name, Time, about

Closed = Annotated[Count, about("the number of closed connections")]
Until = Annotated[Time | None, about("the time when it ends; null: never")]
Fingerprint = Annotated[str, about("the fingerprint of the server's key")]
Access = Annotated[Literal["open", "invite"], about("who may take a free name")]
Messages = Annotated[Count, about("the number of messages in it")]
File = Annotated[str, about("the path of the file")]


class ServerStatus(Struct, frozen=True, kw_only=True):
    """The state of the server."""

    version: Annotated[str, about("the version of chatcli")]
    since: Annotated[Time, about("the time of its start")]
    addresses: Annotated[list[str], about("the addresses where it listens")]
    key: Fingerprint
    certificate: Annotated[str, about('"good", or a sentence on what is wrong with it, or will be within two weeks')]
    certificate_expires: Annotated[Time, about("the time when it expires")]
    access: Access
    connections: Annotated[Count, about("the number of open ones")]
    here: Annotated[Count, about("the number of people in the chat")]
    users: Annotated[Count, about("the number of all users")]
    messages: Annotated[Count, about("the newest place in the log")]
    waiting_bytes: Annotated[Count, about("the bytes that are not on disk yet")]
    log: Annotated[str, about('"writable", or the reason why the last attempt to write it failed')]
    log_since: Annotated[Time | None, about("the time since which it cannot be written")]
    log_damaged: Annotated[Count, about("the number of failed reads of a damaged file")]
    log_bytes: Annotated[Count, about("the size of the log's files in bytes")]
    banned: Annotated[list[str], about("names and fingerprints")]
    invitations: Annotated[Count, about("the number of open ones")]


class User(Struct, frozen=True, kw_only=True):
    """A user of the server."""

    user: Annotated[Name, about("the name")]
    here: Annotated[bool, about("whether they are in the chat")]
    connections: Annotated[Count, about("the number of their open connections")]
    operator: Annotated[bool, about("whether they are an operator")]
    muted: Annotated[bool, about("whether they may not write")]
    banned: Annotated[bool, about("whether they are banned")]
    keys: Annotated[list[str], about("fingerprints of the keys that the name belongs to")]
    devices: Annotated[list[str], about("the labels of their devices, in the same order; empty where there is none")]


class Kicked(Struct, frozen=True):
    """The connections of a user were closed."""

    user: Annotated[Name, about("the name")]
    closed: Closed


class Banned(Struct, frozen=True):
    """A name or a key was banned."""

    banned: Annotated[Name, about("the name, or the fingerprint")]
    until: Until
    closed: Closed


class Unbanned(Struct, frozen=True):
    """A ban was lifted."""

    unbanned: Annotated[Name, about("the name, or the fingerprint")]
    was_banned: Annotated[bool, about("whether there was a ban")]


class Muted(Struct, frozen=True):
    """A user may read, but not write."""

    muted: Annotated[Name, about("the name")]
    until: Until


class Unmuted(Struct, frozen=True):
    """A user may write again."""

    unmuted: Annotated[Name, about("the name")]
    was_muted: Annotated[bool, about("whether they were muted")]


class Operator(Struct, frozen=True):
    """A user was made an operator."""

    operator: Annotated[Name, about("the name")]


class NoOperator(Struct, frozen=True):
    """A user is no longer an operator."""

    user: Annotated[Name, about("the name")]
    was_operator: Annotated[bool, about("whether they were one")]


class Released(Struct, frozen=True):
    """A name was freed for another key."""

    released: Annotated[Name, about("the name")]
    closed: Closed


class Invitation(Struct, frozen=True, kw_only=True):
    """An invitation for newcomers."""

    code: Annotated[str, about("the code for newcomers")]
    uses: Annotated[int, about("the number of newcomers who may use it")]
    until: Annotated[Time, about("the time until which it is valid")]
    addresses: Annotated[list[str], about("the addresses where the server listens")]
    key: Fingerprint
    access: Access
    command: Annotated[str, about("the command for a newcomer to paste")]
    url: Annotated[str, about("the address for a newcomer to open in a browser; it holds the code")]


class Recovery(Struct, frozen=True, kw_only=True):
    """A code for someone whose key is lost."""

    user: Annotated[str, about("the name")]
    code: Annotated[str, about("the code for them; it can be used once")]
    until: Annotated[Time, about("the time until which it is valid")]
    keeps_keys: Annotated[bool, about("whether the keys that the name has now stay valid")]
    new: Annotated[bool, about("whether nobody has had the name yet")]
    addresses: Annotated[list[str], about("the addresses where the server listens")]
    key: Fingerprint
    command: Annotated[str, about("the command for them to paste")]
    url: Annotated[str, about("the address for them to open in a browser; it holds the code")]


class ServiceToken(Struct, frozen=True, kw_only=True):
    """A new token of a name for programs."""

    user: Annotated[str, about("the name")]
    token: Annotated[str, about("the token, a secret that is shown this once")]
    id: Annotated[str, about("its name, for `admin revoke`")]
    scope: Annotated[Literal["send", "read", "all", "metrics"], about("what it is good for")]
    to: Annotated[list[str] | None, about("the rooms and people that it is limited to; null: everywhere")]
    until: Until
    new: Annotated[bool, about("whether the name was made for it")]


class TokenOf(TokenInfo, frozen=True, kw_only=True):
    """A token of a user."""

    user: Annotated[str, about("the name that it speaks under")]


class RevokedToken(Struct, frozen=True, kw_only=True):
    """A token was ended."""

    revoked: Annotated[str, about("its id")]
    user: Annotated[str, about("the name that it spoke under")]
    closed: Closed


class Backup(Struct, frozen=True):
    """A copy of the log."""

    file: File
    messages: Messages
    bytes: Annotated[Count, about("the size of the copy")]


class Restored(Struct, frozen=True, kw_only=True):
    """A backup is the log of the server."""

    file: Annotated[str, about("the path of the backup")]
    messages: Messages
    kept: Annotated[str | None, about("the path of the log that was there; null: there was none")]
    missing_messages: Annotated[Count, about("the number of messages of that log that the backup does not have")]
    missing_names: Annotated[Count, about("the number of its names that the backup does not have")]
    missing_rooms: Annotated[Count, about("the number of its rooms that the backup does not have")]
    unreadable: Annotated[bool, about("whether that log is damaged, so that the three numbers are unknown, and 0")]
    by_hand: Annotated[bool, about("whether the backup is a log's own file, which may lack the newest messages")]
    findings: Annotated[list[str], about("sentences on faults in the contents of the backup")]
    key: Annotated[str | None, about("the fingerprint of the key in the data directory; null: there is none")]
    serve: Annotated[list[str], about("the words of the command that starts the server")]
    options_known: Annotated[bool, about("whether the options of the last start were recorded, and are in it")]


class Export(Struct, frozen=True):
    """An export that went into a file; without `--output`, standard output is the archive itself."""

    file: File
    messages: Messages
    unread: Annotated[Count, about("the number of places in a damaged log that could not be read")]


class Import(Struct, frozen=True):
    """The additions to the log from an archive."""

    messages: Annotated[Count, about("the number of new messages")]
    known: Annotated[Count, about("the number of messages that were there already")]
    users: Annotated[Count, about("the number of new users")]
    rooms: Annotated[Count, about("the number of new rooms")]


class Checked(Struct, frozen=True):
    """One of the checks."""

    what: Annotated[str, about("the condition")]
    findings: Annotated[list[str], about("sentences on each place where it is not met; empty if there is none")]
