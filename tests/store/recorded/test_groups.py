"""Tests that neither transactions nor restarts matter: the outcomes of a stream depend on its order alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import ROOT
from tests.store.recorded import codec, recording, runs, stream
from tests.store.recorded.recording import BATCHES

_SHORT: Final = 20  # batches of another stream

_seeds: Final = st.integers(0, 2**32)
_ends: Final = st.sets(st.integers(1, _SHORT - 1))


@pytest.mark.parametrize("size", [2, 7, BATCHES])
def test_recording_in_groups(data: Path, size: int) -> None:
    """It does not matter how many batches a transaction has."""
    runs.assert_as_recorded(runs.run(data, recording.batches(), range(size, BATCHES, size)))


@settings(max_examples=5, deadline=None, derandomize=True)
@given(ends=st.sets(st.integers(1, BATCHES - 1)))
def test_recording_in_any_groups(ends: set[int]) -> None:
    """Nor whether all have the same number."""
    with TemporaryDirectory() as directory:
        runs.assert_as_recorded(runs.run(Path(directory, "data"), recording.batches(), ends))


@pytest.mark.parametrize(("size", "every"), [(1, 3), (1, 50), (4, 1)])
def test_recording_with_restarts(data: Path, size: int, every: int) -> None:
    """A process that begins at some batch knows all that it needs."""
    ends, reopen = range(size, BATCHES, size), range(every, BATCHES, every)
    runs.assert_as_recorded(runs.run(data, recording.batches(), ends, reopen))


def test_recording_in_another_process(data: Path) -> None:
    """Half of it is written by a process with other hashes, of which nothing comes back but the database."""
    half = BATCHES // 2
    with runs.opened(data) as database:
        runs.write(database.writer, recording.batches()[:half], range(half))
    command = [sys.executable, "-m", "tests.store.recorded.runs", str(data), str(half)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "12345"}, check=True)
    assert runs.finished(data, []).tables == recording.digests().tables


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=_seeds, ends=_ends, reopen=_ends)
def test_any_stream_in_any_groups(seed: int, ends: set[int], reopen: set[int]) -> None:
    """Other streams come out the same as well, one batch at a time or not, and with restarts."""
    made = codec.pack(stream.make(seed, _SHORT))
    with TemporaryDirectory() as directory:
        alone = runs.run(Path(directory, "alone"), codec.unpack(made), range(_SHORT))
        together = runs.run(Path(directory, "together"), codec.unpack(made), (), reopen)
        cut = runs.run(Path(directory, "cut"), codec.unpack(made), ends, reopen)
    runs.assert_same(alone, together)
    runs.assert_same(alone, cut)
