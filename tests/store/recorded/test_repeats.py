"""Tests of repetitions: what comes twice in a row changes nothing the second time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

from chatcli.store.batch import Batch, Change
from tests.store.recorded import codec, recording, runs, stream

_TOGETHER: Final = 40  # batches in a transaction: there are many


def _singles(batch: Batch) -> Iterator[Batch]:
    """Yield each message and each record of a batch as a batch of its own, and then the positions."""
    for part in batch.in_order():
        for item in [part.record] if isinstance(part, Change) else part:
            single = Batch()
            stream.put(single, item)
            yield single
    positions = Batch()
    positions.received, positions.reads = batch.received, batch.reads
    yield positions


def _split(batches: Sequence[Batch]) -> list[Batch]:
    return list(chain.from_iterable(map(_singles, batches)))


def _write(directory: Path, batches: list[Batch]) -> runs.Run:
    return runs.run(directory, batches, range(_TOGETHER, len(batches), _TOGETHER))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """Write each message and each record of the recording alone."""
    return _write(tmp_path_factory.mktemp("once") / "data", _split(recording.batches()))


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Batch], runs.Run]:
    """Write each message and each record twice."""
    firsts, seconds = (_split(recording.batches()) for _ in range(2))
    batches = list(chain.from_iterable(zip(firsts, seconds, strict=True)))
    return batches, _write(tmp_path_factory.mktemp("twice") / "data", batches)


def test_second_time_changes_nothing(once: runs.Run, twice: tuple[list[Batch], runs.Run]) -> None:
    """The database is as if all had come once, and so are the outcomes of what came first."""
    _, found = twice
    runs.assert_same(once, runs.Run(found.tables, found.outcomes[::2]))


def test_second_message_is_a_duplicate(twice: tuple[list[Batch], runs.Run]) -> None:
    """It has the place and the time of the first; one that was refused is refused again, for the same reason."""
    batches, _ = twice
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        for before, after in zip(first.entries, second.entries, strict=True):
            if before.conflict is None:
                assert (after.conflict, after.seq, after.first_at) == ("duplicate", before.seq, before.at)
            else:
                assert codec.outcomes(second) == codec.outcomes(first)


def test_second_request_is_refused_or_harmless(twice: tuple[list[Batch], runs.Run]) -> None:
    """Nothing new is made twice, and a refused record is refused again."""
    batches, _ = twice
    for first, second in zip(batches[::2], batches[1::2], strict=True):
        for before, after in zip(first.changes, second.changes, strict=True):
            made = {"UserRecord", "KeyRecord", "RoomRecord", "MemberRecord", "NameChangeRecord", "Rename"}
            assert not made & {type(fact).__name__ for fact in after.outcome.facts}
            if before.outcome.conflict is not None:
                assert after.outcome.conflict == before.outcome.conflict
