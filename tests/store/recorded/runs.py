"""Runs: a stream written to a database in one way or another, and the comparison of what has become of it.

``python -m tests.store.recorded.runs DIRECTORY BEGIN`` writes the recording from that batch on.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from chatcli.store.batch import Batch
from chatcli.store.database import Database
from chatcli.store.writing.writer import Writer
from tests.store.recorded import codec, digest, recording


class Run(NamedTuple):
    """The digest of each table after a stream, and the outcomes of each batch."""

    tables: dict[str, str]
    outcomes: list[Any]


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Database]:
    """Open a database, which need not survive a power cut."""
    with contextlib.closing(Database(directory)) as database:
        database.connection.execute("PRAGMA synchronous = OFF")
        yield database


def grouped(batches: Sequence[Batch], ends: Iterable[int]) -> Iterator[Sequence[Batch]]:
    """Yield batches in groups: ``ends`` are the numbers of batches after which a group ends, and a new one begins."""
    for begin, end in pairwise(sorted({0, *ends, len(batches)})):
        yield batches[begin:end]


def write(writer: Writer, batches: Sequence[Batch], ends: Iterable[int]) -> None:
    """Write batches in groups, each in one transaction."""
    for group in grouped(batches, ends):
        writer.write_all(group)


def run(directory: Path, batches: Sequence[Batch], ends: Iterable[int], reopen: Iterable[int] = ()) -> Run:
    """Write batches to a new database.

    Args:
        directory: for the database.
        batches: the batches, as yet unwritten.
        ends: the numbers of batches after which a transaction ends.
        reopen: the numbers of batches after which the database is closed and opened again.
    """
    ends = set(ends)
    done = 0
    for part in grouped(batches, reopen):
        with opened(directory) as database:
            write(database.writer, part, {end - done for end in ends if done < end <= done + len(part)})
        done += len(part)
    return finished(directory, batches)


def finished(directory: Path, batches: Sequence[Batch]) -> Run:
    """Return the state of a database, and the outcomes of the batches that were written to it."""
    with opened(directory) as database:
        return Run(digest.tables(database.connection), [codec.outcomes(batch) for batch in batches])


def assert_same(one: Run, other: Run) -> None:
    """Fail with the first batch that had other outcomes, or the tables that have other contents."""
    for number, (mine, theirs) in enumerate(zip(one.outcomes, other.outcomes, strict=True)):
        assert mine == theirs, f"batch {number} has other outcomes"
    assert one.tables == other.tables


_ON_PURPOSE: Final = "if a rule was changed on purpose, see docs/architecture.md and python -m tests.store.recorded"


def assert_as_recorded(found: Run) -> None:
    """Fail with the first batch of the recording that has other outcomes now, or the tables that differ."""
    kept = recording.digests()
    for number, (now, then) in enumerate(zip(digest.running(found.outcomes), kept.batches, strict=True)):
        assert now == then, f"batch {number} has other outcomes than recorded ({_ON_PURPOSE}): {found.outcomes[number]}"
    assert found.tables == kept.tables, _ON_PURPOSE


def main(directory: str, begin: str) -> None:
    """Write the rest of the recording."""
    with opened(Path(directory)) as database:
        write(database.writer, recording.batches()[int(begin) :], ())


if __name__ == "__main__":
    main(*sys.argv[1:])
