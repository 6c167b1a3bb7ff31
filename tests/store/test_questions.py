"""Questions and answers, as every store must treat them: only the first answer is stored."""

from __future__ import annotations

import uuid

import pytest

from chatcli.store.batch import Entry, PriorAnswer
from chatcli.store.maintenance import retention
from chatcli.store.queries import HistoryQuery, NewestQuery, Question, QuestionQuery, Unread, UnreadQuery
from chatcli.store.question_data import NOTHING, QuestionData, decode, encode
from chatcli.store.records import MessageRow, UserRecord
from tests.store.owner import Owner
from tests.store.people import ANN, BOB, CID, LOBBY, Party, entry, row

CHOICES = ["yes", "no"]


def question(sender: Party = ANN, recipient: Party = BOB, until: int | None = None) -> Entry:
    """Make a question."""
    return extended(entry(sender, recipient, "deploy now"), QuestionData(CHOICES, until))


def answer(re: int, number: int = 0, sender: Party = BOB, recipient: Party = ANN, id: bytes | None = None) -> Entry:  # noqa: A002 (the wire's name for it)
    """Make an answer."""
    made = entry(sender, recipient, CHOICES[number] if number >= 0 else "declined", id)
    made.re = re
    return extended(made, QuestionData(answer=number))


def extended(plain: Entry, extra: QuestionData) -> Entry:
    """Return a message with question data."""
    return Entry(
        id=plain.id,
        sender=plain.sender,
        recipient=plain.recipient,
        at=plain.at,
        text=plain.text,
        re=plain.re,
        extra=encode(extra),
    )


def asked(owner: Owner, seq: int) -> Question:
    """Read a question and its answer."""
    found = owner.ask(QuestionQuery(user=BOB.id, seq=seq))
    assert isinstance(found, list)
    (one,) = found
    assert isinstance(one, Question)
    return one


def test_read_back(house: Owner) -> None:
    """By every query, also after a restart."""
    until = 4_000_000_000_000
    asking = question(until=until)
    house.write(asking)
    answering = answer(asking.seq)
    house.write(answering)
    for _ in range(2):
        rows = [row(asking), row(answering)]
        assert rows[0].extra == f'{{"choices":["yes","no"],"until":{until}}}'
        assert house.feed(BOB.id) == rows
        assert house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=10)).rows == rows
        assert asked(house, asking.seq) == Question(*rows)
        assert house.find(BOB.id, "deploy") == ["deploy now"]
        house.reopen()
    in_room = question(ANN, LOBBY)
    house.write(in_room)
    assert house.ask(NewestQuery(user=BOB.id, rooms=[LOBBY.id])) == {LOBBY.id: row(in_room)}


def test_order(house: Owner) -> None:
    """A batch is written in its order."""
    before = question()
    house.write(before)
    batch = [entry(ANN, BOB), entry(BOB, ANN), question(), entry(ANN, BOB), answer(before.seq), entry(BOB, ANN)]
    report = house.write(*batch)
    assert report.error is None
    assert [one.seq for one in batch] == sorted(one.seq for one in batch)
    assert house.log.head == batch[-1].seq
    assert house.feed(ANN.id) == [row(one) for one in (before, *batch)]


def test_first_answer(house: Owner) -> None:
    """Others are not stored, in the same batch and later, and get the first one."""
    asking = question(ANN, LOBBY)
    house.write(asking)
    crowd = [answer(asking.seq, number % 2, sender, LOBBY) for number, sender in enumerate((BOB, CID, BOB))]
    house.write(*crowd)
    late = answer(asking.seq, -1, ANN, LOBBY)
    house.write(late)
    assert [one.prior_answer for one in (*crowd, late)] == [None, *[PriorAnswer(BOB.id, "yes", 0)] * 3]
    assert [bool(one.seq) for one in (*crowd, late)] == [True, False, False, False]
    assert asked(house, asking.seq).answer == row(crowd[0])
    assert house.history(HistoryQuery(user=ANN.id, of=LOBBY.id, limit=10)).rows == [row(asking), row(crowd[0])]
    assert house.log.head == crowd[0].seq


@pytest.mark.parametrize("answerer", [BOB, ANN])
def test_answer_after_the_deadline(house: Owner, answerer: UserRecord) -> None:
    """It is not stored, whoever gives it; the deadline itself is not too late, and the rest of the batch is stored."""
    asking = question(ANN, LOBBY, until=7)
    house.write(asking)
    late, other, timely = answer(asking.seq, 0, answerer, LOBBY), entry(ANN, BOB), answer(asking.seq, 1, BOB, LOBBY)
    late.at, timely.at = 8, 7
    assert house.write(late, other, timely).error is None
    assert [(one.conflict, one.seq) for one in (late, other, timely)] == [("over", 0), (None, 2), (None, 3)]
    assert late.prior_answer is None
    again = answer(asking.seq, 0, answerer, LOBBY)
    again.at = 9
    house.write(again)
    assert (again.conflict, again.prior_answer) == ("answered", PriorAnswer(BOB.id, "no", 1))


def test_batch_of_late_answers(house: Owner) -> None:
    """The head stays."""
    asking = question()
    house.write(asking)
    house.write(answer(asking.seq))
    head = house.log.head
    house.write(answer(asking.seq))
    assert house.log.head == head
    after = entry(ANN, BOB)
    house.write(after)
    assert house.log.head == after.seq > head


def test_repeated_answer(house: Owner) -> None:
    """It is a duplicate, in the same batch and after a restart."""
    asking = question()
    house.write(asking)
    identity = uuid.uuid4().bytes
    first, second = answer(asking.seq, id=identity), answer(asking.seq, id=identity)
    house.write(first, second)
    house.reopen()
    third = answer(asking.seq, id=identity)
    house.write(third)
    assert (first.conflict, second.conflict, third.conflict) == (None, "duplicate", "duplicate")
    assert first.seq == second.seq == third.seq
    assert second.prior_answer is third.prior_answer is None
    stolen = answer(asking.seq, id=identity, sender=CID)
    house.write(stolen)
    assert stolen.conflict == "id_taken"


def test_answer_in_a_failed_batch(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one counts."""
    asking = question()
    house.write(asking)
    broken = entry(ANN, BOB)
    broken.at = None  # type: ignore[assignment]  # what no database takes
    assert house.write(answer(asking.seq), broken).error is not None
    assert asked(house, asking.seq).answer is None
    second = answer(asking.seq, 1)
    house.write(second)
    assert asked(house, asking.seq).answer == row(second)


def test_no_question(house: Owner) -> None:
    """There is nothing to read; a reply in words is not an answer."""
    assert house.ask(QuestionQuery(user=BOB.id, seq=7)) == []
    plain = entry(ANN, BOB)
    house.write(plain)
    reply = entry(BOB, ANN)
    reply.re = plain.seq
    house.write(reply)
    assert asked(house, plain.seq) == Question(row(plain), None)


def test_pruned_question(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer to it is stored like any other message."""
    monkeypatch.setattr(retention, "_REST", 0.0)
    asking = question()
    asking.at = 5
    house.write(asking)
    house.write(answer(asking.seq))
    house.prune(6)
    late = answer(asking.seq)
    house.write(late)
    assert late.prior_answer is None
    assert house.ask(QuestionQuery(user=BOB.id, seq=asking.seq)) == []


def test_pruned_answer(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question stays closed, without its answer's sender."""
    monkeypatch.setattr(retention, "_REST", 0.0)
    asking = question()
    house.write(asking)
    answering = answer(asking.seq)
    answering.at = 5
    house.write(answering)
    house.prune(6)
    late = answer(asking.seq, 1)
    house.write(late)
    assert late.prior_answer == PriorAnswer(0, "", 0)
    assert asked(house, asking.seq) == Question(row(asking), None)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"choices":7}', "null", "\udc80", 7, b"{}x"])
def test_damaged_data(kept: str) -> None:
    """The message is there without it."""
    assert decode(kept) == NOTHING
    assert MessageRow(seq=1, id=b"", sender=1, recipient=2, at=3, text="hi", re=None).extra is None


def test_long_choices(house: Owner) -> None:
    """They count for the size of a page like texts."""
    wide = QuestionData([str(number) * 60 for number in range(9)])
    house.write(*(extended(entry(ANN, BOB, "?"), wide) for _ in range(500)))
    assert len(house.read(BOB.id).rows) < 300
    assert len(house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=500)).rows) < 300
    assert len(house.feed(BOB.id)) == 500


def test_unread_questions(house: Owner) -> None:
    """A question counts while it is open, and an answer never does."""
    answered, withdrawn, late, waiting = questions = [question(), question(), question(until=7), question(until=9)]
    house.write(*questions)

    def count(now: int) -> object:
        return house.ask(UnreadQuery(user=BOB.id, after=0, now=now))

    assert count(7) == [Unread(ANN.id, 4, waiting.seq)]
    assert count(8) == [Unread(ANN.id, 3, waiting.seq)]
    house.write(answer(answered.seq), answer(withdrawn.seq, -1, ANN, BOB))
    assert count(8) == [Unread(ANN.id, 1, waiting.seq)]
    assert count(7) == [Unread(ANN.id, 2, waiting.seq)]
    assert count(10) == []
    assert house.ask(UnreadQuery(user=ANN.id, after=0, now=7)) == []
    assert late.seq < waiting.seq
