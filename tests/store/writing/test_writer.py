"""The writer alone: what it decides depends on the database and the batches, and on nothing else."""

from __future__ import annotations

import ast
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.store.batch import Batch, Change, Entry, Outcome, ignore
from chatcli.store.question_data import QuestionData, encode
from chatcli.store.records import (
    AddKey,
    DropKey,
    Enter,
    Found,
    KeyRecord,
    Leave,
    Lookup,
    NameChangeRecord,
    Prune,
    ReadRecord,
    Record,
    Release,
    Ruling,
    SetOwner,
)
from chatcli.store.sqlite import schema
from chatcli.store.sqlite.connection import connect
from chatcli.store.writing.writer import Writer
from tests.reference import ROOT
from tests.store.people import ANN, BOB, CID, LOBBY, PEOPLE, claim, entry, new_room, new_user

OpenWriter = Callable[[str], Writer]


def batch_of(*things: Entry | Record) -> Batch:
    """Make a batch."""
    batch = Batch()
    for thing in things:
        if isinstance(thing, Entry):
            batch.entries.append(thing)
        else:
            batch.changes.append(Change(thing, ignore, len(batch.entries), Outcome()))
    return batch


@pytest.fixture
def open_writer(tmp_path: Path) -> Iterator[OpenWriter]:
    """Return a function that opens a writer of a new log with some users."""
    connections: list[sqlite3.Connection] = []

    def open_one(name: str) -> Writer:
        connection = connect(tmp_path / name)
        connections.append(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        schema.migrate(connection)
        writer = Writer(connection, tmp_path / name)
        writer.write_all([batch_of(*map(claim, PEOPLE))])
        return writer

    yield open_one
    for connection in connections:
        connection.close()


@pytest.fixture
def writer(open_writer: OpenWriter) -> Writer:
    """Open a writer of a log with some users."""
    return open_writer("log")


def contents(writer: Writer) -> list[str]:
    """Return everything that is in a log, but for its random name."""
    with closing(sqlite3.connect(writer.path)) as connection:
        return [line for line in connection.iterdump() if 'INTO "epochs"' not in line and "INTO epochs" not in line]


def say(text: str, number: int, *, sender: int = ANN.id, at: int = 5) -> Entry:
    """Make a message whose id is a number."""
    made = entry(sender, BOB, text, number.to_bytes(16))
    made.at = at
    return made


def story() -> list[Batch]:
    """Make batches with a little of everything, the same every time."""
    question = say("?", 10)
    question.extra = encode(QuestionData(("yes", "no"), until=7))
    answers = [say("yes", number, sender=BOB.id, at=at) for number, at in ((11, 8), (12, 7), (13, 7))]
    for answer in answers:
        answer.re, answer.extra = 1, encode(QuestionData(answer=0))
    positions = batch_of(say("last", 30), say("stolen", 3, sender=CID.id))
    positions.reads[BOB.id, ANN.id] = ReadRecord(BOB.id, ANN.id, 2, 2)
    positions.received[BOB.id] = 3
    return [
        batch_of(question, Found(LOBBY, CID.id), Enter(ANN.id, LOBBY.id), say("one", 1), say("again", 1), *answers),
        batch_of(AddKey(key=KeyRecord(ANN.id, b"k" * 32, 1), voucher="device"), say("two", 2), say("three", 3)),
        batch_of(Leave(CID.id, LOBBY.id), Release(BOB.id, BOB.key, "Bob (released 2)", "operator", 5)),
        batch_of(Ruling("mute", "ann", "{}"), Ruling("mute", "ann", None, ended="{"), Prune(0, 3, 6, 10**10)),
        batch_of(say("one, which was deleted", 1), Lookup(bytes(15) + b"\x01", ANN.id), claim(BOB), say("four", 4)),
        positions,
    ]


def results(batches: list[Batch]) -> list[object]:
    """Return everything that a writer has filled in."""
    return [
        (
            batch.newest,
            [(one.seq, one.conflict, one.first_at, one.prior_answer, one.at) for one in batch.entries],
            [(change.outcome.conflict, change.outcome.facts) for change in batch.changes],
            [(one.sender, one.seq, one.at) for one, *_ in batch.changes if isinstance(one, Lookup)],
        )
        for batch in batches
    ]


@pytest.mark.parametrize("groups", [[6], [1, 5], [2, 2, 2], [4, 2]])
def test_transactions(open_writer: OpenWriter, groups: list[int]) -> None:
    """Batches have the same outcome one by one and together, and leave the same log."""
    single, other = open_writer("single"), open_writer("other")
    alone, together = story(), story()
    deleted = [single.write_all([batch]) for batch in alone]
    begin = 0
    for size in groups:
        expected = [seq for seqs in deleted[begin : begin + size] for seq in seqs]
        assert other.write_all(together[begin : begin + size]) == expected
        begin += size
    assert results(together) == results(alone)
    assert contents(other) == contents(single)
    assert [one for batch in alone for one in batch.entries if one.conflict == "over"]


@pytest.mark.parametrize("fails_at", range(1, 7))
def test_failed_attempts(open_writer: OpenWriter, fails_at: int) -> None:
    """They leave no trace: neither in the log, nor in what is decided later, nor in the batches."""
    straight, stumbling = open_writer("straight"), open_writer("stumbling")
    expected, batches = story(), story()
    straight.write_all(expected)
    blank = results(story())
    failing = batch_of()
    failing.reads[ANN.id, 0] = ReadRecord(ANN.id, 0, 1 << 70, 0)
    for attempt in (batches[:fails_at], batches):
        with pytest.raises(OverflowError):
            stumbling.write_all([*attempt, failing])
        assert results(batches) == blank
    stumbling.write_all(batches)
    assert results(batches) == results(expected)
    assert contents(stumbling) == contents(straight)


def test_numbers_follow_the_database(writer: Writer) -> None:
    """Not what the writer remembers."""
    writer.write_all([batch_of(say("one", 1))])
    with closing(sqlite3.connect(writer.path, isolation_level=None)) as other:
        other.execute("UPDATE messages SET seq = 41")
        first, again, second = say("two", 2), say("two", 2), say("three", 3)
        batch = batch_of(first, again)
        writer.write_all([batch, batch_of(second)])
        assert (first.seq, again.seq, again.conflict, second.seq, batch.newest) == (42, 42, "duplicate", 43, 42)
        other.execute("UPDATE marks SET seq = 77 WHERE name = 'pruned'")
        change = AddKey(key=KeyRecord(ANN.id, b"k" * 32, 1), voucher="device")
        later = batch_of(change)
        writer.write_all([later])
        made = later.changes[0].outcome.facts[-1]
        assert isinstance(made, NameChangeRecord)
        assert (made.seq, later.newest) == (78, 78)


def test_place_and_time_of_messages(writer: Writer) -> None:
    """A duplicate keeps its own time, and gets that of the first; one of another sender gets nothing."""
    first, again, stolen = say("one", 1, at=5), say("one", 1, at=9), say("one", 1, sender=CID.id, at=10)
    writer.write_all([batch_of(first, again, stolen)])
    assert [(one.seq, one.at, one.first_at, one.conflict) for one in (first, again, stolen)] == [
        (1, 5, 0, None),
        (1, 9, 5, "duplicate"),
        (0, 10, 0, "id_taken"),
    ]


def test_prune(writer: Writer) -> None:
    """Only messages of that stretch from before that time are deleted, and remembered since the time of the record."""
    writer.write_all([batch_of(*(say(str(number), number, at=number) for number in range(1, 9)))])
    batch = batch_of(Prune(2, 6, 6, 1000), say("after", 9))
    assert writer.write_all([batch]) == [3, 4, 5]
    assert (batch.changes[0].outcome.conflict, batch.changes[0].outcome.facts) == (None, [])
    with closing(sqlite3.connect(writer.path)) as connection:
        assert [seq for (seq,) in connection.execute("SELECT seq FROM messages")] == [1, 2, 6, 7, 8, 9]
        assert connection.execute("SELECT seq, at, gone FROM deleted ORDER BY seq").fetchall() == [
            *((seq, seq, 1000) for seq in (3, 4, 5))
        ]
        assert dict(connection.execute("SELECT name, seq FROM marks")) == {
            "pruned": 5, "removed": 3, "clean": 2, "deleted_newest": 0, "deleted_others": 1,
        }  # fmt: skip


@pytest.mark.parametrize(("days", "left"), [(30, 1), (31, 0)])
def test_what_is_forgotten(writer: Writer, days: int, left: int) -> None:
    """The time of the record decides."""
    writer.write_all([batch_of(say("one", 1), Prune(0, 9, 6, 1000))])
    assert writer.write_all([batch_of(Prune(9, 9, 6, 1000 + days * 86_400_000))]) == []
    with closing(sqlite3.connect(writer.path)) as connection:
        assert connection.execute("SELECT count(*) FROM deleted").fetchone() == (left,)


@pytest.mark.parametrize(
    "unfit",
    [
        claim(new_user(1 << 70, "Dan", 1)),
        claim(new_user(9, "\ud800", 1)),
        AddKey(key=KeyRecord(ANN.id, b"o" * 32, 1 << 70), voucher="device"),
        Release(ANN.id, ANN.key, "Ann (released 1)", "operator", 1 << 70),
        Found(new_room(7, "#seven", 1), ANN.id),
        Enter(-(1 << 70), LOBBY.id),
        Ruling("mute", "\udfff", "{}"),
        Lookup(bytes(16), 1 << 70),
        Prune(0, 1 << 70, 1 << 70, 5),
        say("one", 7, at=1 << 70),
        say("one", 7, sender=1 << 70),
        say("\ud800", 7),
    ],
    ids=lambda unfit: type(unfit).__name__,
)
def test_what_cannot_be_stored_harms_nothing_else(
    open_writer: OpenWriter, caplog: pytest.LogCaptureFixture, unfit: Entry | Record
) -> None:
    """It is left out, whole, and everything before and after it in the transaction is as if it had never come."""
    logs = []
    for name, middle in (("with", [unfit]), ("without", [])):
        writer = open_writer(name)
        batches = [
            batch_of(say("one", 1), Found(LOBBY, CID.id), *middle, say("two", 2), Release(BOB.id, BOB.key, "b", "", 5)),
            batch_of(say("three", 3)),
        ]
        writer.write_all(batches)
        logs.append(contents(writer))
        first = batches[0]
        assert [one.conflict for one in first.entries if one is not unfit] == [None, None]
        assert [one.outcome.conflict for one in first.changes if one.record is not unfit] == [None, None]
        if middle:
            conflicts = [one.outcome.conflict for one in first.changes] + [one.conflict for one in first.entries]
            assert conflicts.count("invalid") == 1
    assert logs[0] == logs[1]
    assert "is left out" in caplog.text


def test_plans_of_decisions(writer: Writer) -> None:
    """However many users, members and tokens there are, none of them are looked at one by one."""
    key = AddKey(key=KeyRecord(ANN.id, b"k" * 32, 1), voucher="none")
    other = AddKey(key=KeyRecord(ANN.id, b"o" * 32, 1), voucher="device")
    rooms: list[Record] = [Found(LOBBY, ANN.id), Enter(BOB.id, LOBBY.id), SetOwner(ANN.id, LOBBY.id, owner=False)]
    rooms += [Leave(BOB.id, LOBBY.id), Leave(ANN.id, LOBBY.id)]
    statements: list[str] = []
    with closing(connect(writer.path)) as connection:
        connection.set_trace_callback(statements.append)
        Writer(connection, writer.path).write_all([batch_of(key, other, *rooms, DropKey(ANN.id, b"k" * 32))])
        connection.set_trace_callback(None)
        asked = [one for one in statements if one.split()[0] in ("SELECT", "UPDATE", "DELETE")]
        steps = {step[3] for one in asked for step in connection.execute(f"EXPLAIN QUERY PLAN {one}")}
    assert len(asked) > 20
    assert not [step for step in steps if step.startswith("SCAN") and step not in ("SCAN CONSTANT ROW", "SCAN owners")]


def test_nothing_of_the_machine() -> None:
    """The modules that decide import no clock, no chance, no threads, and nothing of the log's maintenance."""
    allowed = {"__future__", "collections", "functools", "itertools", "logging", "operator", "sqlite3", "typing"}
    for path in sorted((ROOT / "chatcli/store/writing").glob("*.py")):
        found = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        outside = {name.split(".")[0] for name in found} - allowed - {"chatcli", "msgspec"}
        # Files are looked at only to find out whether anything can be written, and names are hashed.
        known = {"writer.py": {"os", "pathlib", "tempfile"}, "deleted.py": {"hashlib"}}
        assert outside == known.get(path.name, set()), path.name
        ours = {name for name in found if name.startswith("chatcli.store.")}
        assert not [name for name in ours if name.split(".")[2] in ("maintenance", "search", "archive", "interface")]
