"""Deleted text is in none of the log's files: their bytes are searched for it."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.store.batch import Entry
from chatcli.store.maintenance import erasure, retention
from chatcli.store.search import parts, renewal
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, entry

NOW = 1_000_000
SECRETS = re.compile(rb"secret(\d+)end")  # in lower case: that is searched six times as fast


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean as soon as something was deleted, in small slices."""
    monkeypatch.setattr(retention, "_REST", 0.0)
    for module, names in ((erasure, ("_PAUSE", "_RETRY")), (renewal, ("_DELAY", "_INTERVAL", "_RETRY"))):
        for name in names:
            monkeypatch.setattr(module, name, 0.01)
    monkeypatch.setattr(parts, "_MESSAGES", 700)


def secret(number: int, at: int = NOW - 1, size: int = 0) -> Entry:
    """Make a message whose text and words can be found in a file."""
    made = entry(ANN, BOB, f"Secret{number}end" + "." * size)
    made.at = at
    return made


def found(data: Path) -> set[int]:
    """Return the secrets in any of the files."""
    return {
        int(number)
        for file in data.iterdir()
        if file.is_file()
        for number in SECRETS.findall(file.read_bytes().lower())
    }


def kept(owner: Owner) -> set[int]:
    """Return the secrets that the log still has."""
    return {int(number) for text in owner.texts(BOB.id) for number in SECRETS.findall(text.lower().encode())}


def prune(owner: Owner, before: int = NOW) -> None:
    """Delete all messages older than a time."""
    owner.prune(before)


def wait_for(owner: Owner, data: Path, remaining: set[int]) -> None:
    """Wait until the files hold these secrets only."""
    owner.run_while(lambda: found(data) != remaining)


def wait_until_clean(owner: Owner, data: Path) -> None:
    """Wait until the files hold no more than the log, and check that it is whole."""
    remaining = kept(owner)
    wait_for(owner, data, remaining)
    owner.log.close()
    assert found(data) == remaining
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_single_message(chat: Owner, data: Path) -> None:
    """While the log is open, with nothing else to do."""
    chat.write(secret(1))
    assert chat.find(BOB.id, "secret1end")
    prune(chat)
    wait_until_clean(chat, data)


@pytest.mark.parametrize("seed", range(4))
def test_copies_in_other_pages(chat: Owner, data: Path, seed: int) -> None:
    """Texts of all lengths are deleted by age, here and there: no page keeps a copy."""
    dice = random.Random(seed)
    for first in range(0, 2000, 500):
        sizes = [dice.choice([0, 20, 60, 100, 300, 900, 5000]) for _ in range(500)]
        ages = [dice.choice([1, 2, 3, 4]) if seed % 2 else 1 + first // 500 for _ in sizes]
        chat.write(*(secret(first + n, ages[n] * 1000, size) for n, size in enumerate(sizes)))
    for age in (1500, 2500, 3500):
        for _ in range(3):
            prune(chat, age)
        remaining = kept(chat)
        assert remaining
        wait_for(chat, data, remaining)
    assert len(chat.find(BOB.id, f"secret{max(remaining)}end")) == 1
    wait_until_clean(chat, data)


def test_readers_are_waited_for(chat: Owner, data: Path) -> None:
    """Nothing is overwritten while it is being read."""
    chat.write(secret(1), secret(2, NOW + 1))
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert len(reader.execute("SELECT text FROM messages").fetchall()) == 2
        prune(chat)
        chat.run_while(lambda: bool(kept(chat) != {2}))
        assert 1 in found(data)
        assert len(reader.execute("SELECT text FROM messages").fetchall()) == 2
    wait_until_clean(chat, data)


def test_killed_before_the_cleaning(chat: Owner, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The log itself records that something was deleted: the next run cleans the files."""
    chat.write(*(secret(n, size=n % 500) for n in range(600)), secret(1000, NOW + 1))
    assert len(chat.find(BOB.id, "secret7end")) == 1
    monkeypatch.setattr(erasure, "_PAUSE", 1000.0)
    monkeypatch.setattr(renewal, "_DELAY", 1000.0)
    prune(chat)
    left = tmp_path / "left"
    shutil.copytree(data, left)
    assert len(found(left)) > 2
    after = Owner(partial(open_sqlite, left))
    wait_until_clean(after, left)


@pytest.mark.parametrize("rows", ["some", "all but one"])
def test_log_of_an_earlier_version(chat: Owner, data: Path, rows: str) -> None:
    """Bytes that were only marked as free are overwritten, in used pages and in free ones."""
    chat.write(*(secret(n, NOW, [0, 50, 9000][n % 3]) for n in range(900)))
    chat.log.close()
    which = "seq % 4" if rows == "some" else "seq > 1"
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(
            f"PRAGMA secure_delete = OFF; DELETE FROM messages WHERE {which}; DELETE FROM marks WHERE name = 'clean';"  # noqa: S608 (one of two)
        )
    (data / "search.db").unlink(missing_ok=True)
    assert len(found(data)) > 500
    chat.reopen()
    wait_until_clean(chat, data)


def test_renewed_part_waits() -> None:
    """If messages are deleted all the time, the index is not renewed without pause."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(parts.SCHEMA)
        messages = [parts.Indexed(seq=seq, conversation=1, sender=1, text="word", id=b"") for seq in (1, 2, 3)]
        parts.add(connection, messages)
        parts.mark_stale(connection, [1])
        found = parts.find_stale(connection, parts.newest_number(connection))
        assert found is not None
        parts.renew(connection, *found, messages=messages[1:], upto=3, last=True)
        parts.mark_stale(connection, [2])
        assert parts.find_stale(connection, found[0].number) is None
        assert parts.find_stale(connection, parts.newest_number(connection)) is not None


def test_copies_from_before_upgrades(chat: Owner, data: Path) -> None:
    """They hold deleted messages; as long as nothing is deleted, they are kept."""
    copy = data / "chatcli.db.schema-3.bak"
    copy.touch()
    chat.write(entry(ANN, BOB, "kept"))
    chat.reopen()
    chat.write(entry(ANN, BOB, "kept, too"))
    assert copy.exists()
    chat.write(secret(1))
    prune(chat)
    chat.run_while(copy.exists)


@pytest.mark.parametrize("pragma", ["page_size = 512", "page_size = 65536", "auto_vacuum = FULL"])
def test_unusual_databases(chat: Owner, data: Path, pragma: str) -> None:
    """Other page sizes, and auto_vacuum."""
    chat.write(*(secret(n, NOW, [0, 50, 9000][n % 3]) for n in range(900)))
    chat.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(f"PRAGMA journal_mode = DELETE; PRAGMA {pragma}; VACUUM; PRAGMA secure_delete = OFF")
        connection.executescript("DELETE FROM messages WHERE seq % 4; DELETE FROM marks WHERE name = 'clean'")
    (data / "search.db").unlink(missing_ok=True)
    chat.reopen()
    wait_until_clean(chat, data)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_while_overwriting(tmp_path: Path, seed: int) -> None:
    """With readers and another writer; ``python -m tests.store.killing`` does more rounds."""
    command = [sys.executable, "-m", "tests.store.killing", str(tmp_path / "data"), str(seed), "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def page_with(content: bytearray, text: bytes) -> tuple[int, int]:
    """Return the offset and the size of the page of a log that has this text."""
    size = int.from_bytes(content[16:18])
    return content.index(text) // size * size, size


def damage_kind(content: bytearray, page: int) -> None:
    """Change the kind of a page."""
    content[page] = 7


def damage_contents(content: bytearray, page: int) -> None:
    """Move the start of a page's rows, so that some of them look unused."""
    content[page + 5 : page + 7] = (int.from_bytes(content[page + 5 : page + 7]) + 500).to_bytes(2)


def damage_free_block(content: bytearray, page: int) -> None:
    """Mark the last bytes of a page as free, where there is a row."""
    size = int.from_bytes(content[16:18])
    content[page + 1 : page + 3] = (size - 60).to_bytes(2)
    content[page + size - 60 : page + size - 56] = bytes([0, 0, 0, 60])


@pytest.mark.parametrize("damage", [damage_kind, damage_contents, damage_free_block])
def test_damaged_pages_stay(
    chat: Owner, data: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytearray, int], None]
) -> None:
    """A page that SQLite would not have written is not written to."""
    chat.write(*(secret(n, size=100) for n in range(600)), secret(1000, NOW + 1))
    chat.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(
            "PRAGMA secure_delete = OFF; DELETE FROM messages WHERE seq > 500 AND seq <= 590;"
            "DELETE FROM marks WHERE name = 'clean';"
        )
    content = bytearray((data / "chatcli.db").read_bytes())
    page, size = page_with(content, b"Secret100end")
    damage(content, page)
    (data / "chatcli.db").write_bytes(content)
    chat.reopen()
    chat.run_while(lambda: "it may still hold deleted text" not in caplog.text)
    chat.run_while(lambda: bool(found(data) & set(range(510, 580))))
    assert chat.write(secret(2000, NOW + 1)).error is None
    assert (data / "chatcli.db").read_bytes()[page : page + size] == content[page : page + size]


def test_damaged_list_of_free_pages(chat: Owner, data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It must have the length that the header says, and no page twice."""
    chat.write(*(secret(n, size=100) for n in range(600)), secret(1000, NOW + 1))
    chat.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(
            "DELETE FROM messages WHERE seq > 300 AND seq <= 590; DELETE FROM marks WHERE name = 'clean';"
        )
    content = bytearray((data / "chatcli.db").read_bytes())
    page, size = page_with(content, b"Secret100end")
    trunk = (int.from_bytes(content[32:36]) - 1) * size
    count = int.from_bytes(content[trunk + 4 : trunk + 8])
    content[trunk + 4 : trunk + 8] = (count + 1).to_bytes(4)
    content[trunk + 8 + 4 * count : trunk + 12 + 4 * count] = (page // size + 1).to_bytes(4)
    (data / "chatcli.db").write_bytes(content)
    chat.reopen()
    chat.run_while(lambda: "it may still hold deleted text" not in caplog.text)
    assert (data / "chatcli.db").read_bytes()[page : page + size] == content[page : page + size]
