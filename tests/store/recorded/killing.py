"""Kills processes while they write the recording: ``python -m tests.store.recorded.killing DIRECTORY SEED``.

Whatever was being written is written again by the next process. In the end all is as recorded. It is a program of its
own because it forks: no other thread may run meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatcli.store.batch import Batch
from tests.store.recorded import failing, recording, runs

_MOST: Final = 8  # batches in a transaction


def measure(directory: Path, batches: Sequence[Batch]) -> tuple[int, int]:
    """Return the number of statements up to the COMMIT of a transaction, and of steps within them."""
    with failing.opened_to_fail(directory) as (connection, writer):
        connection.committing = False
        connection.arm(failing.fail)
        with contextlib.suppress(sqlite3.OperationalError):
            writer.write_all(batches)
        return connection.statements - 1, connection.steps  # one more is the ROLLBACK


def write_and_die(directory: Path, batches: Sequence[Batch], dice: random.Random) -> None:
    """Write batches in a process that is killed before it has committed them."""
    statements, steps = measure(directory, batches)
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        return
    try:
        with failing.opened_to_fail(directory) as (connection, writer):
            if steps and dice.random() < 0.3:
                connection.arm(failing.kill, step=dice.randint(1, steps))
            else:
                connection.arm(failing.kill, statement=dice.choice((statements, dice.randint(1, statements))))
            writer.write_all(batches)
    finally:
        os._exit(1)


def main(directory: str, seed: str) -> None:
    """Write the recording, killed once or more in each transaction."""
    data, dice = Path(directory), random.Random(int(seed))
    batches = recording.batches()
    ends = [end for end in range(len(batches)) if dice.random() < 2 / _MOST]
    with runs.opened(data):
        pass
    for group in runs.grouped(batches, ends):
        for _ in range(dice.choice((1, 1, 2))):
            write_and_die(data, group, dice)
        with runs.opened(data) as database:
            database.writer.write_all(group)
    runs.assert_as_recorded(runs.finished(data, batches))


if __name__ == "__main__":
    main(*sys.argv[1:])
