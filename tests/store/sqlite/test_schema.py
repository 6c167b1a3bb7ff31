"""The schema of the SQLite log: where a database comes from and which ones are let in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.errors import StoreError
from chatcli.store.sqlite import schema

PEOPLE = "INSERT INTO users (id, name, key, created, cursor) VALUES (1, 'Ann', 'ann', 0, 0), (2, 'Bob', 'bob', 0, 0)"
ONE_MORE = "INSERT INTO users (id, name, key, created, cursor) VALUES "
SAY = "INSERT INTO messages (seq, id, conversation, sender, at, text) VALUES "
TALK = "INSERT INTO conversations VALUES (1, 1, 2)"
NEXT = "ALTER TABLE users ADD COLUMN colour TEXT;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a database may lie."""
    return tmp_path / "some.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database that is new."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def mark(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return whose database it is, and its schema."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the tables that are there."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_a_new_database_gets_the_newest_schema(connection: sqlite3.Connection) -> None:
    """An empty file becomes a log, marked as ours and with its version."""
    schema.migrate(connection)
    assert mark(connection) == (schema.APPLICATION_ID, len(schema.MIGRATIONS))
    assert tables(connection) == {
        "users", "conversations", "members", "messages", "keys", "rulings", "rooms", "marks", "answers", "deleted"
    }  # fmt: skip
    assert not connection.in_transaction


def test_a_database_is_migrated_once(connection: sqlite3.Connection) -> None:
    """To migrate a log that is up to date changes nothing."""
    schema.migrate(connection)
    connection.execute(PEOPLE)
    before = list(connection.iterdump())
    schema.migrate(connection)
    assert list(connection.iterdump()) == before


def test_an_older_log_is_brought_up_to_date(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of the schema before keeps its data and gets only the steps that it lacks."""
    schema.migrate(connection)
    connection.execute(PEOPLE)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    schema.migrate(connection)
    assert mark(connection) == (schema.APPLICATION_ID, len(schema.MIGRATIONS))
    assert connection.execute("SELECT name, colour FROM users").fetchall() == [("Ann", None), ("Bob", None)]


def test_a_step_that_fails_leaves_the_log_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration is done whole or not at all, and the steps before it stay done."""
    newest = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT, "CREATE TABLE half (a); nonsense;"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection, pytest.raises(sqlite3.Error):
        schema.migrate(connection)
    with closing(sqlite3.connect(path)) as connection:
        assert mark(connection) == (schema.APPLICATION_ID, newest + 1)
        assert "half" not in tables(connection)


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE recipes (name TEXT)",
        "PRAGMA application_id = 77",
        "PRAGMA application_id = 77; CREATE TABLE recipes (name TEXT); PRAGMA user_version = 99",
        "CREATE TABLE users (id INTEGER PRIMARY KEY); PRAGMA user_version = 1",
    ],
)
def test_a_database_of_another_program_is_let_alone(connection: sqlite3.Connection, script: str) -> None:
    """Tables without our mark, or someone else's mark, are refused and not written to."""
    connection.executescript(script)
    before = list(connection.iterdump()), mark(connection)
    with pytest.raises(StoreError, match="it is a database of some other program"):
        schema.migrate(connection)
    assert (list(connection.iterdump()), mark(connection)) == before


def test_a_log_of_a_newer_chatcli_is_let_alone(connection: sqlite3.Connection) -> None:
    """A schema that this version does not know is refused, with both numbers and the remedy."""
    schema.migrate(connection)
    newer = len(schema.MIGRATIONS) + 1
    connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(StoreError, match=rf"schema {newer}; this one knows {newer - 1}\): upgrade chatcli"):
        schema.migrate(connection)
    assert mark(connection) == (schema.APPLICATION_ID, newer)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (PEOPLE, ONE_MORE + "(3, 'ANN', 'ann', 0, 0)"),
        (PEOPLE, ONE_MORE + "(1, 'Cid', 'cid', 0, 0)"),
        (PEOPLE, ONE_MORE + "(3, 'Cid', 'cid', 'now', 0)"),
        (TALK, "INSERT INTO conversations VALUES (2, 1, 2)"),
        (TALK, "INSERT INTO conversations VALUES (2, 2, 1)"),
        ("INSERT INTO members (user, conversation) VALUES (1, 1)",) * 2,
        (
            SAY + "(1, x'01', 1, 1, 0, 'hi')",
            SAY + "(2, x'01', 1, 1, 0, 'hi')",
        ),
        (
            SAY + "(1, x'01', 1, 1, 0, 'hi')",
            SAY + "(1, x'02', 1, 1, 0, 'hi')",
        ),
    ],
    ids=["key", "user id", "type", "pair", "order of a pair", "member", "message id", "seq"],
)
def test_the_database_itself_refuses_what_cannot_be(connection: sqlite3.Connection, good: str, bad: str) -> None:
    """Keys, ids and places are unique and typed, whatever a program does."""
    schema.migrate(connection)
    connection.execute(good)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(bad)
