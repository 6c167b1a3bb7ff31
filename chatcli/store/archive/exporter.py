"""Writes a log, or some of its conversations, as an archive."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from chatcli.errors import InputError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.ids import id_text
from chatcli.protocol.keys import key_text
from chatcli.protocol.names import check_name, check_room_name, is_room
from chatcli.store.archive import format as archive
from chatcli.store.maintenance.snapshot import moment, pause, snapshot
from chatcli.store.question_data import decode
from chatcli.store.sqlite.damage import around_damage, tolerating_damage

_STRETCH: Final = 1000  # messages that are read at once, at most
_STRETCH_TEXT: Final = 4 * 1024 * 1024  # characters of them, about

_MESSAGES: Final = """
SELECT seq, id, sender, conversation, at, text, re, extra FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?
"""

_Row = tuple[Any, ...]  # of the query above; whatever is there, where the file is damaged

#: Takes one line, with its end.
Write = Callable[[bytes], object]


class Exported(NamedTuple):
    """What was written.

    Attributes:
        messages: so many of them.
        unread: so many places in the log could not be read, because its file is damaged there.
    """

    messages: int
    unread: int


def export(directory: Path, conversations: Sequence[str], write: Write, now: int) -> Exported:
    """Write conversations of the log of a data directory, all there are if none is named.

    The messages are read in stretches, up to the newest at the beginning: what is deleted meanwhile may be left out.

    Args:
        directory: the data directory.
        conversations: ``#room``, or ``alice:bob`` for what two people said to each other.
        write: takes the lines.
        now: milliseconds since 1970-01-01 UTC.

    Raises:
        InputError: a conversation is not written like that.
        UnknownRecipient: there is none of that name.
        StoreError: the log cannot be read.
    """
    with snapshot(directory) as connection:
        return _Export(connection, conversations, write).run(now)


class _Export:
    def __init__(self, connection: sqlite3.Connection, conversations: Sequence[str], write: Write) -> None:
        self._connection = connection
        self._write_bytes = write
        self._asked = list(conversations)
        self._unread = 0
        with moment(connection):
            self._users: dict[int, str] = dict(connection.execute("SELECT id, name FROM users ORDER BY id"))
            self._room_names: dict[int, str] = dict(connection.execute("SELECT id, name FROM rooms"))
            self._chosen = {one for text in conversations for one in self._find(text)} if conversations else None
            self._described = [*self._people(), *self._rooms(), *self._members()]
            self._pairs = {
                identity: (low, high)
                for identity, low, high in connection.execute("SELECT id, low, high FROM conversations WHERE id > 0")
            }
            self._newest = self._edge("DESC")
            self._before = self._edge("ASC") - 1

    def _write(self, line: archive.Line) -> None:
        self._write_bytes(archive.encode(line) + b"\n")

    def run(self, now: int) -> Exported:
        """Write all of it."""
        self._write(archive.Start(archive.VERSION, archive.time_of(now), self._asked))
        for line in self._described:
            self._write(line)
        messages = 0
        for message in self._messages():
            self._write(message)
            messages += 1
        self._write(archive.End(messages, self._unread))
        return Exported(messages, self._unread)

    # What was asked for

    def _find(self, text: str) -> list[int]:
        """Return the conversation that is meant; two people may have none yet."""
        if is_room(text):
            return [self._find_one("rooms", check_room_name(text).key, text)]
        first, colon, second = text.partition(":")
        if not colon:
            raise InputError(f'"{text}" is no conversation: write #room, or alice:bob for that of two people.')
        pair = sorted(self._find_one("users", check_name(name).key, name) for name in (first, second))
        rows = self._connection.execute("SELECT id FROM conversations WHERE low = ? AND high = ?", pair)
        return [identity for (identity,) in rows]

    def _find_one(self, table: str, key: str, text: str) -> int:
        row = self._connection.execute(f"SELECT id FROM {table} WHERE key = ?", (key,)).fetchone()  # noqa: S608 (one of two)
        if row is not None:
            return int(row[0])
        if table == "rooms":
            raise UnknownRecipient(codes.UNKNOWN_ROOM, f"There is no room {text}.", [])
        raise UnknownRecipient(codes.UNKNOWN_USER, f'Nobody called "{text}" was ever here.', [])

    # The lines

    def _people(self) -> Iterator[archive.User]:
        concerned = self._concerned()
        rows = self._connection.execute("SELECT id, name, key, created, seen FROM users ORDER BY id").fetchall()
        for user, name, key, created, seen in rows:
            if concerned is None or user in concerned:
                keys = self._connection.execute("SELECT key, since FROM keys WHERE user = ? ORDER BY since", (user,))
                yield archive.User(
                    name,
                    archive.time_of(created),
                    archive.time_of(seen) if seen else None,
                    [archive.Key(key_text(raw), archive.time_of(since)) for raw, since in keys],
                    released=key.startswith("\0"),
                )

    def _concerned(self) -> set[int] | None:
        """Return whom the chosen conversations name; None if that is everyone."""
        if self._chosen is None:
            return None
        with tolerating_damage():
            return {user for conversation in self._chosen for user in self._concerned_by(conversation)}
        return None  # better too many than none, where the file is damaged

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
                yield archive.Member(self._room_names[room], self._users[user], since, until, bool(owner))

    def _wanted(self, conversation: int) -> bool:
        return self._chosen is None or conversation in self._chosen

    def _messages(self) -> Iterator[archive.Message]:
        for seq, raw, sender, conversation, at, text, re, kept in self._rows():
            if not self._wanted(conversation):
                continue
            if not isinstance(text, str) or not isinstance(raw, bytes):
                self._unread += 1  # damaged where SQLite cannot tell
                continue
            try:
                low, high = self._pairs.get(conversation, (0, 0))
                name = (
                    self._room_names[conversation] if conversation < 0 else self._users[high if sender == low else low]
                )
                message = archive.Message(seq, id_text(raw), self._users[sender], name, text, archive.time_of(at), re)
                extra = decode(kept)
                message.choices, message.answer = extra.choices, extra.answer
                message.until = None if extra.until is None else archive.time_of(extra.until)
            except KeyError:
                self._unread += 1
            else:
                yield message

    def _rows(self) -> Iterator[_Row]:
        """Yield the rows of all messages, those excepted that lie where the file is damaged."""
        after = self._before
        while after < self._newest:
            rows: list[_Row] = []
            with tolerating_damage() as damage:
                self._read_stretch(after, rows)
            if damage.met:
                after = self._salvage(rows[-1][0] if rows else after, rows)
            else:
                after = rows[-1][0] if rows else self._newest
            yield from rows
            pause()

    def _read_stretch(self, after: int, rows: list[_Row]) -> None:
        size = 0
        for row in self._connection.execute(_MESSAGES, (after, self._newest, _STRETCH)):
            rows.append(row)
            size += len(row[5])
            if size > _STRETCH_TEXT:
                break

    def _salvage(self, after: int, rows: list[_Row]) -> int:
        """Read what can be read after a place that is damaged; return how far that is."""
        seqs, end = around_damage(self._connection, after)
        for seq in seqs:
            if seq > self._newest:
                break
            with tolerating_damage() as damage:
                rows += self._connection.execute(_MESSAGES, (seq - 1, seq, 1)).fetchall()
            self._unread += damage.met
        return end

    def _edge(self, order: str) -> int:
        """Return the lowest or the highest ``seq``, from whatever of the two trees can be read."""
        with tolerating_damage():
            row = self._connection.execute(f"SELECT seq FROM messages ORDER BY seq {order} LIMIT 1").fetchone()  # noqa: S608 (one of two words)
            return int(row[0]) if row else 0
        index = "SELECT seq FROM messages INDEXED BY messages_of_conversation WHERE conversation = ?"
        found: list[int] = []
        for (conversation,) in self._connection.execute("SELECT id FROM conversations").fetchall():
            row = self._connection.execute(f"{index} ORDER BY seq {order} LIMIT 1", (conversation,)).fetchone()
            found += row or ()
        return (max if order == "DESC" else min)(found, default=0)
