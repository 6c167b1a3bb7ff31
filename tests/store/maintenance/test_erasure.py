"""What was deleted is in none of the log's files any more: looked for in their bytes."""

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

from chatcli.store import retention
from chatcli.store.maintenance import erasure
from chatcli.store.records import Entry
from chatcli.store.search import parts, renewal
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, entry

NOW = 1_000_000
SECRETS = re.compile(rb"secret(\d+)end")  # in lower case: that is searched six times as fast


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open SQLite only, whatever other stores there are."""
    return partial(open_sqlite, data)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clean as soon as something was deleted, in small parts."""
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
    """Return which secrets stand in any of the files."""
    return {
        int(number)
        for file in data.iterdir()
        if file.is_file()
        for number in SECRETS.findall(file.read_bytes().lower())
    }


def kept(owner: Owner) -> set[int]:
    """Return which secrets the log still has."""
    return {int(number) for text in owner.texts(BOB.id) for number in SECRETS.findall(text.lower().encode())}


def prune(owner: Owner, before: int = NOW) -> None:
    """Delete everything from before that time."""
    owner.log.prune(before)
    owner.log.append_message(entry(ANN, ANN, "tick"))
    owner.commit()
    owner.run_all()


def wait_for(owner: Owner, data: Path, remaining: set[int]) -> None:
    """Wait until just these secrets stand in the files."""
    owner.run_while(lambda: found(data) != remaining)


def wait_until_clean(owner: Owner, data: Path) -> None:
    """Wait until the files hold no more than the log, which is whole."""
    remaining = kept(owner)
    wait_for(owner, data, remaining)
    owner.log.close()
    assert found(data) == remaining
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_single_message_is_gone_from_all_files(chat: Owner, data: Path) -> None:
    """While the log is open, with nothing else going on."""
    chat.write(secret(1))
    assert chat.find(BOB.id, "secret1end")
    prune(chat)
    wait_until_clean(chat, data)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_remains_however_sqlite_has_moved_it_about(chat: Owner, data: Path, seed: int) -> None:
    """Texts of all lengths, deleted here and there, in the order of their ages: no copy of any stays in any page."""
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


def test_a_reader_is_waited_for(chat: Owner, data: Path) -> None:
    """Nothing is overwritten that someone still reads; it is once they are done."""
    chat.write(secret(1), secret(2, NOW + 1))
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert len(reader.execute("SELECT text FROM messages").fetchall()) == 2
        prune(chat)
        chat.run_while(lambda: bool(kept(chat) != {2}))
        assert 1 in found(data)
        assert len(reader.execute("SELECT text FROM messages").fetchall()) == 2
    wait_until_clean(chat, data)


def test_a_run_that_was_killed_leaves_its_work_to_the_next(
    chat: Owner, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The log itself knows that something was deleted, and the files are as they were in that moment."""
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
def test_a_log_that_was_written_without_overwriting_is_cleaned_once(chat: Owner, data: Path, rows: str) -> None:
    """What an earlier program has only given free is overwritten, in pages that are used and in those that are not."""
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


def test_a_part_that_was_just_made_again_waits_for_the_next_round() -> None:
    """Where messages are deleted all the time the index is not made again without pause."""
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


def test_copies_from_before_upgrades_go_with_the_first_deletion(chat: Owner, data: Path) -> None:
    """They hold what is deleted; as long as nothing is, they stay."""
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
def test_a_log_of_another_shape_is_cleaned_and_whole(chat: Owner, data: Path, pragma: str) -> None:
    """Whatever someone has made of it with SQLite."""
    chat.write(*(secret(n, NOW, [0, 50, 9000][n % 3]) for n in range(900)))
    chat.log.close()
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(f"PRAGMA journal_mode = DELETE; PRAGMA {pragma}; VACUUM; PRAGMA secure_delete = OFF")
        connection.executescript("DELETE FROM messages WHERE seq % 4; DELETE FROM marks WHERE name = 'clean'")
    (data / "search.db").unlink(missing_ok=True)
    chat.reopen()
    wait_until_clean(chat, data)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_process_that_is_killed_while_it_overwrites_leaves_a_whole_log(tmp_path: Path, seed: int) -> None:
    """With readers, and someone else who writes to the file; ``python -m tests.store.killing`` does more rounds."""
    command = [sys.executable, "-m", "tests.store.killing", str(tmp_path / "data"), str(seed), "6"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def page_with(content: bytearray, text: bytes) -> tuple[int, int]:
    """Return where the page of a log begins that has this text, and how large it is."""
    size = int.from_bytes(content[16:18])
    return content.index(text) // size * size, size


def damage_kind(content: bytearray, page: int) -> None:
    """Make a page something else."""
    content[page] = 7


def damage_contents(content: bytearray, page: int) -> None:
    """Have a page say that its rows begin where they do not: they look as if they were not used."""
    content[page + 5 : page + 7] = (int.from_bytes(content[page + 5 : page + 7]) + 500).to_bytes(2)


def damage_free_block(content: bytearray, page: int) -> None:
    """Have a page say that the last of its bytes are free, where a row is."""
    size = int.from_bytes(content[16:18])
    content[page + 1 : page + 3] = (size - 60).to_bytes(2)
    content[page + size - 60 : page + size - 56] = bytes([0, 0, 0, 60])


@pytest.mark.parametrize("damage", [damage_kind, damage_contents, damage_free_block])
def test_damage_is_left_alone_and_all_else_is_cleaned(
    chat: Owner, data: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytearray, int], None]
) -> None:
    """A page that is not as SQLite would have written it is not written to."""
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


def test_a_list_of_free_pages_that_names_others_is_not_believed(
    chat: Owner, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages are overwritten only where the list is as long as the file says, and names none twice."""
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
