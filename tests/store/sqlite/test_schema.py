"""The schema of the SQLite log: databases that are upgraded, and those that are refused."""

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
    """Return the path of a database."""
    return tmp_path / "some.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a new database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def mark(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the application id of a database, and its schema."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the tables of a database."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_new_database(connection: sqlite3.Connection) -> None:
    """It becomes a log of the newest schema."""
    schema.migrate(connection)
    assert mark(connection) == (schema.APPLICATION_ID, len(schema.MIGRATIONS))
    assert tables(connection) == {
        "users", "conversations", "members", "messages", "keys", "rulings", "rooms", "marks", "answers", "deleted",
        "reads", "epochs", "name_changes", "tokens",
    }  # fmt: skip
    assert len(connection.execute("SELECT epoch FROM epochs").fetchall()) == 1
    assert not connection.in_transaction


def test_migrate_twice(connection: sqlite3.Connection) -> None:
    """The second time changes nothing."""
    schema.migrate(connection)
    connection.execute(PEOPLE)
    before = list(connection.iterdump())
    schema.migrate(connection)
    assert list(connection.iterdump()) == before


def test_older_schema(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log keeps its data and gets only the migrations that it lacks."""
    schema.migrate(connection)
    connection.execute(PEOPLE)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    schema.migrate(connection)
    assert mark(connection) == (schema.APPLICATION_ID, len(schema.MIGRATIONS))
    assert connection.execute("SELECT name, colour FROM users").fetchall() == [("Ann", None), ("Bob", None)]


def test_failed_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is undone, and those before it are kept."""
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
def test_other_program(connection: sqlite3.Connection, script: str) -> None:
    """Other tables or another application id are refused, and nothing is written."""
    connection.executescript(script)
    before = list(connection.iterdump()), mark(connection)
    with pytest.raises(StoreError, match="it is a database of some other program"):
        schema.migrate(connection)
    assert (list(connection.iterdump()), mark(connection)) == before


def test_newer_schema(connection: sqlite3.Connection) -> None:
    """It is refused, with both numbers and the remedy."""
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
def test_constraints(connection: sqlite3.Connection, good: str, bad: str) -> None:
    """Keys, ids and seqs are unique and typed, whatever a program does."""
    schema.migrate(connection)
    connection.execute(good)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(bad)
