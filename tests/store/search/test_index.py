"""The index of the search: made again whenever it does not fit, and no trouble to the log on a bad day."""

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
    """Open SQLite only, whatever other stores there are."""
    return partial(open_sqlite, data)


@pytest.fixture
def said(chat: Owner) -> Owner:
    """Open a log in which something was said and has been found."""
    chat.write(entry(ANN, BOB, "one word"), entry(ANN, BOB, "another word"))
    assert len(chat.find(BOB.id, "word")) == 2
    return chat


def index_of(owner: Owner) -> SearchIndex:
    """Return the log's own index: some of the bad days can only be made there."""
    assert isinstance(owner.log, SqliteLog)
    return owner.log._index


def rows(data: Path) -> int:
    """Return how many messages the index of a closed log knows."""
    with closing(sqlite3.connect(data / "search.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM texts_1 WHERE texts_1 MATCH 'text : word'").fetchone()[0])


def test_the_index_is_for_its_owner_only(said: Owner, data: Path) -> None:
    """Nobody else can read what words were said."""
    for file in data.glob("search.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_said_is_indexed_without_a_search(chat: Owner, data: Path) -> None:
    """The index follows the log by itself."""
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
def test_an_index_that_does_not_fit_is_made_again(said: Owner, data: Path, spoil: object) -> None:
    """Whatever lies in its place, the next start finds everything again."""
    said.log.close()
    assert callable(spoil)
    spoil(data / "search.db")
    said.reopen()
    assert len(said.find_patiently(BOB.id, "word")) == 2


def change(path: Path, script: str) -> None:
    """Change an index by hand."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(script)


def test_an_index_that_is_damaged_while_it_is_used_is_made_again(said: Owner, data: Path) -> None:
    """Whoever searches meanwhile is told so; later everything is found; messages are written as ever."""
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


def test_an_index_that_cannot_be_written_hurts_the_search_only(said: Owner) -> None:
    """On a full disk a search says why it finds nothing; messages go on; and afterwards everything is found."""
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


def test_a_log_that_was_put_back_gets_an_index_of_its_own(said: Owner, data: Path) -> None:
    """An index that knows more than the log, since the log is an older copy, is not believed."""
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


def test_other_rules_for_words_make_the_index_again(said: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chatcli that takes texts apart differently does not look for its words in an index of the former ones."""
    said.log.close()
    monkeypatch.setattr(tokenizer, "VERSION", "another")
    said.reopen()
    assert len(said.find(BOB.id, "word")) == 2


def test_an_index_that_could_not_be_made_is_made_later(chat: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk was full just then, nothing of the attempt is left."""
    with monkeypatch.context() as patched:
        patched.setattr(index_file, "_STATE", "PRAGMA max_page_count = 1")
        index_of(chat).invalidate()  # it may be there already
        chat.write(entry(ANN, BOB, "one word"))
        answer = chat.ask(SearchQuery(user=BOB.id, words="word", rooms=[], limit=10))
        assert isinstance(answer, StoreError)
        assert "database or disk is full" in str(answer)
        assert index_of(chat)._file.connection is None
    assert chat.find(BOB.id, "word") == ["one word"]


def test_an_index_that_could_not_be_opened_is_not_filled_twice(said: Owner) -> None:
    """It goes on from where it was, whatever kept it from looking that up the first time."""
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


def test_a_text_that_is_none_does_not_stop_the_index(chat: Owner, data: Path) -> None:
    """Where damage has made bytes of a text, everything before and behind it is found, and it can be deleted."""
    chat.write(*(entry(ANN, BOB, text) for text in ("word before", "word damaged", "word behind")))
    chat.log.close()
    (data / "search.db").unlink(missing_ok=True)
    mistype(data, "word damaged")
    chat.reopen()
    assert chat.find(BOB.id, "word") == ["word behind", "word before"]
    chat.log.prune(2**62)
    chat.run_while(lambda: bool(chat.read(BOB.id, upto=2**62).rows))
    assert chat.find(BOB.id, "word") == []
