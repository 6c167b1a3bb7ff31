"""Writes a log, or some of its conversations, as an archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from chatcli.errors import InputError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.keys import key_text
from chatcli.protocol.values.ids import id_text
from chatcli.protocol.values.names import check_name, check_room_name, is_room
from chatcli.store.archive import format as archive
from chatcli.store.archive.message_reader import MessageReader
from chatcli.store.maintenance.snapshot import moment, snapshot
from chatcli.store.question_data import decode
from chatcli.store.sqlite.conversations import find_conversation
from chatcli.store.sqlite.damage import tolerating_damage
from chatcli.store.sqlite.load import read_reads

_KEYS: Final = "SELECT key, since, device FROM keys WHERE user = ? ORDER BY since"

#: Called with each line, its newline included.
Write = Callable[[bytes], object]


class Exported(NamedTuple):
    """The outcome of an export.

    Attributes:
        messages: number of messages that were written.
        unread: number of places in the log that could not be read because of damage.
    """

    messages: int
    unread: int


def export(directory: Path, conversations: Sequence[str], write: Write, now: int) -> Exported:
    """Write conversations of the log of a data directory, all of them if none is named.

    The messages are read in stretches, up to the newest at the start: messages deleted meanwhile may be left out.

    Args:
        directory: the data directory.
        conversations: ``#room``, or ``alice:bob`` for the conversation of two users.
        write: called with the lines.
        now: milliseconds since 1970-01-01 UTC.

    Raises:
        InputError: a conversation is malformed.
        UnknownRecipient: a user or a room does not exist.
        StoreError: the log cannot be read.
    """
    with snapshot(directory) as connection:
        with moment(connection):
            chosen = {one for text in conversations for one in _find(connection, text)} if conversations else None
            described = _Description(connection, chosen)
            reader = MessageReader(connection)
        messages = unread = 0
        start = archive.Start(archive.VERSION, archive.time_of(now), list(conversations))
        write(_encode(start))
        for line in described.lines:
            write(_encode(line))
        for row in reader.rows():
            if chosen is None or row[3] in chosen:
                message = described.message(*row)
                if message is None:
                    unread += 1
                else:
                    write(_encode(message))
                    messages += 1
        unread += reader.unread
        write(_encode(archive.End(messages, unread)))
        return Exported(messages, unread)


def _encode(line: archive.Line) -> bytes:
    return archive.encode(line) + b"\n"


def _find(connection: sqlite3.Connection, text: str) -> list[int]:
    """Return the conversation that is named; two users may have none yet."""
    if is_room(text):
        return [_find_one(connection, "rooms", check_room_name(text).key, text)]
    first, colon, second = text.partition(":")
    if not colon:
        raise InputError(f'"{text}" is not a conversation: write #room, or alice:bob for that of two people.')
    one, other = (_find_one(connection, "users", check_name(name).key, name) for name in (first, second))
    found = find_conversation(connection, one, other)
    return [] if found is None else [found]


def _find_one(connection: sqlite3.Connection, table: str, key: str, text: str) -> int:
    row = connection.execute(f"SELECT id FROM {table} WHERE key = ?", (key,)).fetchone()  # noqa: S608 (one of two)
    if row is not None:
        return int(row[0])
    if table == "rooms":
        raise UnknownRecipient(codes.UNKNOWN_ROOM, f"There is no room {text}.", [])
    raise UnknownRecipient(codes.UNKNOWN_USER, f'Nobody called "{text}" was ever here.', [])


class _Description:
    """The users and rooms of an archive, whose names its messages use.

    Args:
        connection: to the log, in a transaction.
        chosen: the conversations to export; None for all of them.

    Attributes:
        lines: the lines about users, rooms, members and read positions, in their order.
    """

    def __init__(self, connection: sqlite3.Connection, chosen: set[int] | None) -> None:
        self._connection = connection
        self._chosen = chosen
        self._users: dict[int, str] = dict(connection.execute("SELECT id, name FROM users ORDER BY id"))
        self._room_names: dict[int, str] = dict(connection.execute("SELECT id, name FROM rooms"))
        self._pairs = {
            identity: (low, high)
            for identity, low, high in connection.execute("SELECT id, low, high FROM conversations WHERE id > 0")
        }
        concerned = self._concerned()
        self.lines: list[archive.Line] = [
            *self._people(concerned),
            *self._rooms(),
            *self._members(),
            *self._positions(concerned),
            *self._positions_of_conversations(),
        ]

    def message(self, *row: Any) -> archive.Message | None:  # noqa: ANN401 (of any type, if the file is damaged)
        """Return the line for the row of a message; None if it is damaged in a way that SQLite does not notice."""
        seq, raw, sender, conversation, at, text, re, stored = row
        if not isinstance(text, str) or not isinstance(raw, bytes):
            return None
        extra = decode(stored)
        try:
            return archive.Message(
                seq=seq,
                id=id_text(raw),
                sender=self._users[sender],
                to=self._recipient(sender, conversation),
                text=text,
                at=archive.time_of(at),
                re=re,
                choices=extra.choices,
                until=None if extra.until is None else archive.time_of(extra.until),
                answer=extra.answer,
            )
        except KeyError:
            return None

    def _recipient(self, sender: int, conversation: int) -> str:
        if conversation < 0:
            return self._room_names[conversation]
        low, high = self._pairs.get(conversation, (0, 0))
        return self._users[high if sender == low else low]

    def _people(self, concerned: Collection[int] | None) -> Iterator[archive.User]:
        rows = self._connection.execute("SELECT id, name, key, created, seen FROM users ORDER BY id").fetchall()
        for user, name, key, created, seen in rows:
            if concerned is None or user in concerned:
                keys = self._connection.execute(_KEYS, (user,))
                yield archive.User(
                    name=name,
                    created=archive.time_of(created),
                    seen=archive.time_of(seen) if seen else None,
                    keys=[archive.Key(key_text(raw), archive.time_of(since), device) for raw, since, device in keys],
                    released=key.startswith("\0"),
                )

    def _concerned(self) -> set[int] | None:
        """Return the users that the chosen conversations mention; None for all users."""
        if self._chosen is None:
            return None
        with tolerating_damage():
            return {user for conversation in self._chosen for user in self._concerned_by(conversation)}
        return None  # the file is damaged: better too many than none

    def _concerned_by(self, conversation: int) -> Iterator[int]:
        for query in (
            "SELECT low FROM conversations WHERE id = ? AND id > 0",
            "SELECT high FROM conversations WHERE id = ? AND id > 0",
            "SELECT user FROM members WHERE conversation = ?",
            "SELECT DISTINCT sender FROM messages WHERE conversation = ?",
        ):
            for (user,) in self._connection.execute(query, (conversation,)):
                yield user

    def _rooms(self) -> Iterator[archive.Room]:
        rows = self._connection.execute("SELECT id, name, kind, created, topic FROM rooms ORDER BY id DESC").fetchall()
        for room, name, kind, created, topic in rows:
            if self._wanted(room):
                yield archive.Room(name, kind, archive.time_of(created), topic)

    def _members(self) -> Iterator[archive.Member]:
        rows = self._connection.execute(
            "SELECT conversation, user, since, until, owner FROM members WHERE conversation < 0 "
            "ORDER BY conversation DESC, rowid"
        )
        for room, user, since, until, owner in rows:
            if self._wanted(room):
                yield archive.Member(
                    room=self._room_names[room], user=self._users[user], since=since, until=until, owner=bool(owner)
                )

    def _positions(self, concerned: Collection[int] | None) -> Iterator[archive.Read]:
        rows = self._connection.execute("SELECT id, name, read, shown, cursor FROM users ORDER BY id")
        for user, name, seq, seen, received in rows:
            if concerned is None or user in concerned:
                yield archive.Read(user=name, seq=seq, seen=None if seen == seq else seen, received=received)

    def _positions_of_conversations(self) -> Iterator[archive.Read]:
        pairs = {pair: conversation for conversation, pair in self._pairs.items()}
        for user, of, seq, seen in sorted(read_reads(self._connection)):
            conversation = of if of < 0 else pairs.get((min(user, of), max(user, of)), 0)
            name = self._room_names.get(of) if of < 0 else self._users.get(of)
            if user in self._users and name is not None and self._wanted(conversation):
                yield archive.Read(user=self._users[user], of=name, seq=seq, seen=None if seen == seq else seen)

    def _wanted(self, conversation: int) -> bool:
        return self._chosen is None or conversation in self._chosen
