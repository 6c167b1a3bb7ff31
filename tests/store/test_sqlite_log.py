"""What is particular to the log in SQLite: its files, its lock, and what becomes of it on a bad day."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
from msgspec.structs import astuple

from chatcli.errors import StoreError
from chatcli.store import data_directory
from chatcli.store.queries import FeedQuery
from chatcli.store.records import Entry, UserRecord
from chatcli.store.sqlite import feed, schema
from chatcli.store.sqlite import load as reader
from chatcli.store.sqlite_log import SqliteLog
from tests.store.conftest import open_sqlite
from tests.store.owner import DEADLINE, OpenLog, Owner
from tests.store.people import ANN, BOB, PEOPLE, entry

# Opens the log in another process, says so, and holds it until it is killed.
HOLD = """
import sys
from pathlib import Path
from chatcli.store.sqlite_log import SqliteLog
log = SqliteLog(Path(sys.argv[1]), post=print, on_commit=print)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open SQLite only, whatever other stores there are."""
    return partial(open_sqlite, data)


def ignore(*_: object) -> None:
    """Take what nobody waits for."""


def database(data: Path) -> Path:
    """Return where the database of a data directory lies."""
    return data / "chatcli.db"


def refusal(data: Path) -> str:
    """Return the sentence with which a log is not opened."""
    with pytest.raises(StoreError) as caught:
        SqliteLog(data, post=ignore, on_commit=ignore)
    return str(caught.value)


def connection_of(owner: Owner) -> sqlite3.Connection:
    """Return the writer's own connection: some of the bad days can only be made there."""
    assert isinstance(owner.log, SqliteLog)
    return owner.log._database.connection


def stored(data: Path) -> list[str]:
    """Return all texts in the database, read by a connection that the log does not know of."""
    with closing(sqlite3.connect(database(data))) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM messages ORDER BY seq")]


@contextmanager
def held(data: Path) -> Iterator[sqlite3.Connection]:
    """Hold the database for writing, as a backup or a curious operator might."""
    with closing(sqlite3.connect(database(data), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("ROLLBACK")


@contextmanager
def full_disk(owner: Owner) -> Iterator[None]:
    """Let the database grow no further."""
    connection = connection_of(owner)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (before,) = connection.execute("PRAGMA max_page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    yield
    connection.execute(f"PRAGMA max_page_count = {before}")


# Files


def test_nobody_else_can_read_the_log(data: Path, store: OpenLog) -> None:
    """Whatever the umask, the directory is for its owner, and so is every file in it."""
    umask = os.umask(0)
    try:
        owner = Owner(store)
        owner.add_users(*PEOPLE)
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (data, *data.iterdir())}
    owner.log.close()
    assert modes == {
        "data": 0o700,
        "chatcli.db": 0o600,
        "chatcli.db-wal": 0o600,
        "chatcli.db-shm": 0o600,
        "lock": 0o600,
    }


def test_a_closed_log_is_one_file(chat: Owner, data: Path) -> None:
    """After a clean end the database is whole in its one file, to be copied or looked at."""
    chat.write(entry(ANN, BOB))
    chat.log.close()
    assert {path.name for path in data.iterdir()} == {"chatcli.db", "lock"}


def test_the_directory_may_be_deep(tmp_path: Path) -> None:
    """Directories on the way are made, too."""
    SqliteLog(tmp_path / "a" / "b" / "data", post=ignore, on_commit=ignore).close()
    assert database(tmp_path / "a" / "b" / "data").is_file()


def test_every_commit_reaches_the_disk(chat: Owner) -> None:
    """The writer flushes each commit to the disk, and readers need not wait for it."""
    assert connection_of(chat).execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection_of(chat).execute("PRAGMA journal_mode").fetchone() == ("wal",)


# Opening


def test_a_second_opener_is_told_who_was_first(chat: Owner, data: Path) -> None:
    """Two servers cannot share a directory: the second one names the process, the directory and the remedy."""
    assert refusal(data) == (
        f"Another chatcli server (process {os.getpid()}) uses the data directory {data}: "
        "stop it first, or give this one its own with --data."
    )
    assert chat.write(entry(ANN, BOB)).error is None


def test_a_killed_server_leaves_no_lock_behind(data: Path) -> None:
    """Another process is named, and when it is killed its lock is gone with it."""
    command = [sys.executable, "-c", HOLD, str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            assert f"(process {process.pid})" in refusal(data)
        finally:
            process.kill()
        process.wait(DEADLINE)
    SqliteLog(data, post=ignore, on_commit=ignore).close()


def test_a_file_that_is_no_database_is_refused(data: Path) -> None:
    """Something else under the name of the log is named as such and not overwritten."""
    data.mkdir()
    database(data).write_bytes(b"Dear diary, " * 1000)
    remedy = "Move it away, or choose another directory with --data."
    assert refusal(data) == f"Cannot use the log {database(data)}: file is not a database. {remedy}"
    assert database(data).read_bytes() == b"Dear diary, " * 1000


def test_a_full_disk_at_the_start_is_named(tmp_path: Path) -> None:
    """Nobody is told to move a log away that is good."""
    with closing(sqlite3.connect(tmp_path / "full.db")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError) as caught, data_directory.explained("Cannot use the log"):
            connection.execute("CREATE TABLE recipes (name TEXT)")
    assert str(caught.value) == (
        "Cannot use the log: database or disk is full. See whether its disk is full or broken, "
        "or choose another directory with --data."
    )
    with pytest.raises(StoreError) as caught, data_directory.explained("Cannot use the data directory"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).endswith(": No space left on device. Make room, or choose another with --data.")


@pytest.mark.parametrize("script", ["CREATE TABLE recipes (name TEXT)", "PRAGMA application_id = 77"])
def test_a_database_of_another_program_is_refused(data: Path, script: str) -> None:
    """A database that is not ours is named as such, and nothing is added to it."""
    data.mkdir()
    with closing(sqlite3.connect(database(data))) as connection:
        connection.executescript(script)
    before = database(data).read_bytes()
    remedy = "choose another directory with --data"
    assert refusal(data) == f"Cannot use the log {database(data)}: it is a database of some other program: {remedy}."
    assert database(data).read_bytes() == before


def test_a_log_of_a_newer_chatcli_is_refused(chat: Owner, data: Path) -> None:
    """A log from the future is not touched, and the remedy is named."""
    newer = len(schema.MIGRATIONS) + 1
    connection_of(chat).execute(f"PRAGMA user_version = {newer}")
    chat.log.close()
    assert refusal(data) == (
        f"Cannot use the log {database(data)}: it was written by a newer chatcli "
        f"(schema {newer}; this one knows {newer - 1}): upgrade chatcli."
    )


def test_a_directory_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    """Where no directory can be, the sentence names the path and the cause."""
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "data"
    assert (
        refusal(below)
        == f"Cannot use the data directory {below}: there is a file in its place. Choose another with --data."
    )


def test_a_file_is_no_data_directory(tmp_path: Path) -> None:
    """Where a file stands in the place of the directory, the sentence names it."""
    (tmp_path / "data").touch()
    assert refusal(tmp_path / "data").startswith(f"Cannot use the data directory {tmp_path / 'data'}: ")


def test_a_directory_in_the_place_of_the_database_is_refused(data: Path) -> None:
    """Where the database itself cannot be opened, the sentence names its path."""
    database(data).mkdir(parents=True)
    assert refusal(data).startswith(f"Cannot use the log {database(data)}: ")


def test_a_refused_opening_lets_go_of_the_lock(data: Path) -> None:
    """Once the cause is out of the way the same process can open the log."""
    data.mkdir()
    database(data).write_bytes(b"no database" * 100)
    refusal(data)
    database(data).unlink()
    SqliteLog(data, post=ignore, on_commit=ignore).close()


# Committing


def test_a_commit_is_told_only_after_it_is_stored(data: Path) -> None:
    """In the moment in which the writer speaks of a batch, an independent connection can read it."""
    seen: SimpleQueue[list[str]] = SimpleQueue()

    def post(*_: object) -> None:
        # In the writer's thread: the owner cannot hear of the batch any earlier than this.
        seen.put(stored(data))

    log = SqliteLog(data, post=post, on_commit=ignore)
    for user in PEOPLE:
        log.append_change(user)
    log.append_message(entry(ANN, BOB, "one"))
    log.append_message(entry(BOB, ANN, "two"))
    log.commit()
    assert seen.get(timeout=DEADLINE) == ["one", "two"]
    log.close()


def test_a_kill_after_the_commit_loses_nothing(chat: Owner, data: Path, tmp_path: Path) -> None:
    """The files as they lie there after a commit, without any closing, hold what was told of."""
    chat.write(entry(ANN, BOB, "kept"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("chatcli.db", "chatcli.db-wal"):
        (copy / name).write_bytes((data / name).read_bytes())
    assert stored(copy) == ["kept"]


def test_an_owner_that_is_gone_does_not_keep_the_log_from_closing(data: Path) -> None:
    """When the owner's loop is closed nobody is told, and what was queued is written all the same."""

    def post(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    log = SqliteLog(data, post=post, on_commit=ignore)
    for user in PEOPLE:
        log.append_change(user)
    log.commit()
    log.append_message(entry(ANN, BOB, "last words"))
    log.close()
    assert stored(data) == ["last words"]


# Bad days


def test_a_locked_database_spoils_one_batch(chat: Owner, data: Path) -> None:
    """While another program holds the database senders are told so; afterwards all is as before."""
    connection_of(chat).execute("PRAGMA busy_timeout = 0")
    with held(data):
        _, error = chat.write(entry(ANN, BOB, "too early"))
        assert isinstance(error, StoreError)
        assert str(error) == f"cannot write the log {database(data)}: database is locked"
        assert chat.log.head == 0
        assert chat.log.idle
    late = entry(ANN, BOB, "in time")
    assert chat.write(late).error is None
    assert chat.log.head == late.seq
    assert stored(data) == chat.texts(BOB.id) == ["in time"]


def test_a_database_locked_for_a_moment_is_waited_for(chat: Owner, data: Path) -> None:
    """The writer waits a while for another program, and then nobody notices."""
    begun = threading.Event()
    with held(data):
        connection_of(chat).set_trace_callback(lambda _: begun.set())
        chat.log.append_message(entry(ANN, BOB, "patience"))
        chat.log.commit()
        assert begun.wait(DEADLINE)
    chat.run_until(lambda: chat.log.idle)
    assert chat.told[-1].error is None
    assert stored(data) == ["patience"]


def test_a_full_disk_stores_nothing_and_claims_nothing(chat: Owner, data: Path) -> None:
    """On a full disk the whole batch fails, small messages and large ones, and the head stays where it was."""
    first = entry(ANN, BOB, "before")
    chat.write(first)
    with full_disk(chat):
        _, error = chat.write(entry(ANN, BOB, "small"), entry(ANN, BOB, "x" * 2**20), entry(BOB, ANN, "small"))
        assert isinstance(error, StoreError)
        assert "disk is full" in str(error)
        assert chat.log.head == first.seq
        assert chat.log.pending_bytes == 0
    assert stored(data) == chat.texts(BOB.id) == ["before"]


def test_after_a_full_disk_all_is_as_before(chat: Owner, data: Path) -> None:
    """A retry after room was made is no duplicate, gets a place of its own, and later messages come behind it."""
    first, lost = entry(ANN, BOB, "first"), entry(ANN, BOB, "x" * 2**16)
    chat.write(first)
    with full_disk(chat):
        assert chat.write(lost).error is not None
    again, later = entry(ANN, BOB, "again", lost.id), entry(BOB, ANN, "later")
    assert chat.write(again).error is None
    assert chat.write(later).error is None
    assert not again.duplicate
    assert first.seq < again.seq < later.seq
    assert stored(data) == ["first", "again", "later"]
    chat.reopen()
    assert chat.log.head == later.seq


def test_a_conversation_begun_in_a_lost_batch_is_begun_again(chat: Owner) -> None:
    """What the writer remembers of a batch that failed does not spoil the next one."""
    with full_disk(chat):
        assert chat.write(entry(ANN, BOB, "x" * 2**20)).error is not None
    assert chat.write(entry(ANN, BOB, "hi")).error is None
    assert chat.texts(ANN.id) == chat.texts(BOB.id) == ["hi"]


def test_a_lost_batch_takes_its_users_along(chat: Owner) -> None:
    """Nobody is known whose first batch was not written."""
    dan = UserRecord(id=4, name="Dan", key="dan", created=4000, cursor=0)
    with full_disk(chat):
        chat.log.append_change(dan)
        assert chat.write(entry(ANN, dan, "x" * 2**20)).error is not None
    chat.reopen()
    assert chat.state.users == list(PEOPLE)


def test_cursors_of_a_lost_batch_are_written_with_the_next(chat: Owner, data: Path) -> None:
    """How far someone has read is not forgotten because a batch failed, nor does it go back."""
    connection_of(chat).execute("PRAGMA busy_timeout = 0")
    chat.log.move_cursor(ANN.id, 8)
    chat.log.move_cursor(BOB.id, 5)
    with held(data):
        chat.log.commit(cursors=True)
        chat.log.move_cursor(BOB.id, 6)
        chat.run_until(lambda: bool(chat.told))
        assert chat.told[0].error is not None
    batch, error = chat.commit(cursors=True)
    assert error is None
    assert batch.cursors == {ANN.id: 8, BOB.id: 6}


def test_the_log_can_be_read_while_it_cannot_be_written(chat: Owner, data: Path) -> None:
    """A database that is locked for writing, or full, still serves feeds."""
    chat.write(entry(ANN, BOB, "kept"))
    with held(data), full_disk(chat):
        assert chat.texts(BOB.id) == ["kept"]


def test_a_fault_of_ours_is_told_like_a_fault_of_the_disk(chat: Owner) -> None:
    """Whatever goes wrong in the writer, its batch is told of, and the writer lives on."""
    _, error = chat.write(entry(ANN, BOB, "fine"), entry(ANN, BOB, "\ud800"))
    assert isinstance(error, StoreError)
    assert chat.write(entry(ANN, BOB, "hi")).error is None
    assert chat.texts(BOB.id) == ["hi"]


def test_a_feed_that_cannot_be_read_is_told_with_the_reason(chat: Owner, data: Path) -> None:
    """Where the log is damaged the reader gets an error instead of a page, and gets pages again once it is whole."""
    chat.write(entry(ANN, BOB, "hi"))
    with closing(sqlite3.connect(database(data))) as connection:
        connection.execute("ALTER TABLE messages RENAME TO elsewhere")
        page, error = chat.try_read(FeedQuery(user=BOB.id, after=0, upto=99, limit=10))
        assert page is None
        assert isinstance(error, StoreError)
        assert str(error) == "cannot read the log: no such table: messages"
        connection.execute("ALTER TABLE elsewhere RENAME TO messages")
    assert chat.texts(BOB.id) == ["hi"]


def test_readers_cannot_write(chat: Owner) -> None:
    """Only the writer's connection can change the log."""
    chat.read(BOB.id)
    assert isinstance(chat.log, SqliteLog)
    for connection in chat.log._reader._readers._connections:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM messages")


# Reading


def test_a_feed_is_found_by_index(chat: Owner) -> None:
    """No table is read from end to end for a page of a feed: of each conversation, just the stretch in question."""
    bounds = {"user": BOB.id, "after": 0, "end": 99, "floors": "{}", "limit": 10}
    plan = [row[3] for row in connection_of(chat).execute("EXPLAIN QUERY PLAN " + feed._WINDOW_ROWS, bounds)]
    assert {step.split()[1] for step in plan if step.startswith("SCAN")} == {"json_each", "floors", "found"}
    assert any("COVERING INDEX messages_of_conversation (conversation=? AND seq>? AND seq<?)" in step for step in plan)


def test_pages_are_read_beside_a_batch_that_is_being_written(chat: Owner) -> None:
    """A reader sees what was committed before, and never half a batch."""
    chat.write(entry(ANN, BOB, "before"))
    many: list[Entry] = [entry(ANN, BOB) for _ in range(2000)]
    for message in many:
        chat.log.append_message(message)
    chat.log.commit()
    counts = set()
    while not chat.log.idle:
        counts.add(len(chat.read(BOB.id, upto=2**62, limit=10_000).rows))
    assert counts <= {1, 2001}
    assert len(chat.read(BOB.id, limit=10_000).rows) == 2001


@pytest.mark.parametrize("name", ["chatcli.db", "chatcli.db-wal"])
def test_a_database_that_was_taken_away_takes_no_messages(chat: Owner, data: Path, name: str) -> None:
    """Once its file is gone, nothing is acknowledged; once it is back, writing goes on."""
    assert chat.write(entry(ANN, BOB, "before")).error is None
    (data / name).rename(data / "elsewhere")
    assert isinstance(chat.write(entry(ANN, BOB, "nowhere")).error, StoreError)
    (data / "elsewhere").rename(data / name)
    assert chat.write(entry(ANN, BOB, "after")).error is None


def test_a_database_replaced_before_the_first_commit_takes_no_messages(chat: Owner, data: Path) -> None:
    """What counts is the file that was opened, not the one that is there when something is said for the first time."""
    chat.reopen()
    shutil.copy(data / "chatcli.db", data / "backup")
    (data / "backup").replace(data / "chatcli.db")
    assert isinstance(chat.write(entry(ANN, BOB)).error, StoreError)


def test_what_was_refused_for_a_database_taken_away_is_not_stored(chat: Owner, data: Path) -> None:
    """Once it is back, who could not come in then can come in, and what was refused is new."""
    cid, said = UserRecord(id=7, name="cid", key="cid", created=0, cursor=0), entry(ANN, BOB)
    (data / "chatcli.db").rename(data / "elsewhere")
    assert isinstance(chat.write_all(cid, said).error, StoreError)
    (data / "elsewhere").rename(data / "chatcli.db")
    assert chat.write_all(cid, said).error is None
    assert not said.duplicate


def test_a_batch_that_fails_takes_none_of_those_behind_it_along(chat: Owner) -> None:
    """With several of them given to the writer, each is told what became of it; what could not be moved is kept."""
    connection = connection_of(chat)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 300}")
    chat.log.append_message(entry(ANN, BOB, "first"))
    chat.log.commit()
    for text, cursor in (("x" * 4000, 5), ("short", 0)):
        for _ in range(1000):
            chat.log.append_message(entry(ANN, BOB, text))
        if cursor:
            chat.log.move_cursor(BOB.id, cursor)
        chat.log.commit()
    chat.run_until(lambda: chat.log.idle)
    assert [(len(batch.entries), error is None) for batch, error in chat.told] == [
        (1, True),
        (1000, False),
        (1000, True),
    ]
    assert chat.texts(BOB.id) == ["first", *["short"] * 1000]
    assert chat.commit(cursors=True).batch.cursors == {BOB.id: 5}


def test_a_page_of_long_messages_ends_early(chat: Owner) -> None:
    """However long messages are, a page holds a few hundred kilobytes, and the next goes on behind it."""
    chat.write(*(entry(ANN, BOB, "x" * 32_000) for _ in range(20)))
    page = chat.read(BOB.id)
    assert len(page.rows) == 5
    assert page.upto == page.rows[-1].seq
    assert len(chat.read(BOB.id, after=page.rows[-1].seq).rows) == 5


# Health


def test_the_health_tells_since_when_nothing_can_be_written(chat: Owner, data: Path) -> None:
    """The error of the last batch is told for as long as batches fail, with the time of the first."""
    chat.write(entry(ANN, BOB))
    health = chat.log.health()
    assert (health.error, health.since, health.damaged) == (None, 0, 0)
    connection_of(chat).execute("PRAGMA busy_timeout = 0")
    before = time.time_ns() // 1_000_000
    with held(data):
        _, error = chat.write(entry(ANN, BOB))
        first = chat.log.health()
        chat.write(entry(ANN, BOB))
        assert chat.log.health().since == first.since >= before
        assert first.error == str(error)
    chat.write(entry(ANN, BOB))
    assert astuple(chat.log.health())[:2] == (None, 0)


def test_the_health_tells_how_large_the_files_are(chat: Owner, data: Path) -> None:
    """The database and what belongs to it, the index of the search included."""
    chat.write(entry(ANN, BOB, "x" * 2**20))
    assert chat.log.health().bytes > 2**20


def test_to_open_a_log_reads_no_messages(chat: Owner) -> None:
    """However many there are: what is read at the start is found by index, or is not about messages."""
    connection = connection_of(chat)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    for read in (
        reader.read_users,
        reader.read_keys,
        reader.read_rulings,
        reader.read_rooms,
        reader.read_members,
        reader.read_head,
    ):
        read(connection)
    connection.set_trace_callback(None)
    steps = [row[3] for statement in statements for row in connection.execute("EXPLAIN QUERY PLAN " + statement)]
    assert "SCAN messages" not in steps
    assert "SEARCH messages" in steps  # max(seq): the last row


def test_a_batch_takes_few_statements(chat: Owner) -> None:
    """A thousand messages are one transaction of a dozen statements; none of them keeps a journal of its own."""
    chat.write(entry(ANN, BOB))  # the conversation is known from here on
    statements: list[str] = []
    connection_of(chat).set_trace_callback(statements.append)
    chat.write(*(entry(ANN, BOB) for _ in range(1000)))
    connection_of(chat).set_trace_callback(None)
    begin, *inserts, commit = statements
    assert (begin, commit) == ("BEGIN IMMEDIATE", "COMMIT")
    assert all(statement.startswith("INSERT OR FAIL INTO messages") for statement in inserts)
    assert [statement.count(" X'") + statement.count(" x'") for statement in inserts] == [512, 256, 128, 64, 32, 8]
