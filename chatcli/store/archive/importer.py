"""Reads an archive into a log whose server does not run: all of it, or nothing."""

from __future__ import annotations

import contextlib
import datetime
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from chatcli.errors import InputError, StoreError
from chatcli.protocol.choices import check_choices
from chatcli.protocol.ids import id_bytes
from chatcli.protocol.keys import PUBLIC_KEY_BYTES, key_bytes
from chatcli.protocol.lookalikes import check_new_name, look_of
from chatcli.protocol.names import Name, check_name, check_room_name
from chatcli.store.archive import format as archive
from chatcli.store.archive.format import milliseconds_of
from chatcli.store.data_directory import DATABASE, lock, make_private
from chatcli.store.question_data import Extra, decode, encode
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.connection import transaction
from chatcli.store.sqlite.load import read_head

_KINDS: Final = ("open", "private", "announcement")
_RELEASED: Final = re.compile(r" \(released [1-9][0-9]{0,18}\)")
# It counts where the question is there, and has no other; what it means then was decided when it was written.
_ANSWER: Final = """
INSERT INTO answers SELECT :question, :seq FROM messages WHERE seq = :question
ON CONFLICT DO NOTHING
"""
_ENOUGH: Final = 50  # wrong lines: whoever reads about so many knows

#: Told of each wrong line: its number, and what is wrong with it.
Complain = Callable[[int, str], object]


class Imported(NamedTuple):
    """What came into the log, and how many messages it had already."""

    messages: int
    known: int
    users: int
    rooms: int


def import_archive(directory: Path, lines: IO[bytes], complain: Complain) -> Imported:
    """Add what is in an archive to the log of a data directory, which is made if it is not there.

    Args:
        directory: the data directory; no server may run over it.
        lines: the archive.
        complain: told of every line that cannot be taken.

    Raises:
        InputError: there were such lines; nothing was imported.
        StoreError: a server runs over the directory, or the log cannot be used or written; nothing was imported.
    """
    with lock(directory), _written(directory / DATABASE) as connection:
        return _Import(connection, lines, complain).run()


@contextlib.contextmanager
def _written(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection within a transaction, which is committed if the block ends well, and else never was."""
    try:
        make_private(path)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _make_schema(connection)
            with transaction(connection):
                yield connection
    except StoreError as error:
        raise StoreError(f"Cannot use the log {path}: {error}. Nothing was imported.") from None
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"Cannot write the log {path}: {error}. Nothing was imported.") from None


def _make_schema(connection: sqlite3.Connection) -> None:
    """Make a new database a log; leave bringing older ones up to date to the server, which keeps a copy."""
    if 0 < schema.check(connection) < len(schema.MIGRATIONS):
        raise StoreError("it was written by an older chatcli: start the server over it once, and stop it again")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    schema.migrate(connection)


class _Wrong(Exception):
    """A line cannot be taken, for the reason given."""


def _decoded(raw: bytes) -> archive.AnyLine:
    if len(raw) > archive.MAX_LINE:
        raise _Wrong(f"it has more than {archive.MAX_LINE} bytes")
    try:
        line: archive.AnyLine = archive.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last of nothing but brackets
        why = str(error)
        raise _Wrong(f"it cannot be read: {why[:1].lower()}{why[1:]}") from None
    return line


def _moment(time: datetime.datetime) -> int:
    try:
        return milliseconds_of(time)
    except ValueError as error:
        raise _Wrong(str(error)) from None


def _check_released(name: str) -> None:
    """Refuse what a released name cannot be: nobody may take it for that of someone else."""
    end = _RELEASED.search(name)
    if end is None or end.end() != len(name):
        raise _Wrong(f'"{name[:64]}" is no released name; one looks like "alice (released 7)"')
    check_name(name[: end.start()])


class _Known(NamedTuple):
    """Someone, or a room; ``new`` if the import has brought them."""

    id: int
    new: bool


class _Import:
    """One archive on its way into one log.

    Into a log without messages each comes at the place that it had, as long as that leaves room for others. Into any
    other they come after the newest, in their order: what was a place once must never be another's, since clients
    remember how far they have read.
    """

    def __init__(self, connection: sqlite3.Connection, lines: IO[bytes], complain: Complain) -> None:
        self._execute = connection.execute
        self._lines = lines
        self._complain = complain
        self._wrong = 0
        self._number = 0
        self._people: dict[str, _Known] = {}
        self._rooms: dict[str, _Known] = {}
        self._looks = {table: self._read_looks(table) for table in ("users", "rooms")}
        self._guarded: set[int] = set()  # private rooms that were there before
        self._members: list[archive.Member] = []
        self._ends: dict[tuple[int, int], int | None] = {}  # of the latest time of each member of each room
        self._conversations: dict[tuple[int, int], int] = {}
        self._head = self._before = read_head(connection)
        self._keeps = not self._before
        self._kept = -1  # up to this place of the archive all are where they were
        self._last = 0  # the seq of the line before, in the archive
        self._messages = self._known = 0
        # Where the messages of the archive are now; in a temporary file, since there may be many.
        self._execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL, fresh INTEGER NOT NULL)")

    def run(self) -> Imported:
        """Take all lines.

        Raises:
            InputError: some cannot be taken; the transaction must not be committed.
        """
        up_to_date = self._who_has_read_all()
        ended = False
        for line in self._read():
            if ended:
                self._reject('it stands behind the last one, {"t":"end"}')
                break
            ended = self._try(line)
            if self._wrong >= _ENOUGH:
                break
        else:
            if not ended:
                self._number += 1
                self._reject('the last one, {"t":"end"}, is missing: the archive was cut short')
        if self._wrong:
            lines = "one line is" if self._wrong == 1 else f"{self._wrong} lines are"
            raise InputError(f"Nothing was imported: {lines} wrong{' so far' if self._wrong >= _ENOUGH else ''}.")
        self._enter_members()
        self._leave_no_news(up_to_date)
        new = [sum(one.new for one in known.values()) for known in (self._people, self._rooms)]
        return Imported(self._messages, self._known, *new)

    def _read(self) -> Iterator[bytes]:
        while line := self._lines.readline(archive.MAX_LINE + 1):
            self._number += 1
            yield line

    def _reject(self, why: str) -> None:
        self._wrong += 1
        self._complain(self._number, why)

    def _try(self, raw: bytes) -> bool:
        """Take a line; return whether it is the last."""
        try:
            return self._take(_decoded(raw))
        except (_Wrong, InputError) as error:
            self._reject(str(error).removesuffix("."))
        if self._number == 1:
            self._wrong = _ENOUGH  # it is something else, and of its other lines there is nothing to be said
        return False

    def _take(self, line: archive.AnyLine) -> bool:
        if (self._number == 1) is not isinstance(line, archive.Start):
            raise _Wrong('an archive begins with one line {"t":"export","version":1}')
        match line:
            case archive.Start(version):
                if version != archive.VERSION:
                    raise _Wrong(
                        f"it is an archive of version {version}; this chatcli reads {archive.VERSION}: upgrade"
                    )
            case archive.User(name):
                self._people[name] = self._take_user(line)
            case archive.Room(name):
                self._rooms[name] = self._take_room(line)
            case archive.Member():
                self._take_member(line)
            case archive.Message():
                self._take_message(line)
            case archive.End(messages):
                self._compare(messages)
        return isinstance(line, archive.End)

    def _compare(self, messages: int) -> None:
        taken = self._messages + self._known
        if messages != taken and not self._wrong:
            raise _Wrong(f"there should be {messages} messages before it, and there are {taken}")

    def _person(self, name: str) -> _Known:
        try:
            return self._people[name]
        except KeyError:
            raise _Wrong(f'no line before it says who "{name[:64]}" is') from None

    def _room(self, name: str) -> _Known:
        try:
            return self._rooms[name]
        except KeyError:
            raise _Wrong(f'no line before it says what "{name[:64]}" is') from None

    # People and rooms

    def _read_looks(self, table: str) -> dict[str, str]:
        """Return the names that there were before, by what they look like."""
        rows = self._execute(f"SELECT key, name FROM {table} WHERE key NOT GLOB ?", ("\0*",))  # noqa: S608 (one of two)
        return {look_of(name): name for _, name in rows}

    def _check_look(self, table: str, name: Name) -> None:
        """Refuse a new name that is mistaken for one that was here; those of one archive have lived with each other."""
        other = self._looks[table].get(look_of(name.text))
        if other is not None:
            raise _Wrong(f"{name.text} looks like {other}: give one another name")

    def _take_user(self, line: archive.User) -> _Known:
        if line.name in self._people:
            raise _Wrong(f'"{line.name}" is there twice')
        if line.released:
            _check_released(line.name)
            row = self._execute("SELECT id FROM users WHERE name = ? AND key GLOB ?", (line.name, "\0*")).fetchone()
            name = Name(line.name, "")
        else:
            name = check_name(line.name)
            row = self._execute("SELECT id FROM users WHERE key = ?", (name.key,)).fetchone()
        if row is not None:
            # Keys in the archive are not added: they may have been taken away here since, and whoever made the
            # archive must not be able to let themselves in under a name that others trust.
            return _Known(row[0], new=False)
        if not line.released:
            self._check_look("users", name)
            if self._looks["users"]:  # the first archive of a log has what its own server let in
                check_new_name(name)
        keys = [(self._key(one.key), _moment(one.since)) for one in line.keys]
        (identity,) = self._execute("SELECT coalesce(max(id), 0) + 1 FROM users").fetchone()
        created, seen = _moment(line.created), _moment(line.seen) if line.seen else 0
        self._execute(
            "INSERT INTO users (id, name, key, created, cursor, shown, seen) VALUES (?, ?, ?, ?, 0, 0, ?)",
            (identity, name.text, name.key or f"\0{identity}", created, seen),
        )
        for raw, since in keys:
            self._execute("INSERT OR IGNORE INTO keys (user, key, since) VALUES (?, ?, ?)", (identity, raw, since))
        return _Known(identity, new=True)

    def _key(self, text: str) -> bytes:
        try:
            return key_bytes(text, PUBLIC_KEY_BYTES)
        except ValueError:
            raise _Wrong(f'"{text[:64]}" is no public key') from None

    def _take_room(self, line: archive.Room) -> _Known:
        name = check_room_name(line.name)
        if len(line.topic) > archive.MAX_TOPIC:
            raise _Wrong(f"a topic has {archive.MAX_TOPIC} characters at most, and this one has {len(line.topic)}")
        if line.name in self._rooms:
            raise _Wrong(f"{line.name} is there twice")
        if line.kind not in _KINDS:
            raise _Wrong(f'"{line.kind}" is no kind of room: there are {", ".join(_KINDS)}')
        row = self._execute("SELECT id, kind FROM rooms WHERE key = ?", (name.key,)).fetchone()
        if row is not None:
            if row[1] != line.kind:  # or what was said in private would be there for all to read
                raise _Wrong(f"{line.name} is {line.kind} in the archive and {row[1]} here: give one another name")
            if line.kind == "private":
                self._guarded.add(row[0])
            return _Known(row[0], new=False)
        self._check_look("rooms", name)
        (identity,) = self._execute("SELECT min(coalesce(min(id), 0), 0) - 1 FROM conversations").fetchone()
        self._execute("INSERT INTO conversations (id) VALUES (?)", (identity,))
        self._execute(
            "INSERT INTO rooms (id, name, key, kind, topic, created) VALUES (?, ?, ?, ?, ?, ?)",
            (identity, name.text, name.key, line.kind, line.topic, _moment(line.created)),
        )
        return _Known(identity, new=True)

    def _take_member(self, line: archive.Member) -> None:
        member = self._person(line.user).id, self._room(line.room).id
        if line.until is not None and line.until < line.since:
            raise _Wrong("it ends before it begins")
        end = self._ends.get(member, 0)
        if end is None or line.since < end:  # or the feed would have what was said then twice
            raise _Wrong(f"it begins before the last time of {line.user} in {line.room} has ended")
        self._ends[member] = line.until
        self._members.append(line)

    def _enter_members(self) -> None:
        """Write who belonged to the rooms, and when.

        Between people and rooms that were both known here before nothing is changed: who has left since must not be
        brought back. Nobody comes to own a room that was there before, and nobody to belong to a private one: whoever
        made the archive must not be able to let themselves in.
        """
        for line in self._members:
            person, room = self._people[line.user], self._rooms[line.room]
            may_enter = person.new and (line.until is not None or room.id not in self._guarded)
            if room.new or may_enter:
                since = self._border(line.since)
                until = None if line.until is None else self._border(line.until)
                self._execute(
                    "INSERT INTO members (user, conversation, since, until, owner) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET until = excluded.until, owner = excluded.owner",
                    (person.id, room.id, since, until, line.owner and room.new),
                )

    def _border(self, seq: int) -> int:
        """Return behind which message here a time in a room begins or ends."""
        if self._keeps:
            return min(seq, self._head)  # the rest of that log is not in the archive, and its places are free here
        if seq <= self._kept:
            return seq
        query = "SELECT new FROM moved WHERE old <= ? AND fresh ORDER BY old DESC LIMIT 1"
        row = self._execute(query, (seq,)).fetchone()
        return int(row[0]) if row else max(self._before, self._kept)

    # Messages

    def _take_message(self, line: archive.Message) -> None:
        sender = self._person(line.sender).id
        conversation = (
            self._room(line.to).id if line.to in self._rooms else self._pair(sender, self._person(line.to).id)
        )
        self._check(line)
        if self._keeps and line.seq > archive.MAX_SEQ:
            self._keeps, self._kept = False, self._last
        self._last = line.seq
        seq = line.seq if self._keeps else self._next()
        raw = self._id(line.id)
        re = self._answered(line.re)
        added = self._execute(
            "INSERT INTO messages (seq, id, conversation, sender, at, text, re, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO NOTHING",
            (seq, raw, conversation, sender, _moment(line.at), line.text, re, self._extra(line, re, conversation)),
        ).rowcount
        if added:
            self._head = seq
            if line.answer is not None:
                self._execute(_ANSWER, {"question": re, "seq": seq})
            self._messages += 1
        else:
            query = "SELECT seq, conversation, sender FROM messages WHERE id = ?"
            seq, *whose = self._execute(query, (raw,)).fetchone()
            if whose != [conversation, sender]:
                raise _Wrong(f"another message has the id {line.id}")
            self._known += 1
        if not self._keeps:
            self._execute("INSERT INTO moved VALUES (?, ?, ?)", (line.seq, seq, added))

    def _next(self) -> int:
        if self._head >= archive.LAST_SEQ:
            raise _Wrong("the log has no numbers left for more messages")
        return self._head + 1

    def _extra(self, line: archive.Message, re: int | None, conversation: int) -> str | None:
        """Return what a question or an answer has beside its text.

        An answer that does not count here, since the question has another one, is a message like others.
        """
        if line.choices:
            check_choices(line.choices)
            return encode(Extra(line.choices, None if line.until is None else _moment(line.until)))
        if line.answer is None or re is None:
            return None
        if self._execute("SELECT 1 FROM answers WHERE question = ?", (re,)).fetchone():
            return None
        row = self._execute("SELECT conversation, extra FROM messages WHERE seq = ?", (re,)).fetchone()
        if row is not None:
            choices = decode(row[1]).choices
            if row[0] != conversation or not choices:
                raise _Wrong(f"it answers the message {line.re}, which is no question there")
            if line.answer >= len(choices):
                raise _Wrong(f"it is the answer {line.answer} to the message {line.re}, which has {len(choices)}")
        return encode(Extra(answer=line.answer))

    def _check(self, line: archive.Message) -> None:
        if line.seq <= self._last:
            raise _Wrong(f"its seq, {line.seq}, is not above the one before, {self._last}")
        if line.re is not None and line.re >= line.seq:
            raise _Wrong(f"it answers the message {line.re}, which is not before it")
        if line.answer is not None and (line.re is None or line.choices):
            raise _Wrong("it is an answer without a question, or both")
        if not line.text:
            raise _Wrong("it has no text")
        if len(line.text.encode()) > archive.MAX_TEXT:
            raise _Wrong(f"its text has more than {archive.MAX_TEXT} bytes")

    def _id(self, text: str) -> bytes:
        try:
            return id_bytes(text)
        except ValueError:
            raise _Wrong(f'"{text[:64]}" is no id; one looks like {uuid.UUID(int=0x7 << 76 | 0x2 << 62)}') from None

    def _answered(self, seq: int | None) -> int | None:
        """Return where the message is now that is answered; None where that is not in the archive."""
        if seq is None or self._keeps or seq <= self._kept:
            return seq
        row = self._execute("SELECT new FROM moved WHERE old = ?", (seq,)).fetchone()
        return int(row[0]) if row else None

    def _pair(self, one: int, other: int) -> int:
        """Return the conversation of two people, which is made if they have none."""
        pair = (min(one, other), max(one, other))
        known = self._conversations.get(pair)
        if known is None:
            row = self._execute("SELECT id FROM conversations WHERE low = ? AND high = ?", pair).fetchone()
            known = self._conversations[pair] = int(row[0]) if row else self._make_pair(pair)
        return known

    def _make_pair(self, pair: tuple[int, int]) -> int:
        # Not left to SQLite: where there are only rooms, whose ids are negative, it would begin with 0.
        (identity,) = self._execute("SELECT max(coalesce(max(id), 0), 0) + 1 FROM conversations").fetchone()
        self._execute("INSERT INTO conversations (id, low, high) VALUES (?, ?, ?)", (identity, *pair))
        for user in set(pair):
            self._execute("INSERT INTO members (user, conversation) VALUES (?, ?)", (user, identity))
        return int(identity)

    # Read positions

    def _who_has_read_all(self) -> list[int]:
        """Return who has nothing unread before the import."""
        unread = """
            SELECT id FROM users WHERE NOT EXISTS (
                SELECT 1 FROM members
                JOIN conversations ON conversations.id = members.conversation
                JOIN messages ON messages.conversation = members.conversation
                WHERE members.user = users.id AND messages.seq > max(users.cursor, members.since)
                  AND (members.until IS NULL OR messages.seq <= members.until)
                  AND (messages.sender <> users.id OR conversations.low = conversations.high)
            )
        """
        return [user for (user,) in self._execute(unread)]

    def _leave_no_news(self, up_to_date: list[int]) -> None:
        """Let what was imported be history: who had read all has read that too, and so have those who are new."""
        if self._messages:
            for user in [*up_to_date, *(person.id for person in self._people.values() if person.new)]:
                self._execute(
                    "UPDATE users SET cursor = ?2, shown = iif(shown < cursor, shown, ?2) WHERE id = ?1",
                    (user, self._head),
                )
