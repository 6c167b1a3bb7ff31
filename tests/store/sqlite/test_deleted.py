"""A message that was deleted is not stored again when its sender repeats it."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from chatcli.protocol.ids import id_bytes, uuid7
from chatcli.store import retention
from chatcli.store.question_data import QuestionData, encode
from chatcli.store.records import Entry, Lookup
from chatcli.store.sqlite import deleted
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, LOBBY, entry

NOW = 1_000_000


@pytest.fixture(autouse=True)
def _restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look through the log again at once."""
    monkeypatch.setattr(retention, "_REST", 0.0)


def old(identity: bytes, text: str = "old", **fields: object) -> Entry:
    """Make a message from before."""
    said = entry(ANN, BOB, text, identity)
    said.at = NOW - 1
    for name, value in fields.items():
        setattr(said, name, value)
    return said


def made(milliseconds: int, last: int = 0) -> bytes:
    """Return an id that was made at that time."""
    return id_bytes(uuid7(milliseconds, bytes(9) + bytes([last])))


def prune(owner: Owner) -> None:
    """Have old messages deleted."""
    owner.log.prune(NOW)
    owner.write(entry(BOB, BOB, "tick", made(NOW * 2)))
    owner.run_all()


def delete(owner: Owner, *messages: Entry) -> list[int]:
    """Store messages and have them deleted; return the places that they had."""
    owner.write(*messages)
    prune(owner)
    assert not [text for text in owner.texts(BOB.id) if text != "tick"]
    return [message.seq for message in messages]


@pytest.mark.parametrize("identity", [made(NOW), uuid.UUID("b2d3a5f0-0000-4000-8000-000000000001").bytes])
@pytest.mark.parametrize("again", [False, True])
def test_a_repetition_is_answered_with_the_place_that_was(chat: Owner, identity: bytes, *, again: bool) -> None:
    """Whatever the version of its id and whatever the text, also after the log was opened again."""
    (seq,) = delete(chat, old(identity))
    if again:
        chat.reopen()
    repeated = entry(ANN, BOB, "old, with other words", identity)
    assert chat.write(repeated).error is None
    assert (repeated.duplicate, repeated.refused, repeated.seq, repeated.at) == (True, False, seq, NOW - 1)
    assert "old, with other words" not in chat.texts(BOB.id)


def test_what_is_new_keeps_its_order_around_a_repetition(chat: Owner) -> None:
    """Of what comes in one batch only that is left out which was there before."""
    first, second = made(NOW, 1), made(NOW, 2)
    delete(chat, old(first), old(second))
    new = [entry(ANN, BOB, text, made(NOW * 3, number)) for number, text in enumerate(("one", "two", "three"))]
    late = entry(ANN, BOB, "made before, sent now", made(NOW - 5))
    chat.write(new[0], old(first), new[1], late, old(second), new[2])
    assert chat.texts(BOB.id)[1:] == ["one", "two", "made before, sent now", "three"]


def test_questions_and_answers_are_known_again_too(chat: Owner) -> None:
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
    assert [(one.duplicate, one.seq) for one in again] == [(True, seq) for seq in seqs]


def test_someone_elses_message_may_have_the_id(chat: Owner) -> None:
    """What is kept says of nobody but the sender that they have used it."""
    delete(chat, old(made(NOW)))
    other = entry(BOB, ANN, "mine", made(NOW))
    chat.write(other)
    assert not other.duplicate
    assert "mine" in chat.texts(ANN.id)


def test_who_may_not_write_any_more_is_told_of_the_first_time(chat: Owner) -> None:
    """A message that is looked up is found after it was deleted, by its sender alone."""
    (seq,) = delete(chat, old(made(NOW)))
    own, others = Lookup(made(NOW), ANN.id), Lookup(made(NOW), BOB.id)
    chat.write_all(own, others)
    assert (own.sender, own.seq, own.at) == (ANN.id, seq, NOW - 1)
    assert others.sender == 0


def test_it_is_forgotten_in_the_end(chat: Owner, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After thirty days nothing of a deleted message is left, not even a digest."""
    delete(chat, old(made(NOW)))
    assert remembered(data) == 1
    monkeypatch.setattr(deleted, "_KEPT", -1)
    chat.reopen()
    prune(chat)
    assert remembered(data) == 0
    again = entry(ANN, BOB, "old", made(NOW))
    chat.write(again)
    assert not again.duplicate


def remembered(data: Path) -> int:
    """Return how many deleted messages a log knows of."""
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM deleted").fetchone()
        return int(count)


def test_what_is_kept_tells_nothing_of_the_message(chat: Owner, data: Path) -> None:
    """Neither the id nor who wrote it to whom is in the row."""
    (seq,) = delete(chat, old(made(NOW)))
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        (row,) = connection.execute("SELECT * FROM deleted").fetchall()
    assert row[1:3] == (seq, NOW - 1)
    assert len(row) == 4
    assert len(row[0]) == 16
    assert row[0] != made(NOW)


def test_messages_in_rooms_are_known_again(house: Owner) -> None:
    """As those between two are."""
    said = entry(ANN, LOBBY, "old", made(NOW))
    said.at = NOW - 1
    house.write(said)
    prune(house)
    again = entry(ANN, LOBBY, "old", made(NOW))
    house.write(again)
    assert (again.duplicate, again.seq) == (True, said.seq)


def test_an_id_that_is_newer_is_not_looked_up(chat: Owner) -> None:
    """Nothing is asked of the disk for messages that cannot have been there before, which are nearly all."""
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
