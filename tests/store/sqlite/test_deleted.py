"""A deleted message is not stored again if its sender sends it again."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.protocol.values.ids import id_bytes, uuid7
from chatcli.store.batch import Entry
from chatcli.store.maintenance import retention
from chatcli.store.question_data import QuestionData, encode
from chatcli.store.records import Lookup
from chatcli.store.writing import deleted
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, LOBBY, entry

NOW = 1_000_000


@pytest.fixture(autouse=True)
def _restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune without rests."""
    monkeypatch.setattr(retention, "_REST", 0.0)


def old(identity: bytes, text: str = "old", **fields: object) -> Entry:
    """Make an old message."""
    said = entry(ANN, BOB, text, identity)
    said.at = NOW - 1
    for name, value in fields.items():
        setattr(said, name, value)
    return said


def made(milliseconds: int, last: int = 0) -> bytes:
    """Return an id that was made at a time."""
    return id_bytes(uuid7(milliseconds, bytes(9) + bytes([last])))


def prune(owner: Owner) -> None:
    """Delete old messages."""
    owner.prune(NOW)


def delete(owner: Owner, *messages: Entry) -> list[int]:
    """Store messages and delete them; return their seqs."""
    owner.write(*messages)
    prune(owner)
    assert not [text for text in owner.texts(BOB.id) if text != "tick"]
    return [message.seq for message in messages]


@pytest.mark.parametrize("identity", [made(NOW), uuid.UUID("b2d3a5f0-0000-4000-8000-000000000001").bytes])
@pytest.mark.parametrize("again", [False, True])
def test_repeated_message(chat: Owner, identity: bytes, *, again: bool) -> None:
    """It gets its former seq, whatever its text and the version of its id, also after a restart."""
    (seq,) = delete(chat, old(identity))
    if again:
        chat.reopen()
    repeated = entry(ANN, BOB, "old, with other words", identity)
    assert chat.write(repeated).error is None
    assert (repeated.conflict, repeated.seq, repeated.first_at) == ("duplicate", seq, NOW - 1)
    assert "old, with other words" not in chat.texts(BOB.id)


def test_new_messages_in_the_same_batch(chat: Owner) -> None:
    """Only the repeated one is left out."""
    first, second = made(NOW, 1), made(NOW, 2)
    delete(chat, old(first), old(second))
    new = [entry(ANN, BOB, text, made(NOW * 3, number)) for number, text in enumerate(("one", "two", "three"))]
    late = entry(ANN, BOB, "made before, sent now", made(NOW - 5))
    chat.write(new[0], old(first), new[1], late, old(second), new[2])
    assert chat.texts(BOB.id) == ["one", "two", "made before, sent now", "three"]


def test_questions_and_answers(chat: Owner) -> None:
    """A question is not asked a second time, nor an answer given."""
    question = old(made(NOW, 1), extra=encode(QuestionData(("yes", "no"))))
    chat.write(question)
    answer = old(made(NOW, 2), re=question.seq, extra=encode(QuestionData(answer=0)))
    seqs = [question.seq, *delete(chat, answer)]
    again = [
        old(made(NOW, 1), extra=encode(QuestionData(("yes", "no")))),
        old(made(NOW, 2), re=question.seq, extra=encode(QuestionData(answer=0))),
    ]
    chat.write(*again)
    assert [(one.conflict, one.seq) for one in again] == [("duplicate", seq) for seq in seqs]


def test_id_of_another_sender(chat: Owner) -> None:
    """Only the sender's own ids are remembered."""
    delete(chat, old(made(NOW)))
    other = entry(BOB, ANN, "mine", made(NOW))
    chat.write(other)
    assert other.conflict is None
    assert "mine" in chat.texts(ANN.id)


def test_lookup(chat: Owner) -> None:
    """A deleted message is found, by its sender alone."""
    (seq,) = delete(chat, old(made(NOW)))
    own, others = Lookup(made(NOW), ANN.id), Lookup(made(NOW), BOB.id)
    chat.write_all(own, others)
    assert (own.sender, own.seq, own.at) == (ANN.id, seq, NOW - 1)
    assert others.sender == 0


def test_expiry(chat: Owner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After thirty days not even a digest is left."""
    delete(chat, old(made(NOW)))
    assert remembered(data) == 1
    monkeypatch.setattr(deleted, "_KEPT", -1)
    chat.reopen()
    prune(chat)
    assert remembered(data) == 0
    again = entry(ANN, BOB, "old", made(NOW))
    chat.write(again)
    assert again.conflict is None


def remembered(data: Path) -> int:
    """Return the number of deleted messages that a log remembers."""
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM deleted").fetchone()
        return int(count)


def test_digests(chat: Owner, data: Path) -> None:
    """A row has neither the id nor sender and recipient."""
    (seq,) = delete(chat, old(made(NOW)))
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        (row,) = connection.execute("SELECT * FROM deleted").fetchall()
    assert row[1:3] == (seq, NOW - 1)
    assert len(row) == 4
    assert len(row[0]) == 16
    assert row[0] != made(NOW)


def test_rooms(house: Owner) -> None:
    """Messages in rooms are remembered as well."""
    said = entry(ANN, LOBBY, "old", made(NOW))
    said.at = NOW - 1
    house.write(said)
    prune(house)
    again = entry(ANN, LOBBY, "old", made(NOW))
    house.write(again)
    assert (again.conflict, again.seq) == ("duplicate", said.seq)


def test_newer_ids_are_not_looked_up(chat: Owner) -> None:
    """Nearly all messages cost no read of the disk."""
    delete(chat, old(made(NOW)))
    asked: list[str] = []
    connection = sqlite3.connect(":memory:")
    with closing(connection):
        connection.execute("CREATE TABLE marks (name TEXT PRIMARY KEY, seq INTEGER)")
        connection.execute("INSERT INTO marks VALUES ('deleted_newest', ?)", (NOW,))
        known = deleted.Deleted(connection)
        connection.set_trace_callback(asked.append)
        new = [entry(ANN, BOB, "new", made(NOW + 1)), entry(ANN, BOB, "new", made(NOW * 2))]
        assert known.filter(new) is new
    assert not asked
