"""Reads what is held in memory while the log is open."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chatcli.store.interface import State
from chatcli.store.records import KeyRecord, MemberRecord, ReadRecord, RoomRecord, Ruling, TokenRecord, UserRecord
from chatcli.store.sqlite.damage import tolerating_damage
from chatcli.store.sqlite.name_changes import read_freed

logger = logging.getLogger(__name__)

_READS: Final = """
SELECT user, CASE WHEN conversation < 0 THEN conversation WHEN low = user THEN high ELSE low END, seq, shown
FROM reads JOIN conversations ON conversations.id = reads.conversation
"""
# One statement, since it is executed for every batch.
_HEAD: Final = """
SELECT max(
    coalesce((SELECT max(seq) FROM messages), 0),
    coalesce((SELECT max(seq) FROM name_changes), 0),
    coalesce((SELECT seq FROM marks WHERE name = 'pruned'), 0)
)
"""


def read_state(connection: sqlite3.Connection) -> State:
    """Read everything but the messages."""
    return State(
        users=read_users(connection),
        keys=read_keys(connection),
        tokens=read_tokens(connection),
        reads=read_reads(connection),
        rulings=read_rulings(connection),
        rooms=read_rooms(connection),
        members=read_members(connection),
        freed=read_freed(connection),
    )


def read_users(connection: sqlite3.Connection) -> list[UserRecord]:
    """Read all users, by id."""
    rows = connection.execute("SELECT id, name, key, look, created, cursor, read, shown, seen FROM users ORDER BY id")
    return [
        UserRecord(
            id=identity,
            name=name,
            key=key,
            look=look or "",
            created=created,
            received=received,
            read=read,
            public_read=public_read,
            seen=seen,
        )
        for identity, name, key, look, created, received, read, public_read, seen in rows
    ]


def read_reads(connection: sqlite3.Connection) -> list[ReadRecord]:
    """Read the read positions in single conversations; without those that are damaged, the general ones hold."""
    with tolerating_damage():
        found = [ReadRecord(*row) for row in connection.execute(f"{_READS} ORDER BY user")]
        return [record for record in found if _is_whole(record)]
    logger.error("The log is damaged: some read positions cannot be read, so that messages may be unread again.")
    found = []
    for (user,) in connection.execute("SELECT id FROM users ORDER BY id"):
        with tolerating_damage():
            found += [ReadRecord(*row) for row in connection.execute(f"{_READS} WHERE user = ?", (user,))]
    return [record for record in found if _is_whole(record)]


def _is_whole(record: ReadRecord) -> bool:
    """Return whether a position that was read has numbers only, which SQLite does not check."""
    return all(isinstance(value, int) for value in record)


def read_keys(connection: sqlite3.Connection) -> list[KeyRecord]:
    """Read the keys of all users, oldest first."""
    return [KeyRecord(*row) for row in connection.execute("SELECT user, key, since, device FROM keys ORDER BY since")]


def read_tokens(connection: sqlite3.Connection) -> list[TokenRecord]:
    """Read the tokens of all users, oldest first; those that are damaged are left out, so that they let nobody in."""
    query = "SELECT digest, user, label, scope, places, created, until, used, key FROM tokens"
    found: list[TokenRecord] = []
    damaged = False
    with tolerating_damage() as damage:
        for row in connection.execute(query):
            try:
                found.append(_token(row))
            except ValueError:  # as msgspec's errors are
                damaged = True
    if damaged or damage.met:
        logger.error("The log is damaged: some tokens cannot be read, and let nobody in.")
    return sorted(found, key=lambda token: token.created)


def _token(row: Sequence[Any]) -> TokenRecord:
    """Return the token of a row.

    Raises:
        ValueError: a column is damaged.
    """
    digest, user, label, scope, places, *rest = row
    fields = dict(zip(("created", "until", "used", "key"), rest, strict=True))
    ids = None if places is None else msgspec.json.decode(places)
    named = {"digest": digest, "user": user, "label": label, "scope": scope, "places": ids, **fields}
    return msgspec.convert(named, TokenRecord)


def read_rulings(connection: sqlite3.Connection) -> list[Ruling]:
    """Read all rulings."""
    return [Ruling(*row) for row in connection.execute("SELECT kind, subject, value FROM rulings")]


def read_rooms(connection: sqlite3.Connection) -> list[RoomRecord]:
    """Read all rooms, oldest first."""
    rows = connection.execute("SELECT id, name, key, look, kind, topic, created FROM rooms ORDER BY id DESC")
    return [
        RoomRecord(id=identity, name=name, key=key, look=look or "", kind=kind, topic=topic, created=created)
        for identity, name, key, look, kind, topic, created in rows
    ]


def read_members(connection: sqlite3.Connection) -> list[MemberRecord]:
    """Read the members of all rooms, in the order in which they entered them."""
    rows = connection.execute(
        "SELECT user, conversation, since, owner FROM members "
        "WHERE conversation < 0 AND until IS NULL ORDER BY conversation DESC, rowid"
    )
    return [MemberRecord(user, room, since, bool(owner)) for user, room, since, owner in rows]


def read_head(connection: sqlite3.Connection) -> int:
    """Read the newest ``seq`` that was ever used, 0 if none was; its message may have been pruned."""
    (newest,) = connection.execute(_HEAD).fetchone()
    return int(newest)


def read_mark(connection: sqlite3.Connection, name: str) -> int:
    """Read a number that the log keeps, 0 if it is missing: ``pruned`` is the newest ``seq`` that was deleted.

    ``removed`` is the number of deleted messages; the others belong to the modules that write them.
    """
    row = connection.execute("SELECT seq FROM marks WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_mark(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Set a number that the log keeps."""
    connection.execute("INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq", (name, value))


def read_last_ids(connection: sqlite3.Connection) -> tuple[int, int]:
    """Read the highest id of a user and the lowest of a room, 0 for none."""
    (user,) = connection.execute("SELECT coalesce(max(id), 0) FROM users").fetchone()
    (room,) = connection.execute("SELECT coalesce(min(id), 0) FROM conversations").fetchone()
    return int(user), min(int(room), 0)
