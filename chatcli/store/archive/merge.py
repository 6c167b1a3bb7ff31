"""Adds the checked lines of an archive to a log.

Nothing that was in the log is changed: an archive must not let its maker in under a name, or into a private room, that
others trust.
"""

from __future__ import annotations

import sqlite3
from typing import ClassVar, Final, NamedTuple

from chatcli.protocol.values.ids import id_text
from chatcli.protocol.values.lookalikes import check_new_name, look_of
from chatcli.protocol.values.names import Name, check_name, name_before_release
from chatcli.store.archive import format as archive
from chatcli.store.archive.validation import Checked, Message, Room, User, WrongLine
from chatcli.store.epochs import begin_epoch
from chatcli.store.question_data import QuestionData, decode, encode
from chatcli.store.records import RELEASED, RoomRecord
from chatcli.store.sqlite.conversations import ensure_conversation, find_conversation, write_room
from chatcli.store.sqlite.load import read_head
from chatcli.store.sqlite.name_changes import write_released

_ADD_MESSAGE: Final = """
INSERT INTO messages (seq, id, conversation, sender, at, text, re, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
"""
_ADD_MEMBER: Final = """
INSERT INTO members (user, conversation, since, until, owner) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET until = excluded.until, owner = excluded.owner
"""
# It counts if the question exists and has no other answer; what it means then was decided when it was written.
_ADD_ANSWER: Final = """
INSERT INTO answers SELECT :question, :seq FROM messages WHERE seq = :question
ON CONFLICT DO NOTHING
"""
_NOTHING_AFTER: Final = """
SELECT id FROM users WHERE NOT EXISTS (
    SELECT 1 FROM members
    JOIN conversations ON conversations.id = members.conversation
    LEFT JOIN reads ON reads.user = members.user AND reads.conversation = members.conversation
    JOIN messages ON messages.conversation = members.conversation
    WHERE members.user = users.id AND messages.seq > max({position}, members.since)
      AND (members.until IS NULL OR messages.seq <= members.until)
      AND (messages.sender <> users.id OR conversations.low = conversations.high)
)
"""
_WITH_NOTHING_UNREAD: Final = _NOTHING_AFTER.format(position="coalesce(reads.seq, users.read)")
_WITH_EVERYTHING_RECEIVED: Final = _NOTHING_AFTER.format(position="users.cursor")
_RECEIVE_ALL: Final = "UPDATE users SET cursor = ?2 WHERE id = ?1"
_READ_ALL: Final = "UPDATE users SET read = ?2, shown = iif(shown < read, shown, ?2) WHERE id = ?1"
_READ_EACH: Final = "UPDATE reads SET seq = ?2, shown = iif(shown < seq, shown, ?2) WHERE user = ?1"
_SET_POSITIONS: Final = "UPDATE users SET read = ?2, shown = ?3, cursor = ?4 WHERE id = ?1"
_SET_READ: Final = "INSERT INTO reads (user, conversation, seq, shown) VALUES (?, ?, ?, ?)"


class Imported(NamedTuple):
    """The numbers of things that were added to the log, and of messages that it had already."""

    messages: int
    known: int
    users: int
    rooms: int


class _Known(NamedTuple):
    """A user or a room; ``new`` if the import has added it."""

    id: int
    new: bool


class Merge:
    """One archive on its way into one log.

    Args:
        connection: to the log, in a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._have_read = [user for (user,) in connection.execute(_WITH_NOTHING_UNREAD)]
        self._have_received = [user for (user,) in connection.execute(_WITH_EVERYTHING_RECEIVED)]
        self._users = _Users(connection)
        self._rooms = _Rooms(connection)
        self._seqs = _Seqs(connection)
        self._members = _Members(connection, self._users, self._rooms)
        self._positions = _Positions(connection, self._users, self._rooms)
        self._messages = _Messages(connection, self._users, self._rooms, self._seqs)

    def add(self, line: Checked) -> None:
        """Add a line.

        Raises:
            WrongLine: it does not fit the log, or the lines before it.
            InputError: likewise; a name is invalid.
        """
        match line:
            case Message():
                self._messages.add(line)
            case User():
                self._users.add(line)
            case Room():
                self._rooms.add(line)
            case archive.Member():
                self._members.add(line)
            case archive.Read():
                self._positions.add(line)

    def finish(self) -> Imported:
        """Add what depends on all lines."""
        self._members.write(self._seqs)
        if self._messages.added:
            if not self._seqs.before:  # their numbers are those of another log
                begin_epoch(self._connection, 0)
            # What was imported is history: users who had read everything have read that as well, and so have new ones
            # unless the archive has other positions for them.
            self._move(self._have_received, _RECEIVE_ALL)
            self._move(self._have_read, _READ_ALL, _READ_EACH)
            self._move(self._users.new(), _RECEIVE_ALL, _READ_ALL)
        self._positions.write(self._seqs)
        return Imported(self._messages.added, self._messages.known, len(self._users.new()), len(self._rooms.new()))

    def _move(self, users: list[int], *statements: str) -> None:
        """Move positions of users to the head."""
        for statement in statements:
            self._connection.executemany(statement, [(user, self._seqs.head) for user in users])


class _Named:
    """The users or the rooms of an archive, by the names that its lines use, and those of the log that look similar."""

    table: ClassVar[str]
    question: ClassVar[str]

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute(f"SELECT look, name FROM {self.table} WHERE look IS NOT NULL")  # noqa: S608 (one of two)
        self._looks: dict[str, str] = dict(rows.fetchall())
        self._known: dict[str, _Known] = {}

    def __contains__(self, label: str) -> bool:
        return label in self._known

    def __getitem__(self, label: str) -> _Known:
        try:
            return self._known[label]
        except KeyError:
            raise WrongLine(f'no line before it says {self.question} "{label[:64]}" is') from None

    def new(self) -> list[int]:
        """Return the ids of those that the log did not have."""
        return [one.id for one in self._known.values() if one.new]

    def _check_look(self, name: Name) -> None:
        """Refuse a new name that looks like one of the log; those of one archive were used side by side."""
        other = self._looks.get(look_of(name.text))
        if other is not None:
            raise WrongLine(f"{name.text} looks like {other}: give one another name")


class _Users(_Named):
    table = "users"
    question = "who"

    def add(self, line: User) -> None:
        found = self._find(line)
        # Keys in the archive are not given to a user of the log: they may have been dropped since, and the archive's
        # maker must not be able to log in under a name that others trust.
        self._known[line.label] = self._insert(line) if found is None else _Known(found, new=False)

    def _find(self, line: User) -> int | None:
        execute = self._connection.execute
        if line.released:
            row = execute("SELECT id FROM users WHERE name = ? AND key GLOB ?", (line.name.text, "\0*")).fetchone()
        else:
            row = execute("SELECT id FROM users WHERE key = ?", (line.name.key,)).fetchone()
        return row[0] if row else None

    def _insert(self, line: User) -> _Known:
        execute, name = self._connection.execute, line.name
        if not line.released:
            self._check_look(name)
            if self._looks:  # the first archive of a log has the names that its own server accepted
                check_new_name(name)
        (identity,) = execute("SELECT coalesce(max(id), 0) + 1 FROM users").fetchone()
        look = None if line.released else look_of(name.text)
        execute(
            "INSERT INTO users (id, name, key, look, created, cursor, shown, seen) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
            (identity, name.text, name.key or f"{RELEASED}{identity}", look, line.created, line.seen),
        )
        if (former := name_before_release(name.text)) is not None:
            write_released(self._connection, identity, check_name(former).key)
        for key in line.keys:
            execute("INSERT OR IGNORE INTO keys (user, key, since, device) VALUES (?, ?, ?, ?)", (identity, *key))
        return _Known(identity, new=True)


class _Rooms(_Named):
    table = "rooms"
    question = "what"

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.guarded: set[int] = set()  # private rooms of the log

    def add(self, line: Room) -> None:
        row = self._connection.execute("SELECT id, kind FROM rooms WHERE key = ?", (line.name.key,)).fetchone()
        self._known[line.label] = self._insert(line) if row is None else self._match(line, *row)

    def _match(self, line: Room, identity: int, kind: str) -> _Known:
        if kind != line.kind:  # or messages from a private room could be read by all
            raise WrongLine(f"{line.label} is {line.kind} in the archive and {kind} here: give one another name")
        if kind == "private":
            self.guarded.add(identity)
        return _Known(identity, new=False)

    def _insert(self, line: Room) -> _Known:
        self._check_look(line.name)
        lowest = "SELECT min(coalesce(min(id), 0), 0) - 1 FROM conversations"
        (identity,) = self._connection.execute(lowest).fetchone()
        name = line.name
        room = RoomRecord(
            id=identity,
            name=name.text,
            key=name.key,
            look=look_of(name.text),
            kind=line.kind,
            topic=line.topic,
            created=line.created,
        )
        write_room(self._connection, room)
        return _Known(identity, new=True)


class _Seqs:
    """The seqs that messages of the archive get.

    In a log without messages they keep theirs, as long as that leaves room for more. In any other they follow the
    newest, in their order: a ``seq`` must never be reused, because clients remember how far they have read.

    Attributes:
        head: the newest ``seq`` of the log.
        before: what that was before the import.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.head = self.before = read_head(connection)
        self._keeps = not self.before
        self._kept = -1  # all up to this one have kept theirs
        self._last = 0  # of the archive
        # A temporary file, since there may be many.
        connection.execute(
            "CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL, fresh INTEGER NOT NULL)"
        )

    def next(self, old: int) -> int:
        """Return the ``seq`` for a message of the archive."""
        if self._keeps and old > archive.MAX_SEQ:
            self._keeps, self._kept = False, self._last
        self._last = old
        if self._keeps:
            return old
        if self.head >= archive.LAST_SEQ:
            raise WrongLine("the log has no numbers left for more messages")
        return self.head + 1

    def record(self, old: int, new: int, *, fresh: bool) -> None:
        """Record the ``seq`` of a message in the log; ``fresh`` if the log did not have it."""
        if fresh:
            self.head = new
        if not self._keeps:
            self._connection.execute("INSERT INTO moved VALUES (?, ?, ?)", (old, new, fresh))

    def of(self, old: int | None) -> int | None:
        """Return the ``seq`` in the log of a message of the archive; None if it is not there."""
        if old is None or self._keeps or old <= self._kept:
            return old
        row = self._connection.execute("SELECT new FROM moved WHERE old = ?", (old,)).fetchone()
        return int(row[0]) if row else None

    def bound(self, old: int) -> int:
        """Return the ``seq`` in the log after which a membership begins or ends, or a user has not read."""
        if self._keeps:
            return min(old, self.head)  # the rest of that log is not in the archive, and its seqs are free here
        if old <= self._kept:
            return old
        query = "SELECT new FROM moved WHERE old <= ? AND fresh ORDER BY old DESC LIMIT 1"
        row = self._connection.execute(query, (old,)).fetchone()
        return int(row[0]) if row else max(self.before, self._kept)


class _Members:
    def __init__(self, connection: sqlite3.Connection, users: _Users, rooms: _Rooms) -> None:
        self._connection = connection
        self._users = users
        self._rooms = rooms
        self._lines: list[archive.Member] = []
        self._ends: dict[tuple[int, int], int | None] = {}  # of the latest period of each member of each room

    def add(self, line: archive.Member) -> None:
        member = self._users[line.user].id, self._rooms[line.room].id
        end = self._ends.get(member, 0)
        if end is None or line.since < end:  # or the feed would have messages twice
            raise WrongLine(f"it begins before the last time of {line.user} in {line.room} has ended")
        self._ends[member] = line.until
        self._lines.append(line)

    def write(self, seqs: _Seqs) -> None:
        """Write the memberships once all messages have their seqs.

        Between users and rooms of the log nothing is changed: a user who has left must not be brought back. Nobody
        becomes an owner of a room of the log, or a member of a private one: the archive's maker must not get in.
        """
        for line in self._lines:
            user, room = self._users[line.user], self._rooms[line.room]
            may_enter = user.new and (line.until is not None or room.id not in self._rooms.guarded)
            if room.new or may_enter:
                until = None if line.until is None else seqs.bound(line.until)
                values = (user.id, room.id, seqs.bound(line.since), until, line.owner and room.new)
                self._connection.execute(_ADD_MEMBER, values)


class _Positions:
    def __init__(self, connection: sqlite3.Connection, users: _Users, rooms: _Rooms) -> None:
        self._connection = connection
        self._users = users
        self._rooms = rooms
        self._lines: dict[tuple[int, int], archive.Read] = {}  # by the user, and the other user or the room

    def add(self, line: archive.Read) -> None:
        user, of = self._users[line.user].id, 0
        if line.of is not None:
            of = self._rooms[line.of].id if line.of in self._rooms else self._users[line.of].id
        if (user, of) in self._lines:
            raise WrongLine(f"there is another position of {line.user}{f' in {line.of}' if line.of else ''} before it")
        self._lines[user, of] = line

    def write(self, seqs: _Seqs) -> None:
        """Write the positions of new users once all messages have their seqs; those of others stay as they are."""
        new = set(self._users.new())
        for (user, of), line in self._lines.items():
            if user not in new:
                continue
            seq = seqs.bound(line.seq)
            seen = seq if line.seen is None else seqs.bound(line.seen)
            if of == 0:
                received = seqs.head if line.received is None else seqs.bound(line.received)
                self._connection.execute(_SET_POSITIONS, (user, seq, seen, received))
                continue
            conversation = of if of < 0 else find_conversation(self._connection, user, of)
            if conversation is not None:  # otherwise all that will be written there is newer
                self._connection.execute(_SET_READ, (user, conversation, seq, seen))


class _Messages:
    """The messages of an archive.

    Attributes:
        added: number of messages that the log did not have.
        known: number of messages that it had.
    """

    def __init__(self, connection: sqlite3.Connection, users: _Users, rooms: _Rooms, seqs: _Seqs) -> None:
        self._connection = connection
        self._users = users
        self._rooms = rooms
        self._seqs = seqs
        self._conversations: dict[tuple[int, int], int] = {}
        self.added = self.known = 0

    def add(self, line: Message) -> None:
        execute = self._connection.execute
        sender = self._users[line.sender].id
        conversation = self._conversation(sender, line.to)
        seq, re = self._seqs.next(line.seq), self._seqs.of(line.re)
        extra = self._extra(line, re, conversation)
        values = (seq, line.id, conversation, sender, line.at, line.text, re, extra)
        added = bool(execute(_ADD_MESSAGE, values).rowcount)
        if added:
            self.added += 1
            if line.answer is not None:
                execute(_ADD_ANSWER, {"question": re, "seq": seq})
        else:
            seq = self._find(line.id, conversation, sender)
            self.known += 1
        self._seqs.record(line.seq, seq, fresh=added)

    def _conversation(self, sender: int, to: str) -> int:
        if to in self._rooms:
            return self._rooms[to].id
        pair = (sender, self._users[to].id)
        if pair not in self._conversations:
            self._conversations[pair] = ensure_conversation(self._connection, *pair)
        return self._conversations[pair]

    def _find(self, identity: bytes, conversation: int, sender: int) -> int:
        query = "SELECT seq, conversation, sender FROM messages WHERE id = ?"
        seq, *found = self._connection.execute(query, (identity,)).fetchone()
        if found != [conversation, sender]:
            raise WrongLine(f"another message has the id {id_text(identity)}")
        return int(seq)

    def _extra(self, line: Message, re: int | None, conversation: int) -> str | None:
        """Return the data of a question or an answer.

        An answer to a question that the log has another answer for becomes an ordinary message.
        """
        if line.choices:
            return encode(QuestionData(choices=line.choices, until=line.until))
        if line.answer is None or re is None:
            return None
        execute = self._connection.execute
        if execute("SELECT 1 FROM answers WHERE question = ?", (re,)).fetchone():
            return None
        row = execute("SELECT conversation, extra FROM messages WHERE seq = ?", (re,)).fetchone()
        if row is not None:
            choices = decode(row[1]).choices
            if row[0] != conversation or not choices:
                raise WrongLine(f"it answers the message {line.re}, which is not a question there")
            if line.answer >= len(choices):
                raise WrongLine(f"it is the answer {line.answer} to the message {line.re}, which has {len(choices)}")
        return encode(QuestionData(answer=line.answer))
