"""The search index: it is made again if it does not fit, and never disturbs the log."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.errors import StoreError
from chatcli.store.queries import SearchQuery
from chatcli.store.search import index_file, tokenizer
from chatcli.store.search.index import SearchIndex
from chatcli.store.sqlite_log import SqliteLog
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, CID, entry
from tests.store.town import mistype


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


@pytest.fixture
def said(chat: Owner) -> Owner:
    """Open a log with messages that have been found."""
    chat.write(entry(ANN, BOB, "one word"), entry(ANN, BOB, "another word"))
    assert len(chat.find(BOB.id, "word")) == 2
    return chat


def index_of(owner: Owner) -> SearchIndex:
    """Return the log's own index, to make it fail."""
    assert isinstance(owner.log, SqliteLog)
    return owner.log._index


def rows(data: Path) -> int:
    """Return the number of messages in the index of a closed log."""
    with closing(sqlite3.connect(data / "search.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM texts_1 WHERE texts_1 MATCH 'text : word'").fetchone()[0])


def test_index_is_private(said: Owner, data: Path) -> None:
    """Nobody else can read the words."""
    for file in data.glob("search.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_index_follows_the_log(chat: Owner, data: Path) -> None:
    """Without any search."""
    chat.write(entry(ANN, BOB, "one word"))
    index = index_of(chat)
    chat.run_while(lambda: index._file.upto < chat.log.head)
    chat.log.close()
    assert rows(data) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"no database at all" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + os.urandom(path.stat().st_size - 4096)),
        lambda path: change(path, "UPDATE state SET words = 'of old'"),
        lambda path: change(path, "DELETE FROM state"),
        lambda path: change(path, "ALTER TABLE state DROP COLUMN words"),
        lambda path: change(path, "UPDATE state SET id = x'00'"),
        lambda path: change(path, "UPDATE state SET upto = 99"),
        lambda path: change(path, "UPDATE state SET removed = 7"),
        lambda path: change(path, "PRAGMA user_version = 99; DROP TABLE state"),
    ],
    ids=[
        "gone",
        "garbage",
        "empty",
        "damaged",
        "other words",
        "no state",
        "other state",
        "other log",
        "ahead",
        "behind in removals",
        "other schema",
    ],
)
def test_index_that_does_not_fit(said: Owner, data: Path, spoil: object) -> None:
    """After the next start everything is found."""
    said.log.close()
    assert callable(spoil)
    spoil(data / "search.db")
    said.reopen()
    assert len(said.find_patiently(BOB.id, "word")) == 2


def change(path: Path, script: str) -> None:
    """Change an index by hand."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(script)


def test_damage_while_open(said: Owner, data: Path) -> None:
    """Searches fail for a while, then everything is found; messages are written as before."""
    chat = said
    chat.write(*(entry(ANN, BOB, f"word {number} {'x' * number}") for number in range(500)))
    assert len(chat.find(BOB.id, "word")) == 100
    index = index_of(chat)
    with index._lock:
        assert index._file.connection is not None
        index._file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = index.path.stat().st_size
        with index.path.open("r+b") as file:
            file.seek(8192)
            file.write(b"\xa5" * (size - 8192))
    assert chat.write(entry(ANN, BOB, "word after")).error is None
    assert chat.find_patiently(BOB.id, "word")[0] == "word after"


def test_full_disk(said: Owner) -> None:
    """The search reports the reason; messages are written, and found once there is room."""
    index = index_of(said)
    with index._lock:
        assert index._file.connection is not None
        (pages,) = index._file.connection.execute("PRAGMA page_count").fetchone()
        index._file.connection.execute(f"PRAGMA max_page_count = {pages}")
    many = [entry(ANN, BOB, " ".join(f"w{number * 40 + n}" for n in range(40))) for number in range(300)]
    assert said.write(*many).error is None
    answer = said.ask(SearchQuery(user=BOB.id, words="word", rooms=[], limit=10))
    assert isinstance(answer, StoreError)
    assert "cannot be searched now: database or disk is full" in str(answer)
    assert said.write(entry(BOB, ANN, "still word")).error is None
    with index._lock:
        index._file.connection.execute("PRAGMA max_page_count = 1000000")
    assert said.find(BOB.id, "word") == ["still word", "another word", "one word"]


def test_restored_log(said: Owner, data: Path) -> None:
    """An index that knows more than the log, which is an older copy, is not used."""
    said.log.close()
    older = (data / "chatcli.db").read_bytes()
    said.reopen()
    said.write(entry(ANN, BOB, "the word that was lost"))
    assert len(said.find(BOB.id, "word")) == 3
    said.log.close()
    (data / "chatcli.db").write_bytes(older)
    said.reopen()
    said.write(entry(CID, BOB, "no such thing"))
    assert said.find(BOB.id, "word") == ["another word", "one word"]
    assert said.find(BOB.id, "lost") == []
    assert said.find(BOB.id, "thing") == ["no such thing"]


def test_other_tokenizer(said: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of another tokenizer is not used."""
    said.log.close()
    monkeypatch.setattr(tokenizer, "VERSION", "another")
    said.reopen()
    assert len(said.find(BOB.id, "word")) == 2


def test_index_that_could_not_be_made(chat: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk nothing is left of the attempt."""
    with monkeypatch.context() as patched:
        patched.setattr(index_file, "_STATE", "PRAGMA max_page_count = 1")
        index_of(chat).invalidate()  # it may be there already
        chat.write(entry(ANN, BOB, "one word"))
        answer = chat.ask(SearchQuery(user=BOB.id, words="word", rooms=[], limit=10))
        assert isinstance(answer, StoreError)
        assert "database or disk is full" in str(answer)
        assert index_of(chat)._file.connection is None
    assert chat.find(BOB.id, "word") == ["one word"]


def test_index_that_could_not_be_opened(said: Owner) -> None:
    """It goes on from where it was."""
    index = index_of(said)
    with index._lock:
        assert index._file.connection is not None
        assert index._source._connection is not None
        index._file.connection.close()
        index._source._connection.close()
        index._file.connection, index._file.upto = None, 0  # as after a start
    answer = said.ask(SearchQuery(user=BOB.id, words="word", rooms=[], limit=10))
    assert isinstance(answer, StoreError)
    index._source._connection = None
    assert len(said.find(BOB.id, "word")) == 2
    opened = index_of(said)._file.connection
    assert opened is not None
    assert opened.total_changes == 0


def test_text_that_is_not_text(chat: Owner, data: Path) -> None:
    """If damage has changed one, everything before and after it is found, and it can be deleted."""
    chat.write(*(entry(ANN, BOB, text) for text in ("word before", "word damaged", "word behind")))
    chat.log.close()
    (data / "search.db").unlink(missing_ok=True)
    mistype(data, "word damaged")
    chat.reopen()
    assert chat.find(BOB.id, "word") == ["word behind", "word before"]
    chat.delete(2**62)
    assert chat.find(BOB.id, "word") == []
