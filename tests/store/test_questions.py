"""What every store must do with questions and answers: the first counts, and no other is stored."""

from __future__ import annotations

import uuid

import pytest

from chatcli.store import retention
from chatcli.store.queries import HistoryQuery, NewestQuery, Question, QuestionQuery, Unread, UnreadQuery
from chatcli.store.question_data import NOTHING, QuestionData, decode, encode
from chatcli.store.records import Closed, Entry, MessageRow
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
    """Return a message with more than its text."""
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
    """Read a question and what answers it."""
    found = owner.ask(QuestionQuery(user=BOB.id, seq=seq))
    assert isinstance(found, list)
    (one,) = found
    assert isinstance(one, Question)
    return one


def test_questions_and_answers_are_read_back_whole(house: Owner) -> None:
    """By every way of reading, live and after the log was opened again."""
    asking = question(until=7)
    house.write(asking)
    answering = answer(asking.seq)
    house.write(answering)
    for _ in range(2):
        rows = [row(asking), row(answering)]
        assert rows[0].extra == '{"choices":["yes","no"],"until":7}'
        assert house.feed(BOB.id) == rows
        assert house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=10)).rows == rows
        assert asked(house, asking.seq) == Question(*rows)
        assert house.find(BOB.id, "deploy") == ["deploy now"]
        house.reopen()
    in_room = question(ANN, LOBBY)
    house.write(in_room)
    assert house.ask(NewestQuery(user=BOB.id, rooms=[LOBBY.id])) == {LOBBY.id: row(in_room)}


def test_among_other_messages_they_keep_their_place(house: Owner) -> None:
    """A batch is written in its order, whatever is in it."""
    before = question()
    house.write(before)
    batch = [entry(ANN, BOB), entry(BOB, ANN), question(), entry(ANN, BOB), answer(before.seq), entry(BOB, ANN)]
    told = house.write(*batch)
    assert told.error is None
    assert [one.seq for one in batch] == sorted(one.seq for one in batch)
    assert house.log.head == batch[-1].seq
    assert house.feed(ANN.id) == [row(one) for one in (before, *batch)]


def test_the_first_answer_counts(house: Owner) -> None:
    """The others are not stored, in the same batch and in later ones, and it is said who was first."""
    asking = question(ANN, LOBBY)
    house.write(asking)
    crowd = [answer(asking.seq, number % 2, sender, LOBBY) for number, sender in enumerate((BOB, CID, BOB))]
    house.write(*crowd)
    late = answer(asking.seq, -1, ANN, LOBBY)
    house.write(late)
    assert [one.closed for one in (*crowd, late)] == [None, *[Closed(BOB.id, "yes", 0)] * 3]
    assert [bool(one.seq) for one in (*crowd, late)] == [True, False, False, False]
    assert asked(house, asking.seq).answer == row(crowd[0])
    assert house.history(HistoryQuery(user=ANN.id, of=LOBBY.id, limit=10)).rows == [row(asking), row(crowd[0])]
    assert house.log.head == crowd[0].seq


def test_a_batch_of_nothing_but_late_answers_moves_nothing(house: Owner) -> None:
    """The head stays, and what comes behind has its place behind."""
    asking = question()
    house.write(asking)
    house.write(answer(asking.seq))
    head = house.log.head
    house.write(answer(asking.seq))
    assert house.log.head == head
    after = entry(ANN, BOB)
    house.write(after)
    assert house.log.head == after.seq > head


def test_a_repetition_of_the_answer_that_counts_has_its_place(house: Owner) -> None:
    """Also in the batch of the first, and after the log was opened again."""
    asking = question()
    house.write(asking)
    identity = uuid.uuid4().bytes
    first, second = answer(asking.seq, id=identity), answer(asking.seq, id=identity)
    house.write(first, second)
    house.reopen()
    third = answer(asking.seq, id=identity)
    house.write(third)
    assert (first.duplicate, second.duplicate, third.duplicate) == (False, True, True)
    assert first.seq == second.seq == third.seq
    assert second.closed is third.closed is None
    stolen = answer(asking.seq, id=identity, sender=CID)
    house.write(stolen)
    assert stolen.refused


def test_an_answer_that_could_not_be_written_does_not_count(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails with its batch, and the next one counts."""
    asking = question()
    house.write(asking)
    broken = entry(ANN, BOB)
    broken.at = None  # type: ignore[assignment]  # what no database takes
    assert house.write(answer(asking.seq), broken).error is not None
    assert asked(house, asking.seq).answer is None
    second = answer(asking.seq, 1)
    house.write(second)
    assert asked(house, asking.seq).answer == row(second)


def test_what_is_no_message_is_no_question(house: Owner) -> None:
    """There is nothing to read; a message that was answered in words only has no answer."""
    assert house.ask(QuestionQuery(user=BOB.id, seq=7)) == []
    plain = entry(ANN, BOB)
    house.write(plain)
    reply = entry(BOB, ANN)
    reply.re = plain.seq
    house.write(reply)
    assert asked(house, plain.seq) == Question(row(plain), None)


def test_the_answers_of_pruned_questions_go(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever answers after that is stored as if it had been in time: there is nothing to decide any more."""
    monkeypatch.setattr(retention, "_REST", 0.0)
    asking = question()
    asking.at = 5
    house.write(asking)
    house.write(answer(asking.seq))
    house.log.prune(6)
    house.write(entry(ANN, ANN))
    house.run_all()
    late = answer(asking.seq)
    house.write(late)
    assert late.closed is None
    assert house.ask(QuestionQuery(user=BOB.id, seq=asking.seq)) == []


def test_a_question_whose_answer_was_pruned_stays_closed(house: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a clock was set back: who has answered is not known any more."""
    monkeypatch.setattr(retention, "_REST", 0.0)
    asking = question()
    house.write(asking)
    answering = answer(asking.seq)
    answering.at = 5
    house.write(answering)
    house.log.prune(6)
    house.write(entry(ANN, ANN))
    house.run_all()
    late = answer(asking.seq, 1)
    house.write(late)
    assert late.closed == Closed(0, "", 0)
    assert asked(house, asking.seq) == Question(row(asking), None)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"choices":7}', "null", "\udc80", 7, b"{}x"])
def test_what_damage_has_made_of_it_is_nothing(kept: str) -> None:
    """The message is there all the same."""
    assert decode(kept) == NOTHING
    assert MessageRow(seq=1, id=b"", sender=1, recipient=2, at=3, text="hi", re=None).extra is None


def test_long_choices_fill_a_page(house: Owner) -> None:
    """As texts do: nobody who reads is given more than a page at once."""
    wide = QuestionData([str(number) * 60 for number in range(9)])
    house.write(*(extended(entry(ANN, BOB, "?"), wide) for _ in range(500)))
    assert len(house.read(BOB.id).rows) < 300
    assert len(house.history(HistoryQuery(user=BOB.id, of=ANN.id, limit=500)).rows) < 300
    assert len(house.feed(BOB.id)) == 500


def test_what_is_over_is_not_unread(house: Owner) -> None:
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
