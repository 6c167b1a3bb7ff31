"""Backups of the log: whole, checked, and made while others write."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.errors import InputError, StoreError
from chatcli.store.archive.exporter import export
from chatcli.store.archive.importer import import_archive
from chatcli.store.maintenance.backup import back_up
from chatcli.store.maintenance.check import examine
from chatcli.store.sqlite import schema
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, entry
from tests.store.town import change, rows, settle, spoil


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def town(chat: Owner) -> Owner:
    """Open a log with a little of everything."""
    settle(chat)
    return chat


def restored(copy: Path, directory: Path) -> Path:
    """Put a copy in the place of the log in a new data directory."""
    directory.mkdir()
    copy.rename(directory / "chatcli.db")
    return directory


def dump(path: Path) -> list[str]:
    """Return the contents of a database, but for the mark of a copy."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "'copied'" not in line]


def test_copy_equals_the_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """In another directory it is the same log, and goes on from there."""
    target = tmp_path / "copy.db"
    copied = back_up(data, target)
    assert copied == (7, target.stat().st_size)
    assert dump(target) == dump(data / "chatcli.db")
    other = Owner(partial(open_sqlite, restored(target, tmp_path / "other")))
    assert other.log.head == town.log.head == 8
    assert other.texts(BOB.id) == town.texts(BOB.id)
    assert other.write(entry(ANN, BOB, "on we go")).batch.entries[0].seq == 9
    other.log.close()


def test_copy_is_private(town: Owner, data: Path, tmp_path: Path) -> None:
    """Whatever the umask; no temporary file and no journal is left."""
    place = tmp_path / "backups"
    place.mkdir()
    umask = os.umask(0)
    try:
        back_up(data, place / "copy.db")
    finally:
        os.umask(umask)
    assert [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in place.iterdir()] == [("copy.db", 0o600)]


def test_copy_is_consistent(chat: Owner, data: Path, tmp_path: Path) -> None:
    """Batches of two messages are committed all the time: a copy never has half of one."""
    chat.write(*(entry(ANN, BOB, "x" * 5000) for _ in range(2000)))
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            assert chat.write(entry(ANN, BOB, "one"), entry(BOB, ANN, "two")).error is None
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(data, tmp_path / f"{number}.db")
    finally:
        stop.set()
        writer.join()
    assert written
    for number in range(3):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as copy:
            assert copy.execute("SELECT count(*) % 2 FROM messages").fetchone() == (0,)
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_copy_without_a_server(town: Owner, data: Path, tmp_path: Path) -> None:
    """Whether it ended or was killed, all committed messages are copied, and the log stays as it was."""
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("chatcli.db", "chatcli.db-wal"):  # what a kill leaves
        (killed / name).write_bytes((data / name).read_bytes())
    town.log.close()
    for number, directory in enumerate((data, killed)):
        before = (directory / "chatcli.db").read_bytes()
        assert back_up(directory, tmp_path / f"{number}.db").messages == 7
        assert (directory / "chatcli.db").read_bytes() == before


def test_existing_target(town: Owner, data: Path, tmp_path: Path) -> None:
    """It is replaced only with --force, and kept if the copy fails."""
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(InputError, match=f"There is a file {target} already: .*--force"):
        back_up(data, target)
    assert target.read_text() == "precious"
    back_up(data, target, force=True)
    assert dump(target) == dump(data / "chatcli.db")
    with pytest.raises(InputError, match="is a directory"):
        back_up(data, tmp_path, force=True)


OWN = ["chatcli.db", "chatcli.db-wal", "chatcli.db-shm", "lock", "search.db", "search.db-wal"]
OWN_OF_SERVERS = ["server.key", "server.crt", "audit.log", "admin.sock"]


def contents(directory: Path) -> dict[str, bytes]:
    """Return the contents of the files of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", [*OWN, *OWN_OF_SERVERS])
def test_files_of_the_server_are_no_target(town: Owner, data: Path, tmp_path: Path, name: str) -> None:
    """Not even with --force, whether the file exists or not."""
    assert town.find(BOB.id, "anyone") == []
    with pytest.raises(InputError, match="is a file of the server itself"):
        back_up(data, data / ".." / data.name / name, force=True)
    (tmp_path / "way").symlink_to(data, target_is_directory=True)
    with pytest.raises(InputError, match="is a file of the server itself"):
        back_up(tmp_path / "way", tmp_path / "way" / name, force=True)
    with pytest.raises(InputError, match="is a file of the server itself"):
        back_up(tmp_path / "way", data / name, force=True)
    assert town.write(entry(ANN, BOB, "still here")).error is None
    assert {path.name for path in tmp_path.iterdir()} == {"data", "way"}


@pytest.mark.parametrize("name", OWN)
def test_link_to_a_file_of_the_server(town: Owner, data: Path, tmp_path: Path, name: str) -> None:
    """By whatever name."""
    assert town.find(BOB.id, "anyone") == []
    (tmp_path / "far").symlink_to(data / name)
    (tmp_path / "farther").symlink_to(tmp_path / "far")
    (tmp_path / "hard").hardlink_to(data / name)
    for link in ("far", "farther", "hard"):
        with pytest.raises(InputError, match="is a file of the server itself"):
            back_up(data, tmp_path / link, force=True)
    assert (tmp_path / "hard").samefile(data / name)


def test_log_behind_a_link_is_no_target(town: Owner, data: Path, tmp_path: Path) -> None:
    """If chatcli.db is a link to a larger disk."""
    town.log.close()
    (data / "chatcli.db").rename(tmp_path / "large.db")
    (data / "chatcli.db").symlink_to(tmp_path / "large.db")
    before = contents(tmp_path)
    for target in (data / "chatcli.db", tmp_path / "large.db"):
        with pytest.raises(InputError, match="is a file of the server itself"):
            back_up(data, target, force=True)
    assert contents(tmp_path) == before


def test_link_to_itself(town: Owner, data: Path, tmp_path: Path) -> None:
    """It is replaced with --force; and a data directory may hold copies."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert back_up(data, tmp_path / "loop", force=True).messages == 7
    assert back_up(data, data / "copy.db").messages == 7


def test_target_that_cannot_be_written(town: Owner, data: Path, tmp_path: Path) -> None:
    """The error is one sentence."""
    with pytest.raises(StoreError, match=f"Cannot write {tmp_path / 'none' / 'copy.db'}: No such file or directory"):
        back_up(data, tmp_path / "none" / "copy.db")


def test_damaged_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """A damaged copy would only look like a backup."""
    town.log.close()
    spoil(data, "anyone here?")
    with pytest.raises(StoreError, match=r"(?s)The log is damaged .*no copy.*chatcli admin export --data /"):
        back_up(data, tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_older_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """It can be copied before an upgrade; export and check need the server to upgrade it first."""
    town.log.close()
    older = tmp_path / "older"
    older.mkdir()
    with closing(sqlite3.connect(older / "chatcli.db")) as connection:
        connection.executescript(f"PRAGMA application_id = {schema.APPLICATION_ID}; {schema.MIGRATIONS[0]}")
        connection.executescript("PRAGMA user_version = 1; INSERT INTO users VALUES (1, 'Ann', 'ann', 0, 0)")
    before = (older / "chatcli.db").read_bytes()
    assert back_up(older, tmp_path / "copy.db").messages == 0
    refused = "written by an older chatcli.*start the server over it once"
    with pytest.raises(StoreError, match=refused):
        export(older, [], bytearray().extend, 0)
    with pytest.raises(StoreError, match=refused):
        list(examine(older))
    with (tmp_path / "copy.db").open("rb") as lines, pytest.raises(StoreError, match=refused):
        import_archive(older, lines, print)
    assert (older / "chatcli.db").read_bytes() == before


def test_newer_log(town: Owner, data: Path, tmp_path: Path) -> None:
    """Nothing is read or written."""
    town.log.close()
    newer = len(schema.MIGRATIONS) + 1
    change(data, f"PRAGMA user_version = {newer}")
    refused = rf"Cannot use the log .*written by a newer chatcli \(schema {newer}.*upgrade chatcli"
    with pytest.raises(StoreError, match=refused):
        back_up(data, tmp_path / "copy.db")
    with pytest.raises(StoreError, match=refused):
        export(data, [], bytearray().extend, 0)
    with pytest.raises(StoreError, match=refused):
        list(examine(data))
    with Path(os.devnull).open("rb") as lines, pytest.raises(StoreError, match=refused):
        import_archive(data, lines, print)
    assert rows(data, "SELECT count(*) FROM messages") == [(7,)]


def test_no_log(tmp_path: Path) -> None:
    """No directory, no database in it, or one of another program."""
    for directory in (tmp_path / "none", tmp_path):
        with pytest.raises(StoreError, match=f"There is no log in {directory}: .*--data"):
            back_up(directory, tmp_path / "copy.db")
    (tmp_path / "chatcli.db").write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StoreError, match=r"Cannot read the log .*file is not a database"):
        back_up(tmp_path, tmp_path / "copy.db")
    (tmp_path / "chatcli.db").write_bytes(b"")
    with pytest.raises(StoreError, match="is empty"):
        back_up(tmp_path, tmp_path / "copy.db")
