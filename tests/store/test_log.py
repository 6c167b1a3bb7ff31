"""What every store must do: the suite over :class:`chatcli.store.interface.Log`."""

from __future__ import annotations

import random
import uuid
from itertools import pairwise

import pytest
from msgspec.structs import astuple, replace

from chatcli.errors import ChatError, StoreError
from chatcli.store.interface import State
from chatcli.store.queries import FeedPage, FeedQuery
from chatcli.store.records import Barrier, DropKey, Enter, KeyRecord, Rename, Ruling, UserRecord
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, CID, LOBBY, PEOPLE, entry, row


def cursors(owner: Owner) -> dict[int, int]:
    """Return how far everyone has read, as a new start of the server finds it."""
    owner.reopen()
    return {user.id: user.cursor for user in owner.state.users}


def test_a_new_log_is_empty(owner: Owner) -> None:
    """Where nothing was ever written there is nobody and nothing."""
    assert owner.state.users == []
    assert owner.log.head == 0
    assert owner.log.idle
    assert owner.log.pending_bytes == 0
    assert owner.read(ANN.id) == FeedPage([], 0)


# Order and places


def test_seqs_increase_in_the_order_queued(chat: Owner) -> None:
    """Messages get their places in the order in which they were queued, within a batch and from batch to batch."""
    said = [entry(random.choice(PEOPLE), random.choice(PEOPLE)) for _ in range(350)]
    for start, end in pairwise([0, 1, 101, 350]):
        chat.write(*said[start:end])
    seqs = [entry.seq for entry in said]
    assert seqs[0] > 0
    assert all(one < other for one, other in pairwise(seqs))


def test_seqs_go_on_after_a_new_start(chat: Owner) -> None:
    """A message after a restart comes behind all messages before it."""
    before, after = entry(ANN, BOB), entry(ANN, BOB)
    chat.write(before)
    chat.reopen()
    chat.write(after)
    assert after.seq > before.seq


def test_the_head_is_the_newest_message_told_of(chat: Owner) -> None:
    """The head moves when the owner is told of a batch, not before, and is found again after a restart."""
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
def test_a_message_is_read_back_as_it_was_said(chat: Owner, text: str) -> None:
    """Every text, whatever its characters and size, comes back as it went in, also after a restart."""
    said = entry(ANN, BOB, text)
    chat.write(said)
    assert chat.read(BOB.id).rows == [row(said)]
    chat.reopen()
    assert chat.read(BOB.id).rows == [row(said)]


# Ids


def test_an_id_said_twice_in_a_batch_is_taken_once(chat: Owner) -> None:
    """Of two messages with one id in the same batch the second is a duplicate with the place of the first."""
    first = entry(ANN, BOB, "once")
    again = entry(ANN, BOB, "twice", first.id)
    last = entry(ANN, BOB, "last")
    chat.write(first, again, last)
    assert [first.duplicate, again.duplicate, last.duplicate] == [False, True, False]
    assert (again.seq, again.at) == (first.seq, first.at)
    assert not again.refused
    assert chat.texts(BOB.id) == ["once", "last"]


@pytest.mark.parametrize("reopened", [False, True], ids=["running on", "after a restart"])
def test_an_id_said_again_later_is_taken_once(chat: Owner, *, reopened: bool) -> None:
    """A retry gets the place and the time of the first try, however much later it comes."""
    first, between = entry(ANN, BOB, "once"), entry(BOB, ANN, "between")
    chat.write(first)
    chat.write(between)
    if reopened:
        chat.reopen()
    again = entry(ANN, BOB, "once", first.id)
    chat.write(entry(CID, BOB, "news"), again)
    assert again.duplicate
    assert not again.refused
    assert (again.seq, again.at) == (first.seq, first.at)
    assert chat.texts(BOB.id) == ["once", "between", "news"]


def test_a_duplicate_does_not_move_the_head(chat: Owner) -> None:
    """A batch of nothing but retries leaves the head where it is."""
    first, newest = entry(ANN, BOB), entry(ANN, BOB)
    chat.write(first, newest)
    chat.write(entry(ANN, BOB, "hi", first.id))
    assert chat.log.head == newest.seq


@pytest.mark.parametrize("reopened", [False, True], ids=["running on", "after a restart"])
def test_someone_elses_id_is_refused(chat: Owner, *, reopened: bool) -> None:
    """Whoever uses the id of another's message stores nothing, and the other's message is not touched."""
    first = entry(ANN, BOB, "mine")
    chat.write(first)
    if reopened:
        chat.reopen()
    stolen = entry(CID, BOB, "stolen", first.id)
    honest = entry(CID, BOB, "honest")
    chat.write(stolen, honest)
    assert stolen.refused
    assert not first.refused
    assert not honest.refused
    assert chat.texts(BOB.id) == ["mine", "honest"]
    assert chat.texts(CID.id) == ["honest"]
    assert chat.log.head == honest.seq


def test_someone_elses_id_is_refused_within_a_batch(chat: Owner) -> None:
    """Of two people with one id in the same batch, the first gets it."""
    first = entry(ANN, BOB, "mine")
    stolen = entry(CID, BOB, "stolen", first.id)
    chat.write(first, stolen)
    assert [first.refused, stolen.refused] == [False, True]
    assert chat.texts(BOB.id) == ["mine"]


# Feeds


def test_a_feed_holds_what_was_said_to_and_by_someone(chat: Owner) -> None:
    """Both ends of a message have it in their feed, and nobody else has."""
    one, other, own = entry(ANN, BOB, "to Bob"), entry(BOB, ANN, "to Ann"), entry(ANN, ANN, "to myself")
    chat.write(one, other, own)
    assert chat.read(ANN.id).rows == [row(one), row(other), row(own)]
    assert chat.read(BOB.id).rows == [row(one), row(other)]
    assert chat.read(CID.id).rows == []
    assert chat.read(99).rows == []


def test_unread_leaves_out_what_one_said_to_others(chat: Owner) -> None:
    """What one said oneself is not news, unless one said it to oneself."""
    chat.write(entry(ANN, BOB, "mine"), entry(BOB, ANN, "theirs"), entry(ANN, ANN, "a note"))
    assert [row.text for row in chat.read(ANN.id, unread_only=True).rows] == ["theirs", "a note"]
    assert [row.text for row in chat.read(BOB.id, unread_only=True).rows] == ["mine"]


def test_a_page_has_as_many_rows_as_asked_for(chat: Owner) -> None:
    """A page begins behind ``after``, ends with ``upto``, and holds the oldest ``limit`` rows in between."""
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
def test_an_empty_stretch_is_complete(chat: Owner, after: int, upto: int) -> None:
    """Where nothing lies between, the page is empty and complete."""
    chat.write(*(entry(ANN, BOB) for _ in range(5)))
    page = chat.read(BOB.id, after, upto)
    assert (page.rows, page.damaged) == ([], 0)
    assert page.upto >= upto


@pytest.mark.parametrize("unread_only", [False, True], ids=["all", "unread"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_paging_reads_each_message_once_in_order(chat: Owner, limit: int, *, unread_only: bool) -> None:
    """Page by page, everyone's feed is exactly what was said by and to them, in the order of the log."""
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


def test_users_survive(owner: Owner) -> None:
    """Everyone who has been here is known after a restart, the longest known first."""
    owner.add_users(BOB, ANN)
    owner.add_users(CID)
    owner.reopen()
    assert owner.state.users == [ANN, BOB, CID]


def test_messages_may_be_queued_right_behind_a_user(owner: Owner) -> None:
    """A user and what is said to and by them go into the log together."""
    for user in (ANN, BOB):
        owner.log.append_change(user)
    batch, error = owner.write(entry(ANN, BOB, "welcome"))
    assert error is None
    assert ([change.record for change in batch.changes], len(batch.entries)) == ([ANN, BOB], 1)
    assert owner.texts(BOB.id) == ["welcome"]


def test_a_name_taken_twice_spoils_the_batch_and_nothing_else(chat: Owner) -> None:
    """A second user with a known key is an error for the whole batch; the log goes on."""
    chat.log.append_change(UserRecord(id=4, name="ANN", key=ANN.key, created=4000, cursor=0))
    _, error = chat.write(entry(ANN, BOB, "lost"))
    assert error is not None
    _, error = chat.write(entry(ANN, BOB, "kept"))
    assert error is None
    assert chat.texts(BOB.id) == ["kept"]
    chat.reopen()
    assert chat.state.users == list(PEOPLE)


def test_a_cursor_survives(chat: Owner) -> None:
    """How far someone has read is known after a restart, and belongs to them alone."""
    chat.log.move_cursor(BOB.id, 5)
    chat.commit(cursors=True)
    assert cursors(chat) == {ANN.id: 0, BOB.id: 5, CID.id: 0}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in two batches"])
def test_a_cursor_only_moves_forward(chat: Owner, *, together: bool) -> None:
    """An older position does not undo a newer one."""
    chat.log.move_cursor(BOB.id, 7)
    if not together:
        chat.commit(cursors=True)
    chat.log.move_cursor(BOB.id, 4)
    chat.commit(cursors=True)
    assert cursors(chat)[BOB.id] == 7


def test_cursors_alone_are_not_worth_a_commit(chat: Owner) -> None:
    """Cursors wait for something else to be written, unless they are asked for by name."""
    chat.log.move_cursor(BOB.id, 5)
    chat.log.commit()
    assert chat.told == []
    batch, error = chat.commit(cursors=True)
    assert error is None
    assert batch.cursors == {BOB.id: 5}
    assert chat.log.idle


def test_cursors_travel_with_the_next_message(chat: Owner) -> None:
    """A cursor that waits is written along with the next batch."""
    chat.log.move_cursor(BOB.id, 5)
    batch, _ = chat.write(entry(ANN, BOB))
    assert batch.cursors == {BOB.id: 5}
    assert cursors(chat)[BOB.id] == 5


# Group commit


def test_nothing_is_written_before_commit(chat: Owner) -> None:
    """What is queued waits for ``commit``."""
    chat.log.append_message(entry(ANN, BOB, "queued"))
    assert not chat.log.idle
    assert chat.read(BOB.id, upto=2**62).rows == []
    chat.commit()
    assert chat.texts(BOB.id) == ["queued"]


def test_a_commit_of_nothing_is_nothing(chat: Owner) -> None:
    """Where nothing waits no batch is made."""
    chat.log.commit()
    chat.log.commit(cursors=True)
    assert chat.log.idle
    chat.write(entry(ANN, BOB))
    assert len(chat.told) == 1


def test_what_waits_goes_in_one_batch(chat: Owner) -> None:
    """While one batch is being written all others wait, then go together, in order, without another ``commit``."""
    said = [entry(ANN, BOB, str(number)) for number in range(5)]
    for message in said:
        chat.log.append_message(message)
        chat.log.commit()
    assert not chat.log.idle
    chat.run_until(lambda: chat.log.idle)
    assert [batch.entries for batch, _ in chat.told] == [said[:1], said[1:]]
    assert chat.texts(BOB.id) == ["0", "1", "2", "3", "4"]


def test_a_batch_by_itself_does_not_wait(chat: Owner) -> None:
    """What is many goes to the writer while it writes, up to a few batches; the owner is told of them in order."""
    said = [entry(ANN, BOB, str(number)) for number in range(5001)]
    for start, end in ((0, 1), (1, 1001), (1001, 2001), (2001, 3001), (3001, 4001), (4001, 5001)):
        for message in said[start:end]:
            chat.log.append_message(message)
        chat.log.commit()
    chat.run_until(lambda: chat.log.idle)
    assert [len(batch.entries) for batch, _ in chat.told] == [1, 1000, 1000, 3000]
    assert [message.seq for message in said] == list(range(1, 5002))


def test_a_batch_holds_what_was_queued(chat: Owner) -> None:
    """The owner gets back the very entries that it queued, with its own mark on them."""
    said = entry(ANN, BOB)
    said.origin = object()
    batch, error = chat.write(said)
    assert error is None
    assert len(batch.entries) == 1
    assert batch.entries[0] is said


def test_pending_bytes_grow_and_shrink(chat: Owner) -> None:
    """What waits is measured until the owner is told of it."""
    chat.log.append_message(entry(ANN, BOB, "x" * 5000))
    once = chat.log.pending_bytes
    assert once >= 5000
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB, "x" * 5000))
    assert chat.log.pending_bytes >= once + 5000
    chat.run_until(lambda: chat.log.idle)
    assert chat.log.pending_bytes == 0


def test_a_batch_is_told_once(chat: Owner) -> None:
    """Each batch is told of once, in the order in which it was written."""
    said = [entry(ANN, BOB) for _ in range(4)]
    for message in said:
        chat.write(message)
    assert [batch.entries for batch, _ in chat.told] == [[message] for message in said]


# Closing


def test_close_writes_what_is_queued(chat: Owner) -> None:
    """What was queued and never committed is there after a restart: messages, users and cursors."""
    dan = UserRecord(id=4, name="Dan", key="dan", created=4000, cursor=0)
    chat.log.append_change(dan)
    chat.log.append_message(entry(ANN, dan, "queued"))
    chat.log.move_cursor(BOB.id, 5)
    chat.reopen()
    assert chat.texts(dan.id) == ["queued"]
    assert [user.cursor for user in chat.state.users] == [0, 5, 0, 0]


def test_close_writes_cursors_alone(chat: Owner) -> None:
    """A cursor that nothing else took along is written at the end."""
    chat.log.move_cursor(CID.id, 3)
    assert cursors(chat)[CID.id] == 3


def test_close_writes_behind_the_batch_that_is_being_written(chat: Owner) -> None:
    """What waits for the batch before it is not forgotten when the log is closed."""
    chat.log.append_message(entry(ANN, BOB, "first"))
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB, "second"))
    chat.reopen()
    assert chat.texts(BOB.id) == ["first", "second"]


def test_the_last_batches_are_told_of_after_close(chat: Owner) -> None:
    """Whoever closes the log still learns what became of the last messages."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.commit()
    chat.log.append_message(entry(ANN, BOB))
    chat.log.close()
    chat.run_until(lambda: len(chat.told) == 2)
    assert [error for _, error in chat.told] == [None, None]
    assert chat.log.head == chat.told[1].batch.entries[0].seq


def test_close_may_be_repeated(chat: Owner, store: OpenLog) -> None:
    """To close twice is to close once, and the log may then be opened by another."""
    chat.write(entry(ANN, BOB, "kept"))
    chat.log.close()
    chat.log.close()
    other = Owner(store)
    assert other.texts(BOB.id) == ["kept"]
    other.log.close()


def test_many_ids_are_found_again(chat: Owner) -> None:
    """A client that repeats everything after a reconnect gets every place again, whatever the size of the batch."""
    said = [entry(ANN, BOB, id=uuid.UUID(int=number).bytes) for number in range(450)]
    chat.write(*said)
    again = [entry(ANN, BOB, id=message.id) for message in said]
    fresh = entry(ANN, BOB, "fresh")
    chat.write(*again[:225], fresh, *again[225:])
    assert [message.seq for message in again] == [message.seq for message in said]
    assert all(message.duplicate for message in again)
    assert not fresh.duplicate
    assert len(chat.read(BOB.id).rows) == 451


def test_cursors_wanted_while_a_batch_is_written_follow_it(chat: Owner) -> None:
    """Asked for cursors in the middle of a write, the log writes them next, and is idle then."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.commit()
    chat.log.move_cursor(BOB.id, 5)
    chat.log.commit(cursors=True)
    chat.run_until(lambda: len(chat.told) == 2)
    assert chat.told[1].batch.cursors == {BOB.id: 5}
    assert chat.log.idle


def test_a_closed_log_is_idle(chat: Owner) -> None:
    """After what waited at the close is written, nothing waits."""
    chat.log.append_message(entry(ANN, BOB))
    chat.log.close()
    chat.run_until(lambda: bool(chat.told))
    assert chat.log.idle


def test_whoever_reads_from_a_closing_log_is_told(chat: Owner, caplog: pytest.LogCaptureFixture) -> None:
    """Every read is answered, with a page or with the reason why there is none."""
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


def test_keys_belong_to_users_until_they_are_dropped(chat: Owner) -> None:
    """Keys survive a restart, each once; a dropped one does not."""
    one, two = KeyRecord(BOB.id, b"1" * 32, 10), KeyRecord(BOB.id, b"2" * 32, 5)
    for record in (one, two, one, DropKey(BOB.id, two.key), KeyRecord(ANN.id, one.key, 7)):
        chat.log.append_change(record)
    chat.commit()
    chat.reopen()
    assert chat.state.keys == [KeyRecord(ANN.id, one.key, 7), one]


def test_rulings_replace_each_other_and_are_taken_back(chat: Owner) -> None:
    """Of each kind there is one ruling on a subject, the last."""
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


def test_a_released_name_is_free_and_what_was_said_under_it_stays_where_it_was(chat: Owner) -> None:
    """Someone new under an old name does not get what was said to the one before."""
    chat.write(entry(ANN, BOB, "for the first bob"))
    chat.log.append_change(Rename(BOB.id, "Bob (released)", "\0released 2"))
    newcomer = UserRecord(id=4, name="Bob", key="bob", created=4000, cursor=0)
    chat.log.append_change(newcomer)
    chat.commit()
    chat.reopen()
    assert chat.state.users[1:] == [replace(BOB, name="Bob (released)", key="\0released 2"), CID, newcomer]
    assert chat.read(newcomer.id).rows == []
    assert len(chat.read(BOB.id).rows) == 1


def test_whoever_changed_something_is_told_when_it_is_there_or_why_not(chat: Owner) -> None:
    """Each change comes back with its batch, with the error where nothing was stored."""
    batch, error = chat.commit_change(Ruling("ban", "eve", "1"))
    assert error is None
    assert [change.record for change in batch.changes] == [Ruling("ban", "eve", "1")]
    _, error = chat.commit_change(UserRecord(id=9, name="Ann", key=ANN.key, created=1, cursor=0))
    assert isinstance(error, StoreError)


def test_what_was_there_is_handed_over_once(chat: Owner) -> None:
    """The log keeps no copy of what its owner holds."""
    chat.write_all(KeyRecord(ANN.id, bytes(32), 7), Ruling("ban", "eve", "{}"), LOBBY, Enter(ANN.id, LOBBY.id))
    chat.reopen()
    assert all(astuple(chat.state))
    assert chat.log.load() == State()


def test_a_barrier_takes_its_place_and_does_nothing(chat: Owner) -> None:
    """The owner is told of it with its batch; alone, it makes a batch."""
    told = chat.write_all(entry(ANN, BOB), Barrier(), entry(ANN, BOB))
    assert (told.error, told.batch.changes[0].preceding) == (None, 1)
    alone = chat.commit_change(Barrier())
    assert (alone.error, [change.record for change in alone.batch.changes]) == (None, [Barrier()])
    assert len(chat.texts(BOB.id)) == 2
