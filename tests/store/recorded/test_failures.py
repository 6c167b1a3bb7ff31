"""Tests that a transaction that fails leaves no trace: it is written again, and all is as if it had not failed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from chatcli.store.batch import Batch
from chatcli.store.records import Lookup
from chatcli.store.writing.writer import Writer
from tests.reference import ROOT
from tests.store.recorded import recording, runs
from tests.store.recorded.failing import FailingConnection, fail, opened_to_fail

_SIZES: Final = (1, 1, 2)  # of transactions, in turn


def _ends(batches: Sequence[Batch]) -> list[int]:
    ends = [0]
    while ends[-1] < len(batches):
        ends.append(ends[-1] + _SIZES[len(ends) % len(_SIZES)])
    return ends


def _assert_forgotten(batches: Sequence[Batch]) -> None:
    """Check that batches are as before they were written."""
    for batch in batches:
        assert batch.newest == 0
        for change in batch.changes:
            assert (change.outcome.conflict, change.outcome.facts) == (None, [])
            if isinstance(change.record, Lookup):
                assert (change.record.sender, change.record.seq, change.record.at) == (0, 0, 0)
        for entry in batch.entries:
            assert (entry.seq, entry.conflict, entry.first_at, entry.prior_answer) == (0, None, 0, None)


def _write_at_last(writer: Writer, batches: Sequence[Batch], arm: Callable[[int], None]) -> int:
    """Write batches again and again, failing later each time, until they are written; return how often that failed."""
    failures = 0
    while True:
        arm(failures + 1)
        try:
            writer.write_all(batches)
        except sqlite3.OperationalError:
            _assert_forgotten(batches)
            failures += 1
        else:
            return failures


def _fail_everywhere(data: Path, arm: Callable[[FailingConnection, int], None]) -> None:
    """Write the recording with a failure at each place that ``arm`` can reach, and check that it comes out the same."""
    batches = recording.batches()
    with runs.opened(data):
        pass
    failures = 0
    with opened_to_fail(data) as (connection, writer):
        for group in runs.grouped(batches, _ends(batches)):
            failures += _write_at_last(writer, group, partial(arm, connection))
    runs.assert_as_recorded(runs.finished(data, batches))
    assert failures


def test_failure_of_each_statement(data: Path) -> None:
    """Each statement of each transaction fails once, BEGIN and COMMIT too."""
    _fail_everywhere(data, lambda connection, number: connection.arm(fail, statement=number))


def test_failure_of_all_statements(data: Path) -> None:
    """At some statement the disk is gone: not even a ROLLBACK succeeds."""

    def arm(connection: FailingConnection, number: int) -> None:
        connection.lasting = True
        connection.arm(fail, statement=3 * number - 2)

    _fail_everywhere(data, arm)


def test_interruption_of_statements(data: Path) -> None:
    """Statements are interrupted halfway, so that SQLite rolls back by itself."""
    _fail_everywhere(data, lambda connection, number: connection.arm(fail, step=2 * number - 1))


def test_killed_processes(tmp_path: Path) -> None:
    """Processes that write the recording are killed, and others go on."""
    command = [sys.executable, "-m", "tests.store.recorded.killing", str(tmp_path / "data"), "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
