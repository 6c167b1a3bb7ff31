"""The queue alone: what it submits, and what it keeps, whoever applies its batches."""

from __future__ import annotations

import pytest

from chatcli.errors import StoreError
from chatcli.store.batch import Batch
from chatcli.store.log_queue import LogQueue
from chatcli.store.records import Barrier, Probe, Prune, ReadRecord
from tests.store.people import ANN, BOB, entry

ERROR = StoreError("cannot write the log: disk full")


@pytest.fixture
def submitted() -> list[Batch]:
    """Return the list of what the queue has submitted."""
    return []


@pytest.fixture
def queue(submitted: list[Batch]) -> LogQueue:
    """Make a queue."""
    return LogQueue(submitted.append)


def say(queue: LogQueue, count: int = 1) -> None:
    """Queue messages and commit them."""
    said = [entry(ANN, BOB) for _ in range(count)]
    queue.append_messages(said, sum(message.size for message in said))
    queue.commit()


def test_batches(queue: LogQueue, submitted: list[Batch]) -> None:
    """A few messages wait for the batch before them, and many do not, up to a maximum."""
    for count in (1, 999, 1, 1000, 1000, 1000):
        say(queue, count)
    assert [len(batch.entries) for batch in submitted] == [1, 1000, 1000]
    queue.finish(submitted[0], None)
    queue.commit()
    assert [len(batch.entries) for batch in submitted] == [1, 1000, 1000, 2000]
    for batch in submitted[1:]:
        assert not queue.idle
        queue.finish(batch, None)
    assert queue.idle
    assert queue.pending_bytes == 0


def test_record_of_its_own(queue: LogQueue, submitted: list[Batch]) -> None:
    """It goes before what waits, with nothing else in its batch."""
    say(queue)
    queue.append_change(Barrier())
    queue.commit()
    prune = Prune(0, 5, 7, 9)
    assert queue.submit_alone(prune) is submitted[-1]
    assert [len(batch.entries) for batch in submitted] == [1, 0]
    assert [change.record for change in submitted[1].changes] == [prune]
    for batch in tuple(submitted):
        queue.finish(batch, None)
    queue.commit()
    assert [change.record for change in submitted[2].changes] == [Barrier()]


def test_failure(queue: LogQueue, submitted: list[Batch]) -> None:
    """Each record's outcome has the error, and a later success ends it."""
    queue.append_change(Barrier())
    queue.append_change(Barrier())
    queue.commit()
    queue.finish(submitted[0], ERROR)
    assert [change.outcome.error for change in submitted[0].changes] == [ERROR, ERROR]
    assert [queue.error] == [str(ERROR)]
    queue.commit(positions=True)
    assert [change.record for change in submitted[1].changes] == [Probe()]
    queue.finish(submitted[1], None)
    assert [queue.error] == [None]
    queue.commit(positions=True)
    assert len(submitted) == 2


def test_positions_of_a_failed_batch(queue: LogQueue, submitted: list[Batch]) -> None:
    """They are kept, unless there are newer ones."""
    for seq in (1, 2):
        queue.set_received(ANN.id, 9 - seq)
        queue.set_read(ANN.id, BOB.id, ReadRecord(ANN.id, BOB.id, seq, seq))
        queue.set_read(ANN.id, -seq, ReadRecord(ANN.id, -seq, seq, seq))
        say(queue, 1000)
    queue.finish(submitted[0], ERROR)
    queue.finish(submitted[1], None)
    queue.commit(positions=True)
    assert submitted[2].received == {ANN.id: 8}
    assert submitted[2].reads == {(ANN.id, -1): ReadRecord(ANN.id, -1, 1, 1)}


def test_rest(queue: LogQueue, submitted: list[Batch]) -> None:
    """At the end everything is submitted, but positions alone only if they can be written as far as is known."""
    queue.set_received(ANN.id, 1)
    queue.commit()
    queue.commit_rest()
    assert len(submitted) == 1
    queue.finish(submitted[0], ERROR)
    queue.commit_rest()
    assert len(submitted) == 1
