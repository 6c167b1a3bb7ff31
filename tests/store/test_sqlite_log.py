"""The SQLite log: its files, its lock, and its errors."""

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
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import pytest
from msgspec.structs import astuple

from chatcli.errors import StoreError
from chatcli.store import data_directory, log_reader
from chatcli.store.batch import Batch, Entry
from chatcli.store.queries import FeedQuery, Query, SearchQuery
from chatcli.store.records import ReadRecord
from chatcli.store.sqlite import feed, schema
from chatcli.store.sqlite import load as reader
from chatcli.store.sqlite_log import SqliteLog
from tests.store.conftest import open_sqlite
from tests.store.owner import DEADLINE, OpenLog, Owner
from tests.store.people import ANN, BOB, CID, PEOPLE, claim, entry, faulty, new_user

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
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


def ignore(*_: object) -> None:
    """Do nothing."""


def database(data: Path) -> Path:
    """Return the path of the database of a data directory."""
    return data / "chatcli.db"


def refusal(data: Path) -> str:
    """Return the error with which a log is not opened."""
    with pytest.raises(StoreError) as caught:
        SqliteLog(data, post=ignore, on_commit=ignore)
    return str(caught.value)


def connection_of(owner: Owner) -> sqlite3.Connection:
    """Return the writer's own connection, to make it fail."""
    assert isinstance(owner.log, SqliteLog)
    return owner.log._database.connection


def stored(data: Path) -> list[str]:
    """Return all texts in the database, read on a connection of the test's own."""
    with closing(sqlite3.connect(database(data))) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM messages ORDER BY seq")]


@contextmanager
def held(data: Path) -> Iterator[sqlite3.Connection]:
    """Lock the database for writing, as another program might."""
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


def without_index(names: Iterable[str]) -> set[str]:
    """Return the names of files but for those of the search index, which may be made at any time."""
    return {name for name in names if not name.startswith("search.db")}


# Files


def test_log_is_private(data: Path, store: OpenLog) -> None:
    """Whatever the umask, the directory and all files are for their owner."""
    umask = os.umask(0)
    try:
        owner = Owner(store)
        owner.add_users(*PEOPLE)
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
    owner.log.close()
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert without_index(modes) == {"chatcli.db", "chatcli.db-wal", "chatcli.db-shm", "lock"}


def test_closed_log_is_one_file(chat: Owner, data: Path) -> None:
    """It can be copied."""
    chat.write(entry(ANN, BOB))
    chat.log.close()
    assert without_index(path.name for path in data.iterdir()) == {"chatcli.db", "lock"}


def test_deep_directory(tmp_path: Path) -> None:
    """Missing directories are made."""
    SqliteLog(tmp_path / "a" / "b" / "data", post=ignore, on_commit=ignore).close()
    assert database(tmp_path / "a" / "b" / "data").is_file()


def test_settings_of_the_database(chat: Owner) -> None:
    """The writer flushes each commit, and readers do not wait for it."""
    assert connection_of(chat).execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection_of(chat).execute("PRAGMA journal_mode").fetchone() == ("wal",)


# Opening


def test_directory_in_use(chat: Owner, data: Path) -> None:
    """The error names the process, the directory and the remedy."""
    assert refusal(data) == (
        f"Another chatcli server (process {os.getpid()}) uses the data directory {data}: "
        "stop it first, or name another directory with --data."
    )
    assert chat.write(entry(ANN, BOB)).error is None


def test_lock_of_a_killed_server(data: Path) -> None:
    """It is gone with its process."""
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


def test_file_that_is_no_database(data: Path) -> None:
    """It is named, and not overwritten."""
    data.mkdir()
    database(data).write_bytes(b"Dear diary, " * 1000)
    remedy = "Move it away, or choose another directory with --data."
    assert refusal(data) == f"Cannot use the log {database(data)}: file is not a database. {remedy}"
    assert database(data).read_bytes() == b"Dear diary, " * 1000


def test_full_disk_at_the_start(tmp_path: Path) -> None:
    """The remedy is not to move the log away."""
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
def test_database_of_another_program(data: Path, script: str) -> None:
    """It is named, and nothing is added to it."""
    data.mkdir()
    with closing(sqlite3.connect(database(data))) as connection:
        connection.executescript(script)
    before = database(data).read_bytes()
    remedy = "choose another directory with --data"
    assert refusal(data) == f"Cannot use the log {database(data)}: it is a database of some other program: {remedy}."
    assert database(data).read_bytes() == before


def test_newer_log(chat: Owner, data: Path) -> None:
    """It is not touched, and the error has the remedy."""
    newer = len(schema.MIGRATIONS) + 1
    connection_of(chat).execute(f"PRAGMA user_version = {newer}")
    chat.log.close()
    assert refusal(data) == (
        f"Cannot use the log {database(data)}: it was written by a newer chatcli "
        f"(schema {newer}; this one knows {newer - 1}): upgrade chatcli."
    )


def test_directory_below_a_file(tmp_path: Path) -> None:
    """The error has the path and the cause."""
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "data"
    assert (
        refusal(below)
        == f"Cannot use the data directory {below}: there is a file in its place. Choose another with --data."
    )


def test_file_in_place_of_the_directory(tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / "data").touch()
    assert refusal(tmp_path / "data").startswith(f"Cannot use the data directory {tmp_path / 'data'}: ")


def test_directory_in_place_of_the_database(data: Path) -> None:
    """The error has its path."""
    database(data).mkdir(parents=True)
    assert refusal(data).startswith(f"Cannot use the log {database(data)}: ")


def test_lock_after_an_error(data: Path) -> None:
    """The same process can open the log later."""
    data.mkdir()
    database(data).write_bytes(b"no database" * 100)
    refusal(data)
    database(data).unlink()
    SqliteLog(data, post=ignore, on_commit=ignore).close()


# Committing


def test_report_after_commit(data: Path) -> None:
    """Another connection can read a batch before its report."""
    seen: SimpleQueue[list[str]] = SimpleQueue()

    def post(*_: object) -> None:
        # In the writer's thread: the owner cannot hear of the batch any earlier than this.
        seen.put(stored(data))

    log = SqliteLog(data, post=post, on_commit=ignore)
    for one in PEOPLE:
        log.append_change(claim(one))
    log.append_message(entry(ANN, BOB, "one"))
    log.append_message(entry(BOB, ANN, "two"))
    log.commit()
    assert seen.get(timeout=DEADLINE) == ["one", "two"]
    log.close()


def test_kill_after_commit(chat: Owner, data: Path, tmp_path: Path) -> None:
    """The files after a commit, without a close, have all reported messages."""
    chat.write(entry(ANN, BOB, "kept"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("chatcli.db", "chatcli.db-wal"):
        (copy / name).write_bytes((data / name).read_bytes())
    assert stored(copy) == ["kept"]


def test_owner_that_is_gone(data: Path) -> None:
    """The queue is written without a report."""

    def post(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    log = SqliteLog(data, post=post, on_commit=ignore)
    for one in PEOPLE:
        log.append_change(claim(one))
    log.commit()
    log.append_message(entry(ANN, BOB, "last words"))
    log.close()
    assert stored(data) == ["last words"]


# Bad days


def test_locked_database(chat: Owner, data: Path) -> None:
    """Batches fail while another program locks the database, and no longer."""
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


def test_database_locked_for_a_moment(chat: Owner, data: Path) -> None:
    """The writer waits for a while."""
    begun = threading.Event()
    with held(data):
        connection_of(chat).set_trace_callback(lambda _: begun.set())
        chat.log.append_message(entry(ANN, BOB, "patience"))
        chat.log.commit()
        assert begun.wait(DEADLINE)
    chat.run_until(lambda: chat.log.idle)
    assert chat.reports[-1].error is None
    assert stored(data) == ["patience"]


def test_full_disk(chat: Owner, data: Path) -> None:
    """The whole batch fails, and the head stays."""
    first = entry(ANN, BOB, "before")
    chat.write(first)
    with full_disk(chat):
        _, error = chat.write(entry(ANN, BOB, "small"), entry(ANN, BOB, "x" * 2**20), entry(BOB, ANN, "small"))
        assert isinstance(error, StoreError)
        assert "disk is full" in str(error)
        assert chat.log.head == first.seq
        assert chat.log.pending_bytes == 0
    assert stored(data) == chat.texts(BOB.id) == ["before"]


def test_after_a_full_disk(chat: Owner, data: Path) -> None:
    """A retry is not a duplicate, and gets a seq before those of later messages."""
    first, lost = entry(ANN, BOB, "first"), entry(ANN, BOB, "x" * 2**16)
    chat.write(first)
    with full_disk(chat):
        assert chat.write(lost).error is not None
    again, later = entry(ANN, BOB, "again", lost.id), entry(BOB, ANN, "later")
    assert chat.write(again).error is None
    assert chat.write(later).error is None
    assert again.conflict is None
    assert first.seq < again.seq < later.seq
    assert stored(data) == ["first", "again", "later"]
    chat.reopen()
    assert chat.log.head == later.seq


def test_conversation_of_a_failed_batch(chat: Owner) -> None:
    """It is added again with the next one."""
    with full_disk(chat):
        assert chat.write(entry(ANN, BOB, "x" * 2**20)).error is not None
    assert chat.write(entry(ANN, BOB, "hi")).error is None
    assert chat.texts(ANN.id) == chat.texts(BOB.id) == ["hi"]


def test_users_of_a_failed_batch(chat: Owner) -> None:
    """They are unknown."""
    dan = new_user(4, "Dan", 4000)
    with full_disk(chat):
        chat.log.append_change(claim(dan))
        assert chat.write(entry(ANN, dan, "x" * 2**20)).error is not None
    chat.reopen()
    assert chat.state.users == list(PEOPLE)


def test_cursors_of_a_failed_batch(chat: Owner, data: Path) -> None:
    """They are written with the next one, and do not move back."""
    connection_of(chat).execute("PRAGMA busy_timeout = 0")
    chat.log.set_received(ANN.id, 8)
    chat.log.set_received(BOB.id, 5)
    with held(data):
        chat.log.commit(positions=True)
        chat.log.set_received(BOB.id, 6)
        chat.run_until(lambda: bool(chat.reports))
        assert chat.reports[0].error is not None
    batch, error = chat.commit(positions=True)
    assert error is None
    assert batch.received == {ANN.id: 8, BOB.id: 6}


def test_read_positions_of_failed_batches(chat: Owner) -> None:
    """They are written with the next one, unless newer ones are on their way, or written already."""
    chat.write(entry(ANN, BOB), entry(ANN, CID))
    connection = connection_of(chat)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 300}")
    batches = (
        ("", {(BOB.id, ANN.id): 9}),
        ("x" * 4000, {(BOB.id, ANN.id): 1, (CID.id, ANN.id): 1, (ANN.id, BOB.id): 1, (ANN.id, CID.id): 1}),
        ("short", {(BOB.id, ANN.id): 2}),
    )
    for text, positions in batches:
        for (user, of), seq in positions.items():
            chat.log.set_read(user, of, ReadRecord(user, of, seq, 0))
        for _ in range(1000 if text else 0):
            chat.log.append_message(entry(ANN, BOB, text))
        chat.log.commit(positions=True)
    chat.log.set_read(ANN.id, BOB.id, None)
    chat.log.set_read(CID.id, ANN.id, ReadRecord(CID.id, ANN.id, 0, 0))
    chat.run_until(lambda: len(chat.reports) == 4)
    assert [error is None for _, error in chat.reports] == [True, True, False, True]
    batch, error = chat.commit(positions=True)
    assert error is None
    assert batch.reads == {
        (CID.id, ANN.id): ReadRecord(CID.id, ANN.id, 0, 0),
        (ANN.id, BOB.id): None,
        (ANN.id, CID.id): ReadRecord(ANN.id, CID.id, 1, 0),
    }
    chat.reopen()
    assert sorted(chat.state.reads) == [
        ReadRecord(ANN.id, CID.id, 1, 0),
        ReadRecord(BOB.id, ANN.id, 2, 0),
        ReadRecord(CID.id, ANN.id, 0, 0),
    ]


def test_read_positions_of_two_failed_batches(chat: Owner, data: Path) -> None:
    """The newer ones count."""
    chat.write(entry(ANN, BOB))
    connection_of(chat).execute("PRAGMA busy_timeout = 0")
    with held(data):
        for seq in (0, 1):
            chat.log.set_read(BOB.id, ANN.id, ReadRecord(BOB.id, ANN.id, seq, seq))
            for _ in range(1000):
                chat.log.append_message(entry(ANN, BOB))
            chat.log.commit()
        chat.run_until(lambda: len(chat.reports) == 3)
        assert all(error for _, error in chat.reports[1:])
    assert chat.commit(positions=True).batch.reads == {(BOB.id, ANN.id): ReadRecord(BOB.id, ANN.id, 1, 1)}


def test_reading_while_writing_fails(chat: Owner, data: Path) -> None:
    """From a locked database, or a full one."""
    chat.write(entry(ANN, BOB, "kept"))
    with held(data), full_disk(chat):
        assert chat.texts(BOB.id) == ["kept"]


def test_exception_in_the_writer(chat: Owner) -> None:
    """Its batch is reported, and the writer goes on."""
    _, error = chat.write(entry(ANN, BOB, "fine"), faulty())
    assert isinstance(error, StoreError)
    assert chat.write(entry(ANN, BOB, "hi")).error is None
    assert chat.texts(BOB.id) == ["hi"]


def test_batches_in_one_transaction(data: Path) -> None:
    """All that wait go together; one that cannot be written does not harm the others, nor a conflict its batch."""
    posted: SimpleQueue[Callable[[], object]] = SimpleQueue()
    gate = threading.Event()
    reports: list[tuple[Batch, StoreError | None]] = []

    def post(function: Callable[..., object], *arguments: object) -> None:
        posted.put(partial(function, *arguments))
        gate.wait(DEADLINE)

    log = SqliteLog(data, post=post, on_commit=lambda *report: reports.append(report))
    for one in PEOPLE:
        log.append_change(claim(one))
    log.commit()
    posted.get(timeout=DEADLINE)()  # it is written, and the writer waits at the gate
    rows: list[list[Entry]] = []
    for last in (entry(ANN, BOB, "fine"), faulty(), entry(ANN, BOB, "fine, too")):
        rows.append([*(entry(ANN, BOB, str(number)) for number in range(999)), last])
        log.append_change(claim(ANN))
        log.append_messages(rows[-1], 1000)
        log.commit()
    written = sum(log.commit_times.counts)
    gate.set()
    while not log.idle:
        posted.get(timeout=DEADLINE)()
    assert [error is None for _, error in reports] == [True, True, False, True]
    assert [change.outcome.conflict for batch, _ in reports[1:] for change in batch.changes] == ["taken", None, "taken"]
    assert [[message.seq for message in row] for row in rows] == [
        list(range(1, 1001)),
        [0] * 1000,
        list(range(1001, 2001)),
    ]
    assert sum(log.commit_times.counts) == written + 2
    log.close()


def test_feed_that_cannot_be_read(chat: Owner, data: Path) -> None:
    """The reader gets an error, and pages again once the log is whole."""
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


def test_feed_uses_the_index(chat: Owner) -> None:
    """A page is read from ranges of one index, without a scan of a table."""
    bounds = {"user": BOB.id, "after": 0, "end": 99, "floors": "{}", "limit": 10}
    plan = [row[3] for row in connection_of(chat).execute("EXPLAIN QUERY PLAN " + feed._WINDOW_ROWS, bounds)]
    assert {step.split()[1] for step in plan if step.startswith("SCAN")} == {"json_each", "floors", "found"}
    assert any("COVERING INDEX messages_of_conversation (conversation=? AND seq>? AND seq<?)" in step for step in plan)


def test_reading_while_writing(chat: Owner) -> None:
    """Readers see what was committed before, and never half a batch."""
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
def test_moved_database(chat: Owner, data: Path, name: str) -> None:
    """Nothing is acknowledged until the file is back."""
    assert chat.write(entry(ANN, BOB, "before")).error is None
    (data / name).rename(data / "elsewhere")
    assert isinstance(chat.write(entry(ANN, BOB, "nowhere")).error, StoreError)
    (data / "elsewhere").rename(data / name)
    assert chat.write(entry(ANN, BOB, "after")).error is None


def test_replaced_database(chat: Owner, data: Path) -> None:
    """Only the file that was opened counts."""
    chat.reopen()
    shutil.copy(data / "chatcli.db", data / "backup")
    (data / "backup").replace(data / "chatcli.db")
    assert isinstance(chat.write(entry(ANN, BOB)).error, StoreError)


def test_messages_for_a_moved_database(chat: Owner, data: Path) -> None:
    """Once it is back, they are new."""
    dan, said = claim(new_user(7, "Dan", 0)), entry(ANN, BOB)
    (data / "chatcli.db").rename(data / "elsewhere")
    assert isinstance(chat.write_all(dan, said).error, StoreError)
    (data / "elsewhere").rename(data / "chatcli.db")
    assert chat.write_all(dan, said).error is None
    assert said.conflict is None


def test_batches_after_a_failed_one(chat: Owner) -> None:
    """Each has its own report; cursors that could not be written are kept."""
    connection = connection_of(chat)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 300}")
    chat.log.append_message(entry(ANN, BOB, "first"))
    chat.log.commit()
    for text, cursor in (("x" * 4000, 5), ("short", 0)):
        for _ in range(1000):
            chat.log.append_message(entry(ANN, BOB, text))
        if cursor:
            chat.log.set_received(BOB.id, cursor)
        chat.log.commit()
    chat.run_until(lambda: chat.log.idle)
    assert [(len(batch.entries), error is None) for batch, error in chat.reports] == [
        (1, True),
        (1000, False),
        (1000, True),
    ]
    assert chat.texts(BOB.id) == ["first", *["short"] * 1000]
    assert chat.commit(positions=True).batch.received == {BOB.id: 5}


def test_pages_of_long_messages(chat: Owner) -> None:
    """A page has a few hundred kilobytes at most, and the next goes on after it."""
    chat.write(*(entry(ANN, BOB, "x" * 32_000) for _ in range(20)))
    page = chat.read(BOB.id)
    assert len(page.rows) == 5
    assert page.upto == page.rows[-1].seq
    assert len(chat.read(BOB.id, after=page.rows[-1].seq).rows) == 5


# Health


def test_health_of_a_failing_log(chat: Owner, data: Path) -> None:
    """It has the last error while batches fail, and the time of the first."""
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


def test_health_and_size(chat: Owner, data: Path) -> None:
    """The size is that of the database and the search index."""
    chat.write(entry(ANN, BOB, "x" * 2**20))
    assert chat.log.health().bytes > 2**20


def test_opening_reads_no_messages(chat: Owner) -> None:
    """Queries at the start use an index, or are not about messages."""
    connection = connection_of(chat)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    for read in (
        reader.read_users,
        reader.read_keys,
        reader.read_rulings,
        reader.read_rooms,
        reader.read_members,
        reader.read_reads,
        reader.read_head,
    ):
        read(connection)
    connection.set_trace_callback(None)
    steps = [row[3] for statement in statements for row in connection.execute("EXPLAIN QUERY PLAN " + statement)]
    assert "SCAN messages" not in steps
    assert "SEARCH messages" in steps  # max(seq): the last row


def test_statements_of_a_batch(chat: Owner) -> None:
    """A thousand messages are one transaction of a dozen statements, without statement journals."""
    chat.write(entry(ANN, BOB))  # the conversation is known from here on
    statements: list[str] = []
    connection_of(chat).set_trace_callback(statements.append)
    chat.write(*(entry(ANN, BOB) for _ in range(1000)))
    connection_of(chat).set_trace_callback(None)
    begin, *others, commit = statements
    inserts = [statement for statement in others if "SELECT" not in statement]
    assert len(others) - len(inserts) == 1  # for the newest number
    assert (begin, commit) == ("BEGIN IMMEDIATE", "COMMIT")
    assert all(statement.startswith("INSERT OR FAIL INTO messages") for statement in inserts)
    assert [statement.count(" X'") + statement.count(" x'") for statement in inserts] == [512, 256, 128, 64, 32, 8]


def test_every_query_has_a_reader() -> None:
    """The table of readers has all queries but the search, which has threads of its own."""
    assert {*log_reader._READS, SearchQuery} == set(Query.__subclasses__())
