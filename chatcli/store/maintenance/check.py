"""Checks that a log is whole: the pages of its file, and rules about its rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.store.maintenance.snapshot import snapshot

_MAX_FINDINGS: Final = 20  # of one kind; nobody reads more


class Examined(NamedTuple):
    """One rule that was checked.

    Attributes:
        what: the rule.
        findings: each place that breaks it.
    """

    what: str
    findings: list[str]


#: The newest ``seq`` that was ever used.
_HEAD: Final = """
max(coalesce((SELECT max(seq) FROM messages), 0), coalesce((SELECT max(seq) FROM name_changes), 0),
    (SELECT seq FROM marks WHERE name = 'pruned'))
"""
#: Each rule, the query for the rows that break it, and the finding for each of them.
_RULES: Final = (
    (
        "names are unique",
        """
        SELECT min(name), count(*) FROM users NOT INDEXED GROUP BY key HAVING count(*) > 1
        UNION ALL SELECT min(name), count(*) FROM rooms NOT INDEXED GROUP BY key HAVING count(*) > 1
        """,
        'the name "{}" exists {} times',
    ),
    (
        "keys have the length of keys",
        "SELECT name, length(keys.key) FROM keys JOIN users ON users.id = user WHERE length(keys.key) <> 32",
        'a key of "{}" has {} bytes instead of 32',
    ),
    (
        "tokens have the length of digests, and places that exist",
        """
        SELECT hex(substr(digest, 1, 6)), length(digest) FROM tokens
        WHERE length(digest) <> 32 OR scope NOT IN ('send', 'read', 'all', 'metrics', 'recover')
        OR (places IS NOT NULL AND (
            NOT json_valid(places) OR EXISTS (
                SELECT 1 FROM json_each(iif(json_valid(places), places, '[]'))
                WHERE value NOT IN (SELECT id FROM users) AND value NOT IN (SELECT id FROM rooms))))
        """,
        "the token {}, whose digest has {} bytes, is damaged: revoke it",
    ),
    (
        "conversations of two users have both as members",
        """
        SELECT id, low, high FROM conversations WHERE id > 0 AND 1 + (low <> high) <> (
            SELECT count(DISTINCT user) FROM members WHERE conversation = conversations.id AND user IN (low, high))
        """,
        "conversation {} of the users {} and {} does not have both as members",
    ),
    (
        "conversations of two users have no other members",
        """
        SELECT conversation, user FROM members JOIN conversations ON conversations.id = conversation
        WHERE conversation > 0 AND user NOT IN (low, high)
        """,
        "conversation {} of two users has user {} as a member",
    ),
    (
        "rooms have their conversations",
        """
        SELECT id FROM conversations WHERE id <= 0 AND id NOT IN (SELECT id FROM rooms)
        UNION ALL SELECT id FROM rooms WHERE id NOT IN (SELECT id FROM conversations WHERE id < 0)
        """,
        "room {} is incomplete",
    ),
    (
        "periods in a room end after they begin",
        "SELECT user, conversation FROM members WHERE until < since",
        "user {} left room {} before they entered it",
    ),
    (
        "nobody is in a room twice",
        """
        SELECT user, conversation, count(*) FROM members WHERE until IS NULL
        GROUP BY user, conversation HAVING count(*) > 1
        """,
        "user {} is in conversation {} {} times",
    ),
    (
        "messages in conversations of two users are from one of them",
        """
        SELECT seq, sender, conversation FROM messages JOIN conversations ON conversations.id = conversation
        WHERE conversation > 0 AND sender NOT IN (low, high)
        """,
        "message {} is from user {}, who is not in conversation {}",
    ),
    (
        "answers follow the messages that they answer",
        "SELECT seq, re FROM messages WHERE re >= seq",
        "message {} answers message {}, which is not before it",
    ),
    (
        "answered questions exist, and their answers follow them",
        """
        SELECT seq, question FROM answers
        WHERE seq <= question OR NOT EXISTS (SELECT 1 FROM messages WHERE messages.seq = question)
        """,
        "message {} is the answer to message {}, which is missing or not before it",
    ),
    (
        "ids of messages are UUIDs",
        "SELECT seq, length(id) FROM messages WHERE length(id) <> 16",
        "the id of message {} has {} bytes instead of 16",
    ),
    (
        "records of deleted messages have the length of digests",
        "SELECT seq, length(digest) FROM deleted WHERE length(digest) <> 16",
        "the record of message {}, which was deleted, has {} bytes instead of 16",
    ),
    (
        "read positions are in conversations of their users",
        """
        SELECT user, conversation FROM reads
        WHERE user NOT IN (SELECT id FROM users) OR conversation NOT IN (
            SELECT id FROM conversations WHERE id < 0 OR user IN (low, high))
        """,
        "user {} has a read position in conversation {}, which is not theirs",
    ),
    (
        "positions of users are not beyond the newest message",
        f"""
        SELECT name, max(cursor, read, shown) AS furthest FROM users WHERE furthest > {_HEAD}
        UNION ALL SELECT name, max(reads.seq, reads.shown) AS furthest FROM reads JOIN users ON users.id = reads.user
        WHERE furthest > {_HEAD}
        """,  # noqa: S608 (our own text)
        'a position of "{}", {}, is beyond the newest message',
    ),
    (
        "the log has epochs, in the order of their beginnings",
        f"""
        SELECT number, since FROM epochs
        WHERE since < coalesce((SELECT max(since) FROM epochs AS earlier WHERE earlier.number < epochs.number), 0)
           OR since > {_HEAD}
        UNION ALL SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM epochs)
        """,  # noqa: S608 (our own text)
        "epoch {}, which should begin after message {}, is missing or out of order",
    ),
)


def examine(directory: Path) -> Iterator[Examined]:
    """Check the log of a data directory, and yield each rule with its findings; nothing is changed.

    Raises:
        StoreError: there is no log, or it cannot be read at all.
    """
    with snapshot(directory) as connection:
        yield _examined("every page can be read", partial(_integrity, connection))
        yield from examine_contents(connection)


def examine_contents(connection: sqlite3.Connection) -> Iterator[Examined]:
    """Check the contents of a log of the newest schema, and yield each rule with its findings."""
    yield _examined("references have their targets", partial(_references, connection))
    for what, query, text in _RULES:
        yield _examined(what, partial(_broken, connection, query, text))


def _examined(what: str, findings: Callable[[], list[str]]) -> Examined:
    try:
        return Examined(what, findings())
    except sqlite3.Error as error:
        return Examined(what, [f"this cannot be checked: {error}"])


def _integrity(connection: sqlite3.Connection) -> list[str]:
    try:
        found = [
            " ".join(str(text).split()) for (text,) in connection.execute(f"PRAGMA integrity_check({_MAX_FINDINGS})")
        ]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    return [] if found == ["ok"] else [f"the file is damaged: {text}" for text in found]


def _references(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("PRAGMA foreign_key_check").fetchmany(_MAX_FINDINGS)
    return [f"{table} has {_named(row)} whose {parent} is missing" for table, row, parent, _ in rows]


def _named(row: int | None) -> str:
    """Return a row by its number, which some tables do not have."""
    return "a row" if row is None else f"row {row}"


def _broken(connection: sqlite3.Connection, query: str, text: str) -> list[str]:
    return [text.format(*row) for row in connection.execute(query).fetchmany(_MAX_FINDINGS)]
