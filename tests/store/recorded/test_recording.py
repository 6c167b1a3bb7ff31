"""Tests of the recording: the log decides today as it did when it was recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, get_args

import pytest

from chatcli.store.batch import Batch, Conflict
from chatcli.store.records import Fact, Record
from tests.reference import ROOT
from tests.store.recorded import codec, recording, runs, stream

#: No stream of handlers can bring these about: they take a file that is damaged, or a value that no handler lets pass.
_BEYOND: Final = {"damaged", "invalid"}
_MOST_BYTES: Final = 300_000


@pytest.fixture
def written(data: Path) -> list[Batch]:
    """Return the recorded batches with their outcomes."""
    batches = recording.batches()
    runs.run(data, batches, range(len(batches)))
    return batches


def test_log_decides_as_recorded(data: Path) -> None:
    """A difference means that the rules have changed, see the recording's module for what to do then."""
    batches = recording.batches()
    runs.assert_as_recorded(runs.run(data, batches, range(len(batches))))


def test_recording_has_every_kind_of_record(written: list[Batch]) -> None:
    """Each is accepted, and each that can be refused is, too."""
    changes = [change for batch in written for change in batch.changes]
    assert {type(change.record) for change in changes} == set(get_args(Record))
    assert {type(change.record) for change in changes if change.outcome.accepted} == set(get_args(Record))


def test_recording_has_every_kind_of_fact(written: list[Batch]) -> None:
    """So a rule that gives another fact is noticed."""
    facts = {type(fact) for batch in written for change in batch.changes for fact in change.outcome.facts}
    assert facts == set(get_args(Fact))


def test_recording_has_every_conflict(written: list[Batch]) -> None:
    """Records and messages are refused for each reason."""
    found = {change.outcome.conflict for batch in written for change in batch.changes}
    found |= {entry.conflict for batch in written for entry in batch.entries}
    assert found - {None} == set(get_args(Conflict)) - _BEYOND


def test_recording_has_positions_and_deletions(written: list[Batch]) -> None:
    """Positions come and go, and messages that were deleted are sent again."""
    assert any(batch.received for batch in written)
    assert any(position is None for batch in written for position in batch.reads.values())
    deleted = [entry for batch in written for entry in batch.entries if entry.conflict == "duplicate"]
    assert any(entry.first_at != entry.at for entry in deleted)


def test_stream_depends_on_the_seed_alone() -> None:
    """It is the same in every process, whatever the order of its sets."""
    program = "import sys; from tests.store.recorded import codec, stream; "
    program += "sys.stdout.buffer.write(codec.pack(stream.make(7, 40)))"
    environment = {**os.environ, "PYTHONHASHSEED": "9"}
    command = [sys.executable, "-c", program]
    made = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert made.stdout == codec.pack(stream.make(7, 40))
    assert made.stdout != codec.pack(stream.make(8, 40))


def test_packed_batches_are_as_before() -> None:
    """Nothing gets lost in the file, which is small enough for a repository."""
    packed = codec.pack(stream.make(3, 60))
    assert codec.pack(codec.unpack(packed)) == packed
    assert len(codec.pack(recording.batches())) < _MOST_BYTES
