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


#: Each rule, the query for the rows that break it, and the finding for each of them.
_RULES: Final = (
    (
        "names are unique",
        """
        SELECT min(name), count(*) FROM users NOT INDEXED GROUP BY key HAVING count(*) > 1
        UNION ALL SELECT min(name), count(*) FROM rooms NOT INDEXED GROUP BY key HAVING count(*) > 1
        """,
        'the name "{}" is there {} times',
    ),
    (
        "keys have the length of keys",
        "SELECT name, length(keys.key) FROM keys JOIN users ON users.id = user WHERE length(keys.key) <> 32",
        'a key of "{}" has {} bytes instead of 32',
    ),
    (
        "conversations of two have these two in them",
        """
        SELECT id, low, high FROM conversations WHERE id > 0 AND 1 + (low <> high) <> (
            SELECT count(DISTINCT user) FROM members WHERE conversation = conversations.id AND user IN (low, high))
        """,
        "conversation {} of the users {} and {} is not among those that they belong to",
    ),
    (
        "conversations of two have nobody else in them",
        """
        SELECT conversation, user FROM members JOIN conversations ON conversations.id = conversation
        WHERE conversation > 0 AND user NOT IN (low, high)
        """,
        "conversation {} of two people has user {} in it",
    ),
    (
        "rooms and their conversations belong together",
        """
        SELECT id FROM conversations WHERE id <= 0 AND id NOT IN (SELECT id FROM rooms)
        UNION ALL SELECT id FROM rooms WHERE id NOT IN (SELECT id FROM conversations WHERE id < 0)
        """,
        "room {} is there by half",
    ),
    (
        "times in a room end after they begin",
        "SELECT user, conversation FROM members WHERE until < since",
        "user {} left room {} before they came",
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
        "messages to people are from one of the two",
        """
        SELECT seq, sender, conversation FROM messages JOIN conversations ON conversations.id = conversation
        WHERE conversation > 0 AND sender NOT IN (low, high)
        """,
        "message {} is from user {}, who is not in conversation {}",
    ),
    (
        "answers follow what they answer",
        "SELECT seq, re FROM messages WHERE re >= seq",
        "message {} answers message {}, which is not before it",
    ),
    (
        "questions that are answered are there, and their answers follow them",
        """
        SELECT seq, question FROM answers
        WHERE seq <= question OR NOT EXISTS (SELECT 1 FROM messages WHERE messages.seq = question)
        """,
        "message {} is the answer to message {}, which is not there or not before it",
    ),
    (
        "ids of messages are UUIDs",
        "SELECT seq, length(id) FROM messages WHERE length(id) <> 16",
        "the id of message {} has {} bytes instead of 16",
    ),
    (
        "what is remembered of deleted messages can be looked up",
        "SELECT seq, length(digest) FROM deleted WHERE length(digest) <> 16",
        "of message {}, which was deleted, {} bytes are remembered instead of 16",
    ),
    (
        "nobody has read what was never said",
        """
        SELECT name, cursor FROM users WHERE cursor > max(
            coalesce((SELECT max(seq) FROM messages), 0), (SELECT seq FROM marks WHERE name = 'pruned'))
        """,
        'the read position of "{}", {}, is beyond the newest message',
    ),
)


def examine(directory: Path) -> Iterator[Examined]:
    """Check the log of a data directory, and yield each rule with its findings; nothing is changed.

    Raises:
        StoreError: there is no log, or it cannot be read at all.
    """
    with snapshot(directory) as connection:
        yield _examined("every page can be read", partial(_integrity, connection))
        yield _examined("what belongs together is there", partial(_references, connection))
        for what, query, text in _RULES:
            yield _examined(what, partial(_broken, connection, query, text))


def _examined(what: str, findings: Callable[[], list[str]]) -> Examined:
    try:
        return Examined(what, findings())
    except sqlite3.Error as error:
        return Examined(what, [f"this cannot be found out: {error}"])


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
    return [f"{table} has a row {row} whose {parent} is missing" for table, row, parent, _ in rows]


def _broken(connection: sqlite3.Connection, query: str, text: str) -> list[str]:
    return [text.format(*row) for row in connection.execute(query).fetchmany(_MAX_FINDINGS)]
