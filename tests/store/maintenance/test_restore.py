"""Backups that become the log again: nothing is lost silently, and nothing of two logs is mixed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.errors import InputError, StoreError
from chatcli.store.data_directory import lock
from chatcli.store.maintenance.backup import back_up
from chatcli.store.maintenance.check import examine
from chatcli.store.maintenance.restore import Missing, restore
from chatcli.store.records import Enter, Found
from chatcli.store.sqlite import schema
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, CID, LOBBY, PEOPLE, claim, entry, new_user
from tests.store.town import change, rows, spoil

DAN = new_user(4, "Dan", 4000)
TEXTS = "SELECT text FROM messages ORDER BY seq"


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def backup(chat: Owner, data: Path, tmp_path: Path) -> Path:
    """Make a backup with two messages; the log goes on with a third."""
    chat.write(entry(ANN, BOB, "one"), entry(BOB, ANN, "two"))
    back_up(data, tmp_path / "backup.db")
    chat.write(entry(ANN, BOB, "three"))
    return tmp_path / "backup.db"


def texts(log: Path) -> list[str]:
    """Return the texts in a log, given by its file."""
    with closing(sqlite3.connect(log)) as connection:
        return [text for (text,) in connection.execute(TEXTS)]


def names(directory: Path) -> set[str]:
    """Return the files of a directory."""
    return {path.name for path in directory.iterdir()}


@pytest.mark.parametrize("there", [False, True])
def test_new_directory(chat: Owner, backup: Path, tmp_path: Path, there: bool) -> None:
    """It is made, private, and has the log as of the backup, which goes on in another epoch."""
    new = tmp_path / "deep" / "new"
    if there:
        new.mkdir(mode=0o700, parents=True)
    done = restore(backup, new)
    assert (done.messages, done.kept, done.missing, done.findings) == (2, None, Missing(), [])
    assert not done.by_hand
    assert names(new) == {"chatcli.db", "lock"}
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in new.iterdir()} == {0o600}
    owner = Owner(partial(open_sqlite, new))
    assert owner.texts(BOB.id) == ["one", "two"]
    assert owner.log.shared(chat.log.epoch) == 2
    owner.log.close()
    assert not [one for _, findings in examine(new) for one in findings]


def test_log_that_is_newer(chat: Owner, backup: Path, data: Path) -> None:
    """Without ``force`` nothing changes; with it the log is kept whole, and neither WAL nor index is left."""
    chat.write_all(claim(DAN), Found(LOBBY, ANN.id), Enter(DAN.id, LOBBY.id), entry(DAN, LOBBY, "four"))
    assert chat.find_patiently(BOB.id, "three") == ["three"]
    chat.log.close()
    before = names(data)
    sentence = r"^Nothing was changed: .* has 2 messages, 1 name and 1 room \(the newest message is from 2023-11-14 .*"
    with pytest.raises(InputError, match=sentence):
        restore(backup, data)
    assert (names(data), texts(data / "chatcli.db")) == (before, ["one", "two", "three", "four"])
    done = restore(backup, data, force=True)
    assert done.missing[:3] == (2, 1, 1)
    assert done.kept is not None
    assert names(data) == {"chatcli.db", done.kept.name, "lock"}
    assert texts(done.kept) == ["one", "two", "three", "four"]
    chat.reopen()
    assert chat.texts(BOB.id) == ["one", "two"]
    assert chat.find_patiently(BOB.id, "three") == []


def test_log_with_nothing_more(chat: Owner, data: Path, backup: Path, tmp_path: Path) -> None:
    """It is replaced without ``force``, and kept nevertheless. Messages that it no longer has come back."""
    chat.delete(10**14)
    assert not rows(data, TEXTS)
    chat.log.close()
    done = restore(backup, data)
    assert (done.missing, done.messages) == (Missing(), 2)
    assert done.kept is not None
    assert texts(done.kept) == []


def test_restore_is_undone(chat: Owner, backup: Path, data: Path) -> None:
    """The kept log is a backup as any other."""
    chat.log.close()
    kept = restore(backup, data, force=True).kept
    assert kept is not None
    restore(kept, data)
    assert texts(data / "chatcli.db") == ["one", "two", "three"]
    assert texts(kept) == ["one", "two", "three"]


def test_wal_of_a_killed_server(chat: Owner, backup: Path, data: Path, tmp_path: Path) -> None:
    """Its newest messages are counted, and are in the kept log."""
    killed = tmp_path / "killed"
    shutil.copytree(data, killed)
    assert "chatcli.db-wal" in names(killed)
    done = restore(backup, killed, force=True)
    assert done.missing.messages == 1
    assert done.kept is not None
    assert names(killed) == {"chatcli.db", done.kept.name, "lock"}
    assert texts(done.kept) == ["one", "two", "three"]
    assert texts(killed / "chatcli.db") == ["one", "two"]


def test_wal_without_its_log(chat: Owner, backup: Path, data: Path, tmp_path: Path) -> None:
    """It is kept out of the way of the new log."""
    lost = tmp_path / "lost"
    shutil.copytree(data, lost)
    (lost / "chatcli.db").unlink()
    wal = (lost / "chatcli.db-wal").read_bytes()
    restore(backup, lost)
    (kept,) = lost.glob("*-wal")
    assert kept.read_bytes() == wal
    assert kept.name.startswith("chatcli.db.before-restore-")
    assert texts(lost / "chatcli.db") == ["one", "two"]


@pytest.mark.parametrize("begins", [b"scribbled over", b""])
def test_damaged_log(chat: Owner, backup: Path, data: Path, tmp_path: Path, begins: bytes) -> None:
    """Nobody knows what it has: it is replaced only with ``force``, and kept with all that is beside it."""
    chat.write(*(entry(ANN, BOB, "x" * 3000) for _ in range(20)))
    damaged = tmp_path / "damaged"
    shutil.copytree(data, damaged)
    path = damaged / "chatcli.db"
    path.write_bytes(begins + os.urandom(20_000)[len(begins) :])
    wal = (damaged / "chatcli.db-wal").read_bytes()
    with pytest.raises(InputError, match=r"cannot be read .* so nobody knows what it has .*--force"):
        restore(backup, damaged)
    assert (damaged / "chatcli.db-wal").read_bytes() == wal
    done = restore(backup, damaged, force=True)
    assert done.missing.error
    assert done.kept is not None
    assert (damaged / f"{done.kept.name}-wal").read_bytes() == wal
    assert texts(path) == ["one", "two"]
    assert not (damaged / "chatcli.db-wal").exists()


def test_damaged_page(chat: Owner, backup: Path, data: Path) -> None:
    """A log with a page that cannot be read is one that cannot be compared."""
    chat.write(*(entry(ANN, BOB, f"{number} " + "x" * 3000) for number in range(20)))
    chat.log.close()
    spoil(data, "three")
    with pytest.raises(InputError, match=r"cannot be read .*malformed"):
        restore(backup, data)
    done = restore(backup, data, force=True)
    assert "malformed" in done.missing.error
    assert texts(data / "chatcli.db") == ["one", "two"]


def test_log_of_another_program(backup: Path, tmp_path: Path) -> None:
    """It is not overwritten either."""
    (tmp_path / "other").mkdir(mode=0o700)
    change(tmp_path / "other", "CREATE TABLE things (thing TEXT); INSERT INTO things VALUES ('precious')")
    with pytest.raises(InputError, match="no such table"):
        restore(backup, tmp_path / "other")
    kept = restore(backup, tmp_path / "other", force=True).kept
    assert kept is not None
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT thing FROM things").fetchall() == [("precious",)]


def test_log_of_a_newer_version(chat: Owner, backup: Path, data: Path) -> None:
    """Whoever goes back to an older program is told what its log has more, as of any other."""
    chat.log.close()
    change(data, "PRAGMA user_version = 99; CREATE TABLE more (number INTEGER)")
    with pytest.raises(InputError, match="has 1 message "):
        restore(backup, data)
    assert restore(backup, data, force=True).missing.messages == 1


def test_log_in_use(chat: Owner, backup: Path, data: Path) -> None:
    """The server has to be stopped first; so has any other program with the log."""
    with pytest.raises(StoreError, match=r"Another chatcli server .* stop it first"):
        restore(backup, data, force=True)
    chat.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.execute("BEGIN")
        connection.execute(TEXTS).fetchall()
        with pytest.raises(StoreError, match=r"^Cannot restore .*: another program has .* open: end that program.$"):
            restore(backup, data, force=True)
    assert texts(data / "chatcli.db") == ["one", "two", "three"]
    assert not list(data.glob("*before-restore*"))
    assert not list(data.glob(".*"))


def test_disk_without_hard_links(chat: Owner, backup: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is copied instead."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    chat.log.close()
    monkeypatch.setattr(os, "link", refuse)  # the system's, not ours
    kept = restore(backup, data, force=True).kept
    assert kept is not None
    assert texts(kept) == ["one", "two", "three"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def older_log(path: Path, version: int) -> None:
    """Make the backup of a version with an older schema."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("".join(schema.MIGRATIONS[:version]))
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        insert = "INSERT INTO users (id, name, key, created, cursor) VALUES (?, ?, ?, ?, 0)"
        connection.executemany(insert, [(one.id, one.name, one.key, one.created) for one in PEOPLE])
        connection.execute("INSERT INTO conversations (id, low, high) VALUES (1, 1, 2)")
        connection.execute("INSERT INTO members (user, conversation) VALUES (1, 1), (2, 1)")
        insert = "INSERT INTO messages (seq, id, conversation, sender, at, text) VALUES (1, ?, 1, 1, 10, 'old')"
        connection.execute(insert, (b"1" * 16,))


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_backup_of_an_older_version(chat: Owner, data: Path, tmp_path: Path, version: int) -> None:
    """It is brought up to date on the way, and stays as it is itself."""
    older_log(tmp_path / "older.db", version)
    before = (tmp_path / "older.db").read_bytes()
    chat.write(entry(ANN, CID))
    chat.log.close()
    assert restore(tmp_path / "older.db", data, force=True).missing[:3] == (1, 0, 0)
    assert (tmp_path / "older.db").read_bytes() == before
    chat.reopen()
    assert chat.texts(BOB.id) == ["old"]
    assert not list(data.glob("*.bak"))


def test_copy_from_before_an_upgrade(data: Path) -> None:
    """It is in the data directory itself."""
    data.mkdir(mode=0o700)
    older_log(data / "chatcli.db", 5)
    owner = Owner(partial(open_sqlite, data))
    owner.write(entry(ANN, BOB, "new"))
    owner.log.close()
    done = restore(data / "chatcli.db.schema-5.bak", data, force=True)
    assert done.missing.messages == 1
    assert texts(data / "chatcli.db") == ["old"]
    assert texts(data / "chatcli.db.schema-5.bak") == ["old"]


def test_files_that_are_no_backup(chat: Owner, backup: Path, data: Path, tmp_path: Path) -> None:
    """Each has its sentence, and no directory is made."""
    new = tmp_path / "new"
    (tmp_path / "text").write_text("hello")
    (tmp_path / "export").write_text('{"t":"export","version":1}\n')
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(data / "chatcli.db")
    for name, sentence in {
        "text": "is not a backup: name a file that chatcli admin backup has written",
        "export": "is not a backup: add an export to a log with chatcli admin import",
        "pipe": "is a pipe or a device",
        "data": "is a directory",
        "nothing": "Cannot read .*: No such file or directory",
        "link": "is the log of a server that runs: make a backup, and restore that:\n    chatcli admin backup copy.db",
    }.items():
        with pytest.raises(InputError, match=sentence):
            restore(tmp_path / name, new)
    change_version(backup, 99)
    with pytest.raises(StoreError, match=r"it was written by a newer chatcli \(schema 99; .*: upgrade chatcli"):
        restore(backup, new)
    assert not new.exists()


def change_version(path: Path, version: int) -> None:
    """Change the number of a log's schema."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


def test_log_itself(chat: Owner, data: Path, tmp_path: Path) -> None:
    """It is no backup of itself, under whatever name."""
    chat.log.close()
    (tmp_path / "link").symlink_to(data / "chatcli.db")
    os.link(data / "chatcli.db", tmp_path / "second name")
    for path in (data / "chatcli.db", tmp_path / "link", tmp_path / "second name"):
        with pytest.raises(InputError, match="is the log itself: name a backup of it"):
            restore(path, data, force=True)


def test_link_to_a_backup(backup: Path, tmp_path: Path) -> None:
    """It is followed."""
    (tmp_path / "latest").symlink_to(backup)
    assert restore(tmp_path / "latest", tmp_path / "new").messages == 2
    assert not (tmp_path / "new" / "chatcli.db").is_symlink()


def test_backup_in_the_directory(chat: Owner, backup: Path, data: Path) -> None:
    """It stays there."""
    chat.log.close()
    backup = backup.rename(data / "backup.db")
    restore(backup, data, force=True)
    assert texts(backup) == texts(data / "chatcli.db") == ["one", "two"]


def test_copied_log(chat: Owner, data: Path, tmp_path: Path) -> None:
    """A log's own file is accepted, with what is beside it; without that, newer messages may be missing."""
    chat.write(entry(ANN, BOB, "one"))
    killed = tmp_path / "killed"
    shutil.copytree(data, killed)
    done = restore(killed / "chatcli.db", tmp_path / "new")
    assert (done.messages, done.by_hand) == (1, False)
    chat.log.close()
    shutil.copy(data / "chatcli.db", tmp_path / "by hand")
    done = restore(tmp_path / "by hand", tmp_path / "newer")
    assert (done.messages, done.by_hand) == (1, True)
    owner = Owner(partial(open_sqlite, tmp_path / "newer"))
    assert owner.log.shared(chat.log.epoch) == 1
    owner.log.close()


def test_damaged_backup(chat: Owner, data: Path, backup: Path, tmp_path: Path) -> None:
    """The former log stays."""
    chat.log.close()
    content = backup.read_bytes()
    for number, damaged in enumerate((content[:40_000], content[:8000] + os.urandom(30_000) + content[38_000:])):
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"damaged|malformed"):
            restore(path, data, force=True)
    assert texts(data / "chatcli.db") == ["one", "two", "three"]
    assert not list(data.glob(".*"))


@pytest.mark.parametrize("table", ["epochs", "reads", "answers"])
def test_backup_without_a_table(chat: Owner, data: Path, backup: Path, table: str) -> None:
    """It is refused: no server could open it."""
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute(f"DROP TABLE {table}")
    chat.log.close()
    before = names(data)
    with pytest.raises(StoreError, match=f"no such table: {table}.*another backup"):
        restore(backup, data, force=True)
    assert (names(data) <= before, len(texts(data / "chatcli.db"))) == (True, 3)


def test_faults_in_a_backup(chat: Owner, data: Path, tmp_path: Path) -> None:
    """Files that the server itself has written are restored, with a notice."""
    chat.write(entry(ANN, BOB))
    chat.log.close()
    change(data, "UPDATE messages SET re = 9")
    back_up(data, tmp_path / "backup.db")
    (finding,) = restore(tmp_path / "backup.db", tmp_path / "new").findings
    assert finding == "message 1 answers message 9, which is not before it"


def test_check_before_the_change(chat: Owner, backup: Path, data: Path) -> None:
    """Preparations are made when nothing can be refused any more, and under the lock."""
    chat.log.close()
    steps: list[str] = []

    def prepare() -> None:
        with pytest.raises(StoreError, match="Another chatcli server"), lock(data):
            pass
        steps.append(",".join(texts(data / "chatcli.db")))

    with pytest.raises(InputError):
        restore(backup, data, prepare=prepare)
    assert not steps
    restore(backup, data, force=True, prepare=prepare)
    assert steps == ["one,two,three"]


def test_killed_at_every_step(tmp_path: Path) -> None:
    """The former log or the restored one is there, and running it again completes it."""
    command = [sys.executable, "-m", "tests.store.restoring", str(tmp_path), "1", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
