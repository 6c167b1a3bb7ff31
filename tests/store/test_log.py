"""The suite that every store must pass, over :class:`chatcli.store.interface.Log`."""

from __future__ import annotations

import random
import uuid
from itertools import pairwise

import pytest
from msgspec.structs import astuple, replace

from chatcli.errors import ChatError, StoreError
from chatcli.store.interface import State
from chatcli.store.queries import FeedPage, FeedQuery
from chatcli.store.records import (
    RELEASED,
    AddKey,
    Barrier,
    DropKey,
    DropToken,
    Found,
    KeyRecord,
    ReadRecord,
    Release,
    Ruling,
    TokenRecord,
    UseToken,
)
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, CID, LOBBY, PEOPLE, claim, entry, faulty, new_user, row

TOKEN = TokenRecord(
    digest=b"d" * 32,
    user=ANN.id,
    label="hook",
    scope="send",
    places=(BOB.id, LOBBY.id),
    created=7,
    until=9,
    key=b"k" * 32,
)


def cursors(owner: Owner) -> dict[int, int]:
    """Return the read positions of all users, as a restarted server finds them."""
    owner.reopen()
    return {user.id: user.received for user in owner.state.users}


def test_new_log(owner: Owner) -> None:
    """It has no users and no messages."""
    assert owner.state.users == []
    assert owner.log.head == 0
    assert owner.log.idle
    assert owner.log.pending_bytes == 0
    assert owner.read(ANN.id) == FeedPage([], 0)


# Order and places


def test_order_of_seqs(chat: Owner) -> None:
    """Messages get them in the order in which they were queued, within a batch and from batch to batch."""
    said = [entry(random.choice(PEOPLE), random.choice(PEOPLE)) for _ in range(350)]
    for start, end in pairwise([0, 1, 101, 350]):
        chat.write(*said[start:end])
    seqs = [entry.seq for entry in said]
    assert seqs[0] > 0
    assert all(one < other for one, other in pairwise(seqs))


def test_seqs_after_a_restart(chat: Owner) -> None:
    """They go on."""
    before, after = entry(ANN, BOB), entry(ANN, BOB)
    chat.write(before)
    chat.reopen()
    chat.write(after)
    assert after.seq > before.seq


def test_head(chat: Owner) -> None:
    """It moves when the owner gets the report of a batch, not before, and survives a restart."""
    first, second = entry(ANN, BOB), entry(BOB, ANN)
    chat.log.append_message(first)
    chat.log.append_message(second)
    chat.log.commit()
    assert chat.log.head == 0
    chat.run_until(lambda: chat.log.idle)
    assert chat.log.head == second.seq
    chat.reopen()
    assert chat.log.head == second.seq


@pytest.mark.parametrize(
    "text",
    ["x", "Grüße, 李明 👩\u200d🚀", "a\nb\r\n\tc", "\x00\x1b[31m\x00", "'; DROP TABLE messages; --", "x" * 2**20],
)
def test_texts(chat: Owner, text: str) -> None:
    """Texts of all characters and sizes are read back unchanged, also after a restart."""
    said = entry(ANN, BOB, text)
    chat.write(said)
    assert chat.read(BOB.id).rows == [row(said)]
    chat.reopen()
    assert chat.read(BOB.id).rows == [row(said)]


# Ids


def test_same_id_in_a_batch(chat: Owner) -> None:
    """The second message is a duplicate with the seq of the first."""
    first = entry(ANN, BOB, "once")
    again = entry(ANN, BOB, "twice", first.id)
    last = entry(ANN, BOB, "last")
    chat.write(first, again, last)
    assert [first.conflict, again.conflict, last.conflict] == [None, "duplicate", None]
    assert (again.seq, again.first_at) == (first.seq, first.at)
    assert again.at > first.at
    assert chat.texts(BOB.id) == ["once", "last"]


@pytest.mark.parametrize("reopened", [False, True], ids=["running on", "after a restart"])
def test_same_id_later(chat: Owner, *, reopened: bool) -> None:
    """A retry gets the seq and the time of the first try."""
    first, between = entry(ANN, BOB, "once"), entry(BOB, ANN, "between")
    chat.write(first)
    chat.write(between)
    if reopened:
        chat.reopen()
    again = entry(ANN, BOB, "once", first.id)
    chat.write(entry(CID, BOB, "news"), again)
    assert again.conflict == "duplicate"
    assert (again.seq, again.first_at) == (first.seq, first.at)
    assert again.at > first.at
    assert chat.texts(BOB.id) == ["once", "between", "news"]


def test_head_and_duplicates(chat: Owner) -> None:
    """A batch of nothing but retries does not move it."""
    first, newest = entry(ANN, BOB), entry(ANN, BOB)
    chat.write(first, newest)
    chat.write(entry(ANN, BOB, "hi", first.id))
    assert chat.log.head == newest.seq


@pytest.mark.parametrize("reopened", [False, True], ids=["running on", "after a restart"])
def test_id_of_another_sender(chat: Owner, *, reopened: bool) -> None:
    """Nothing is stored, and the other message stays as it was."""
    first = entry(ANN, BOB, "mine")
    chat.write(first)
    if reopened:
        chat.reopen()
    stolen = entry(CID, BOB, "stolen", first.id)
    honest = entry(CID, BOB, "honest")
    chat.write(stolen, honest)
    assert (first.conflict, stolen.conflict, honest.conflict) == (None, "id_taken", None)
    assert stolen.seq == stolen.first_at == 0
    assert chat.texts(BOB.id) == ["mine", "honest"]
    assert chat.texts(CID.id) == ["honest"]
    assert chat.log.head == honest.seq


def test_id_of_another_sender_in_a_batch(chat: Owner) -> None:
    """The first of two senders gets it."""
    first = entry(ANN, BOB, "mine")
    stolen = entry(CID, BOB, "stolen", first.id)
    chat.write(first, stolen)
    assert [first.conflict, stolen.conflict] == [None, "id_taken"]
    assert chat.texts(BOB.id) == ["mine"]


# Feeds


def test_feeds(chat: Owner) -> None:
    """Sender and recipient have a message in their feeds, and nobody else."""
    one, other, own = entry(ANN, BOB, "to Bob"), entry(BOB, ANN, "to Ann"), entry(ANN, ANN, "to myself")
    chat.write(one, other, own)
    assert chat.read(ANN.id).rows == [row(one), row(other), row(own)]
    assert chat.read(BOB.id).rows == [row(one), row(other)]
    assert chat.read(CID.id).rows == []
    assert chat.read(99).rows == []


def test_unread_only(chat: Owner) -> None:
    """A user's own messages are left out, unless they are to themselves."""
    chat.write(entry(ANN, BOB, "mine"), entry(BOB, ANN, "theirs"), entry(ANN, ANN, "a note"))
    assert [row.text for row in chat.read(ANN.id, unread_only=True).rows] == ["theirs", "a note"]
    assert [row.text for row in chat.read(BOB.id, unread_only=True).rows] == ["mine"]


def test_limits_of_a_page(chat: Owner) -> None:
    """It starts after ``after``, ends with ``upto``, and has the oldest ``limit`` rows in between."""
    said = [entry(ANN, BOB, str(number)) for number in range(10)]
    chat.write(*said)
    seqs = [entry.seq for entry in said]
    page = chat.read(BOB.id, after=seqs[2], upto=seqs[7], limit=3)
    assert [row.seq for row in page.rows] == seqs[3:6]
    assert page.upto == seqs[5]
    page = chat.read(BOB.id, after=seqs[5], upto=seqs[7], limit=3)
    assert [row.seq for row in page.rows] == seqs[6:8]
    assert page.upto == seqs[7]


@pytest.mark.parametrize(("after", "upto"), [(0, 0), (3, 3), (5, 2), (2**63 - 1, 2**63 - 1)])
def test_empty_page(chat: Owner, after: int, upto: int) -> None:
    """It is complete."""
    chat.write(*(entry(ANN, BOB) for _ in range(5)))
    page = chat.read(BOB.id, after, upto)
    assert (page.rows, page.damaged) == ([], 0)
    assert page.upto >= upto


@pytest.mark.parametrize("unread_only", [False, True], ids=["all", "unread"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_paging(chat: Owner, limit: int, *, unread_only: bool) -> None:
    """All feeds have exactly the messages to and from their users, in order."""
    choose = random.Random(limit)  # the same chat every time
    said = [entry(choose.choice(PEOPLE), choose.choice(PEOPLE)) for _ in range(60)]
    chat.write(*said[:25])
    chat.write(*said[25:])
    for user in PEOPLE:
        expected = [
            row(entry) for entry in said if user.id == entry.recipient or (user.id == entry.sender and not unread_only)
        ]
        assert chat.feed(user.id, limit=limit, unread_only=unread_only) == expected


# Users and cursors


def test_users(owner: Owner) -> None:
    """They survive a restart, in the order of their ids."""
    owner.add_users(BOB, ANN)
    owner.add_users(CID)
    owner.reopen()
    assert owner.state.users == [ANN, BOB, CID]


def test_user_and_messages_in_a_batch(owner: Owner) -> None:
    """A user and their first messages are written together."""
    for one in (ANN, BOB):
        owner.log.append_change(claim(one))
    batch, error = owner.write(entry(ANN, BOB, "welcome"))
    assert error is None
    assert ([change.record for change in batch.changes], len(batch.entries)) == ([claim(ANN), claim(BOB)], 1)
    assert owner.texts(BOB.id) == ["welcome"]


def test_name_that_exists(chat: Owner) -> None:
    """It is refused, and the rest of its batch is written."""
    chat.log.append_change(claim(new_user(4, "ANN", 4000)))
    batch, error = chat.write(entry(ANN, BOB, "kept"))
    assert (error, batch.changes[0].outcome.conflict, batch.changes[0].outcome.facts) == (None, "taken", [])
    assert chat.texts(BOB.id) == ["kept"]
    chat.reopen()
    assert chat.state.users == list(PEOPLE)


def test_cursor(chat: Owner) -> None:
    """It survives a restart, and belongs to its user alone."""
    chat.log.set_received(BOB.id, 5)
    chat.commit(positions=True)
    assert cursors(chat) == {ANN.id: 0, BOB.id: 5, CID.id: 0}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two batches"])
def test_cursor_moves_forward_only(chat: Owner, *, together: bool) -> None:
    """An older position does not undo a newer one."""
    chat.log.set_received(BOB.id, 7)
    if not together:
        chat.commit(positions=True)
    chat.log.set_received(BOB.id, 4)
    chat.commit(positions=True)
    assert cursors(chat)[BOB.id] == 7


def test_cursors_alone(chat: Owner) -> None:
    """They wait for something else to be written, unless the caller wants them written."""
    chat.log.set_received(BOB.id, 5)
    chat.log.commit()
    assert chat.reports == []
    batch, error = chat.commit(positions=True)
    assert error is None
    assert batch.received == {BOB.id: 5}
    assert chat.log.idle


def test_cursors_with_a_message(chat: Owner) -> None:
    """They are written with the next batch."""
    chat.log.set_received(BOB.id, 5)
    batch, _ = chat.write(entry(ANN, BOB))
    assert batch.received == {BOB.id: 5}
    assert cursors(chat)[BOB.id] == 5


# Group commit


def test_nothing_before_commit(chat: Owner) -> None:
    """The queue waits."""
    chat.log.append_message(entry(ANN, BOB, "queued"))
    assert not chat.log.idle
    assert chat.read(BOB.id, upto=2**62).rows == []
    chat.commit()
    assert chat.texts(BOB.id) == ["queued"]


def test_empty_commit(chat: Owner) -> None:
    """It makes no batch."""
    chat.log.commit()
    chat.log.commit(positions=True)
    assert chat.log.idle
    chat.write(entry(ANN, BOB))
    assert len(chat.reports) == 1


def test_one_batch_for_all_that_waits(chat: Owner) -> None:
    """While a batch is being written all others wait, then go together, in order."""
    said = [entry(ANN, BOB, str(number)) for number in range(5)]
    for message in said:
        chat.log.append_message(message)
        chat.log.commit()
    assert not chat.log.idle
    chat.run_until(lambda: chat.log.idle)
    assert [batch.entries for batch, _ in chat.reports] == [said[:1], said[1:]]
    assert chat.texts(BOB.id) == ["0", "1", "2", "3", "4"]


def test_large_batches(chat: Owner) -> None:
    """They go to the writer while it writes, up to a maximum; the owner gets the reports in order."""
    said = [entry(ANN, BOB, str(number)) for number in range(5001)]
    for start, end in ((0, 1), (1, 1001), (1001, 2001), (2001, 3001), (3001, 4001), (4001, 5001)):
        for message in said[start:end]:
            chat.log.append_message(message)
        chat.log.commit()
    chat.run_until(lambda: chat.log.idle)
    assert [len(batch.entries) for batch, _ in chat.reports] == [1, 1000, 1000, 3000]
    assert [message.seq for message in said] == list(range(1, 5002))


def test_entries_of_a_batch(chat: Owner) -> None:
    """The owner gets its own objects back, with their origins."""
    said = entry(ANN, BOB)
    said.origin = object()
    batch, error = chat.write(said)
    assert error is None
    assert len(batch.entries) == 1
    assert batch.entries[0] is said


def test_pending_bytes(chat: Owner) -> None:
    """They count until the owner gets the report."""
    chat.log.append_message(entry(ANN, BOB, "x" * 5000))
    once = chat.log.pending_bytes
    assert once >= 5000
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB, "x" * 5000))
    assert chat.log.pending_bytes >= once + 5000
    chat.run_until(lambda: chat.log.idle)
    assert chat.log.pending_bytes == 0


def test_reports(chat: Owner) -> None:
    """There is one for each batch, in order."""
    said = [entry(ANN, BOB) for _ in range(4)]
    for message in said:
        chat.write(message)
    assert [batch.entries for batch, _ in chat.reports] == [[message] for message in said]


# Closing


def test_close(chat: Owner) -> None:
    """The queue is written: messages, users and cursors."""
    dan = new_user(4, "Dan", 4000)
    chat.log.append_change(claim(dan))
    chat.log.append_message(entry(ANN, dan, "queued"))
    chat.log.set_received(BOB.id, 5)
    chat.reopen()
    assert chat.texts(dan.id) == ["queued"]
    assert [user.received for user in chat.state.users] == [0, 5, 0, 0]


def test_close_with_cursors(chat: Owner) -> None:
    """They are written, even alone."""
    chat.log.set_received(CID.id, 3)
    assert cursors(chat)[CID.id] == 3


def test_close_while_writing(chat: Owner) -> None:
    """The queue follows the batch that is being written."""
    chat.log.append_message(entry(ANN, BOB, "first"))
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB, "second"))
    chat.reopen()
    assert chat.texts(BOB.id) == ["first", "second"]


def test_reports_after_close(chat: Owner) -> None:
    """The owner still gets those of the last batches."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB))
    chat.log.close()
    chat.run_until(lambda: len(chat.reports) == 2)
    assert [error for _, error in chat.reports] == [None, None]
    assert chat.log.head == chat.reports[1].batch.entries[0].seq


def test_close_twice(chat: Owner, store: OpenLog) -> None:
    """It is harmless, and the log may be opened again."""
    chat.write(entry(ANN, BOB, "kept"))
    chat.log.close()
    chat.log.close()
    other = Owner(store)
    assert other.texts(BOB.id) == ["kept"]
    other.log.close()


def test_many_retries(chat: Owner) -> None:
    """All get their seqs again, whatever the size of the batch."""
    said = [entry(ANN, BOB, id=uuid.UUID(int=number).bytes) for number in range(450)]
    chat.write(*said)
    again = [entry(ANN, BOB, id=message.id) for message in said]
    fresh = entry(ANN, BOB, "fresh")
    chat.write(*again[:225], fresh, *again[225:])
    assert [message.seq for message in again] == [message.seq for message in said]
    assert {message.conflict for message in again} == {"duplicate"}
    assert fresh.conflict is None
    assert len(chat.read(BOB.id).rows) == 451


def test_cursors_wanted_while_writing(chat: Owner) -> None:
    """They are written next, and the log is idle then."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.commit()
    chat.log.set_received(BOB.id, 5)
    chat.log.commit(positions=True)
    chat.run_until(lambda: len(chat.reports) == 2)
    assert chat.reports[1].batch.received == {BOB.id: 5}
    assert chat.log.idle


def test_idle_after_close(chat: Owner) -> None:
    """Nothing waits."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.close()
    chat.run_until(lambda: bool(chat.reports))
    assert chat.log.idle


def test_reads_of_a_closing_log(chat: Owner, caplog: pytest.LogCaptureFixture) -> None:
    """Each gets a result or an error."""
    chat.write(*(entry(ANN, BOB, "x" * 2000) for _ in range(1000)))
    answers: list[FeedPage | ChatError | None] = []
    query = FeedQuery(user=BOB.id, after=0, upto=2**60, limit=10_000)
    for _ in range(20):
        chat.log.read(query, lambda page, error: answers.append(page or error))
    chat.log.close()
    chat.log.read(query, lambda page, error: answers.append(page or error))
    chat.run_until(lambda: len(answers) == 21)
    assert isinstance(answers[-1], StoreError)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_keys(chat: Owner) -> None:
    """They survive a restart, each once; a dropped one does not."""
    one, two = KeyRecord(BOB.id, b"1" * 32, 10), KeyRecord(BOB.id, b"2" * 32, 5)
    for record in (one, two, one, KeyRecord(ANN.id, one.key, 7)):
        chat.log.append_change(AddKey(key=record, voucher="device"))
    chat.log.append_change(DropKey(BOB.id, two.key))
    chat.commit()
    chat.reopen()
    assert chat.state.keys == [KeyRecord(ANN.id, one.key, 7), one]


def test_rulings(chat: Owner) -> None:
    """There is one for each kind and subject, the last."""
    for record in (
        Ruling("ban", "eve", "1"),
        Ruling("ban", "eve", "2"),
        Ruling("mute", "eve", "3"),
        Ruling("mute", "eve", None),
    ):
        chat.log.append_change(record)
    chat.commit()
    chat.reopen()
    assert chat.state.rulings == [Ruling("ban", "eve", "2")]


def test_released_name(chat: Owner) -> None:
    """A new user of the name does not get the messages of the former one."""
    chat.write(entry(ANN, BOB, "for the first bob"))
    newcomer = new_user(4, "Bob", 4000)
    chat.write_all(Release(BOB.id, BOB.key, "Bob (released 2)", "operator", 3000), claim(newcomer))
    chat.reopen()
    assert chat.state.users[1:] == [
        replace(BOB, name="Bob (released 2)", key=f"{RELEASED}2", look=""),
        CID,
        replace(newcomer, received=2, read=2, public_read=2),
    ]
    assert chat.read(newcomer.id).rows == []
    assert len(chat.read(BOB.id).rows) == 1


def test_changes_in_reports(chat: Owner) -> None:
    """Each comes back with its batch, or with the error."""
    batch, error = chat.commit_change(Ruling("ban", "eve", "1"))
    assert error is None
    assert [change.record for change in batch.changes] == [Ruling("ban", "eve", "1")]
    chat.log.append_change(Ruling("ban", "eve", "2"))
    batch, error = chat.write(faulty())
    assert isinstance(error, StoreError)
    assert batch.changes[0].outcome.error is error
    assert not batch.changes[0].outcome.accepted


def test_load(chat: Owner) -> None:
    """The log keeps no copy of its state."""
    chat.write_all(
        AddKey(key=KeyRecord(ANN.id, TOKEN.key, 7), voucher="none"),
        Ruling("ban", "eve", "{}"),
        Found(LOBBY, ANN.id),
        Release(CID.id, CID.key, "cid (released 3)", "operator", 1),
        TOKEN,
    )
    chat.write(entry(ANN, BOB))
    chat.log.set_read(BOB.id, ANN.id, ReadRecord(BOB.id, ANN.id, 1, 1))
    chat.commit(positions=True)
    chat.reopen()
    assert all(astuple(chat.state))
    assert chat.log.load() == State()


def test_tokens(chat: Owner) -> None:
    """One is there after a restart with the day of its last use, and gone when it was dropped."""
    chat.write_all(AddKey(key=KeyRecord(ANN.id, TOKEN.key, 7), voucher="none"))
    everywhere = replace(TOKEN, digest=b"e" * 32, places=None, until=None, created=8)
    chat.write_all(TOKEN, everywhere, UseToken(everywhere.digest, 86_400_000))
    chat.reopen()
    assert chat.state.tokens == [TOKEN, replace(everywhere, used=86_400_000)]
    chat.write_all(DropToken(TOKEN.digest))
    chat.reopen()
    assert chat.state.tokens == [replace(everywhere, used=86_400_000)]


def test_token_of_nobody(chat: Owner) -> None:
    """Its user may have been refused."""
    assert chat.conflict(replace(TOKEN, user=99)) == "missing"
    chat.reopen()
    assert chat.state.tokens == []


def test_barrier(chat: Owner) -> None:
    """It is reported in its place; alone, it makes a batch."""
    report = chat.write_all(entry(ANN, BOB), Barrier(), entry(ANN, BOB))
    assert (report.error, report.batch.changes[0].preceding) == (None, 1)
    alone = chat.commit_change(Barrier())
    assert (alone.error, [change.record for change in alone.batch.changes]) == (None, [Barrier()])
    assert len(chat.texts(BOB.id)) == 2
