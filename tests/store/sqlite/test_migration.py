"""Logs of older versions: copied, upgraded, and read as before."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from chatcli.errors import StoreError
from chatcli.protocol.values.lookalikes import look_of
from chatcli.store.queries import Unread, UnreadQuery
from chatcli.store.records import RELEASED, Enter, Found, KeyRecord, Leave, Ruling, SetOwner
from chatcli.store.sqlite import schema
from chatcli.store.sqlite_log import SqliteLog
from tests.store.conftest import open_sqlite
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, claim, entry, new_room, new_user
from tests.store.town import rows

NEWEST = len(schema.MIGRATIONS)
PEOPLE = "INSERT INTO users (id, name, key, created, cursor) VALUES (?, ?, ?, ?, ?)"
TALK = "INSERT INTO messages (seq, id, conversation, sender, at, text) VALUES (?, ?, ?, ?, ?, ?)"


@pytest.fixture(params=range(1, NEWEST))
def version(request: pytest.FixtureRequest) -> int:
    """Return the number of an older schema."""
    return int(request.param)


@pytest.fixture
def older(data: Path, version: int) -> Path:
    """Make a log as a version with that schema has left it; return its data directory."""
    data.mkdir()
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.create_function("look_of", 1, look_of)
        connection.executescript("".join(schema.MIGRATIONS[:version]))
        connection.executemany(PEOPLE, ((user.id, user.name, user.key, user.created, 3) for user in (ANN, BOB, CID)))
        connection.execute("INSERT INTO conversations VALUES (1, 1, 2), (2, 1, 1)")
        connection.execute("INSERT INTO members (user, conversation) VALUES (1, 1), (2, 1), (1, 2)")
        said = [
            (1, b"1" * 16, 1, 1, 10, "hi Bob"),
            (2, b"2" * 16, 1, 2, 20, "hi Ann"),
            (5, b"5" * 16, 2, 1, 50, "note"),
        ]
        connection.executemany(TALK, said)
        if version >= 2:
            connection.execute("INSERT INTO keys (user, key, since) VALUES (1, x'01', 7)")
            connection.execute("INSERT INTO rulings VALUES ('ban', 'eve', '{}')")
        if version >= 3:
            connection.execute("UPDATE users SET shown = iif(id = 2, 1, cursor)")
            connection.execute("UPDATE messages SET re = 1 WHERE seq = 2")
        if version >= 6:
            connection.execute("UPDATE users SET read = cursor")
    return data


def backup(data: Path, version: int) -> Path:
    """Return the path of the copy of an older log."""
    return data / f"chatcli.db.schema-{version}.bak"


def open_log(data: Path) -> Owner:
    """Open the log in a directory."""
    return Owner(partial(open_sqlite, data))


def test_upgrade(older: Path, version: int) -> None:
    """All users and messages are there, and new ones follow."""
    owner = open_log(older)
    hidden = 1 if version >= 3 else 3  # before that, nobody could hide what they had read
    assert owner.state.users == [
        replace(user, received=3, read=3, public_read=hidden if user is BOB else 3) for user in (ANN, BOB, CID)
    ]
    assert owner.state.reads == []
    assert owner.state.keys == ([KeyRecord(ANN.id, b"\x01", 7)] if version >= 2 else [])
    assert owner.state.rulings == ([Ruling("ban", "eve", "{}")] if version >= 2 else [])
    assert (owner.state.rooms, owner.state.members, owner.log.head) == ([], [], 5)
    assert owner.texts(ANN.id) == ["hi Bob", "hi Ann", "note"]
    assert owner.texts(BOB.id) == ["hi Bob", "hi Ann"]
    assert owner.find(ANN.id, "hi") == ["hi Ann", "hi Bob"]
    owner.write_all(
        Found(LOBBY, ANN.id), Enter(BOB.id, LOBBY.id), entry(ANN, LOBBY, "to all"), entry(CID, BOB, "to Bob")
    )
    assert owner.texts(BOB.id) == ["hi Bob", "hi Ann", "to all", "to Bob"]
    owner.log.close()


def test_what_was_read(older: Path) -> None:
    """It stays read, and the rest stays unread."""
    owner = open_log(older)
    unread = {user.name: owner.ask(UnreadQuery(user=user.id, after=user.read)) for user in owner.state.users}
    assert unread == {ANN.name: [Unread(ANN.id, 1, 5)], BOB.name: [], CID.name: []}
    owner.log.close()


def test_name_of_the_log(older: Path) -> None:
    """The log gets one, which it keeps."""
    open_log(older).log.close()
    named = rows(older, "SELECT number, epoch, since FROM epochs")
    assert [(number, len(epoch), since) for number, epoch, since in named] == [(1, 16, 0)]
    open_log(older).log.close()
    assert rows(older, "SELECT number, epoch, since FROM epochs") == named


def test_copy_before_an_upgrade(older: Path, version: int) -> None:
    """It is whole, in one private file, and has the schema that its name says."""
    open_log(older).log.close()
    copy = backup(older, version)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in older.glob("*.bak*")) == [copy.name]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert [text for (text,) in connection.execute("SELECT text FROM messages")] == ["hi Bob", "hi Ann", "note"]


def test_copy_put_back(older: Path, version: int) -> None:
    """It is the log as it was."""
    open_log(older).log.close()
    backup(older, version).replace(older / "chatcli.db")
    owner = open_log(older)
    assert owner.texts(BOB.id) == ["hi Bob", "hi Ann"]
    owner.log.close()


def test_no_copy_without_an_upgrade(older: Path, version: int) -> None:
    """A new log, or one of the newest schema, is not copied."""
    open_log(older).log.close()
    backup(older, version).unlink()
    open_log(older).log.close()
    assert not list(older.glob("*.bak*"))


def test_unfinished_copy(older: Path, version: int) -> None:
    """It is made again."""
    unfinished = older / f"chatcli.db.schema-{version}.bak.tmp"
    unfinished.write_bytes(b"half")
    backup(older, version).write_bytes(b"of another time")
    open_log(older).log.close()
    assert not unfinished.exists()
    assert backup(older, version).stat().st_size > 4096


def test_copy_that_cannot_be_made(older: Path, version: int) -> None:
    """The log is not opened, and stays as it was."""
    backup(older, version).mkdir()
    with pytest.raises(StoreError) as caught:
        SqliteLog(older, post=print, on_commit=print)
    assert str(caught.value) == (
        f"Cannot use the log {older / 'chatcli.db'}: it must be brought up to date, and before that it cannot be "
        f"copied to {backup(older, version)}: {os.strerror(21)}. Nothing was changed; make room there, or move it all "
        "to a larger disk."
    )
    with closing(sqlite3.connect(older / "chatcli.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    assert sorted(path.name for path in older.glob("*.bak*")) == [backup(older, version).name]


@pytest.fixture
def alike(data: Path) -> Path:
    """Make a log of the schema before names had looks, with names that look alike; return its data directory."""
    data.mkdir()
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 8")
        connection.executescript("".join(schema.MIGRATIONS[:8]))
        users = [
            *((1, "Bob", "bob"), (2, "B0b", "b0b"), (3, "Жанна", "жанна")),
            (4, "Dan (released 4)", f"{RELEASED}4"),
        ]
        connection.executemany("INSERT INTO users (id, name, key, created, cursor) VALUES (?, ?, ?, 5, 0)", users)
        connection.execute("INSERT INTO conversations (id) VALUES (-1), (-2)")
        rooms = "INSERT INTO rooms (id, name, key, kind, topic, created) VALUES (?, ?, ?, 'open', '', 5)"
        connection.executemany(rooms, [(-1, "#Lobby", "#lobby"), (-2, "#l0bby", "#l0bby")])
        members = "INSERT INTO members (user, conversation, since, until, owner) VALUES (?, ?, ?, ?, ?)"
        connection.executemany(members, [(1, -1, 0, 0, 1), (2, -1, 0, None, 0), (3, -1, 0, None, 1)])
    return data


def test_looks_of_names(alike: Path) -> None:
    """Old names get theirs, but for those that were released, and no new name may look like them."""
    owner = open_log(alike)
    assert [user.look for user in owner.state.users] == ["bob", "bob", look_of("Жанна"), ""]
    assert [room.look for room in owner.state.rooms] == ["#lobby", "#lobby"]
    assert (owner.log.new_user_id(), owner.log.new_room_id()) == (5, -3)
    for name in ("bоb", "BOb", "Dan"):
        wanted = {"bоb": "lookalike", "BOb": "taken", "Dan": None}[name]
        assert owner.conflict(claim(new_user(5, name, 9))) == wanted
    assert owner.conflict(Found(new_room(-3, "#1obby", 9), 5)) == "lookalike"
    assert owner.facts(Leave(3, -1)) == [Leave(3, -1), SetOwner(2, -1, owner=True)]
    owner.reopen()
    assert [user.name for user in owner.state.users] == ["Bob", "B0b", "Жанна", "Dan (released 4)", "Dan"]
    owner.log.close()
    assert backup(alike, 8).exists()


def test_older_program(alike: Path) -> None:
    """It would not write looks, and refuses the log by its number."""
    open_log(alike).log.close()
    assert rows(alike, "PRAGMA user_version") == [(NEWEST,)]
    assert NEWEST > 8
