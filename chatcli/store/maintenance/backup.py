"""Copies the log to one file, whether its server runs or not."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.errors import StoreError
from chatcli.protocol.values.text import command_line
from chatcli.store.epochs import mark_as_copy
from chatcli.store.maintenance.output import check_target, output_file
from chatcli.store.maintenance.snapshot import moment, pause, snapshot
from chatcli.store.sqlite.damage import is_damage

_STRETCH: Final = 10_000  # messages that are copied at once
_MESSAGES: Final = "messages"
_NUMBERS: Final = ("page_size", "application_id", "user_version")
_END_OF_STRETCH: Final = """
SELECT seq FROM main.messages WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ? - 1
"""
_STRETCH_OF_MESSAGES: Final = "INSERT INTO copy.messages SELECT * FROM main.messages WHERE seq > ? AND seq <= ?"
_PRUNED: Final = """
UPDATE copy.marks SET seq = max(seq, ?1)
WHERE name = 'pruned' AND NOT EXISTS (SELECT 1 FROM copy.messages WHERE messages.seq = ?1)
"""


class Copied(NamedTuple):
    """The size of a copy: its number of messages, and its bytes."""

    messages: int
    bytes: int


#: Called with the part of the work that is done, from 0 to 1.
Progress = Callable[[float], object]


def back_up(directory: Path, target: Path, *, force: bool = False, progress: Progress = lambda _: None) -> Copied:
    """Copy the log of a data directory as it is now; the copy has been checked, and is on disk.

    The server goes on writing. What it writes meanwhile is not in the copy; what it deletes meanwhile may be missing.

    Args:
        directory: the data directory.
        target: the file to write.
        force: replace the file if it exists.
        progress: called now and then.

    Raises:
        InputError: the file exists already, or belongs to a server.
        StoreError: the log cannot be read, or the copy cannot be written; there is no copy then.
    """
    check_target(target, directory, force=force)
    with snapshot(directory, any_schema=True) as source, output_file(target, directory, force=force) as path:
        try:
            copy_log(source, path, progress)
        except sqlite3.Error as error:
            if is_damage(error) or isinstance(error, sqlite3.IntegrityError):
                raise _damaged(directory, error) from None
            raise StoreError(f"Cannot copy the log to {target}: {error}. There is no copy.") from None
        return Copied(_checked(directory, path), path.stat().st_size)


def copy_log(source: sqlite3.Connection, path: Path, progress: Progress) -> None:
    """Copy a log row by row into an empty file, so that no page of the copy holds deleted text.

    The messages are copied in stretches, so that the server can empty its WAL in between. Everything else is as it was
    at the start; what is deleted meanwhile may be missing.
    """
    tables = _make_tables(source, path)
    source.execute("ATTACH ? AS copy", (f"{path.absolute().as_uri()}?mode=rw",))
    # An unfinished copy is deleted, and a finished one is flushed: no journal is needed. The ids of messages may be in
    # any order, so that their index is changed all over.
    source.execute("PRAGMA copy.journal_mode = OFF")
    source.execute("PRAGMA copy.synchronous = OFF")
    source.execute("PRAGMA copy.locking_mode = EXCLUSIVE")
    source.execute("PRAGMA copy.cache_size = -65536")
    with moment(source):
        for table in tables - {_MESSAGES}:
            source.execute(f"INSERT INTO copy.{table} SELECT * FROM main.{table} NOT INDEXED")  # noqa: S608 (our own)
        oldest, newest = source.execute("SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM messages").fetchone()
    after = oldest - 1
    while after < newest:
        row = source.execute(_END_OF_STRETCH, (after, newest, _STRETCH)).fetchone()
        upto = row[0] if row else newest
        source.execute(_STRETCH_OF_MESSAGES, (after, upto))
        after = upto
        progress((after - oldest + 1) / (newest - oldest + 1))
        pause()
    if "answers" in tables:
        source.execute("DELETE FROM copy.answers WHERE question NOT IN (SELECT seq FROM copy.messages)")
    if "marks" in tables:  # no seq is reused, even if all messages were deleted meanwhile
        source.execute(_PRUNED, (newest,))
    mark_as_copy(source, "copy")
    source.execute("DETACH copy")


def _make_tables(source: sqlite3.Connection, path: Path) -> set[str]:
    """Create the tables of the log, whatever its schema; return their names."""
    with moment(source):
        statements = source.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        numbers = [(name, *source.execute(f"PRAGMA {name}").fetchone()) for name in _NUMBERS]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as copy:
        for name, number in numbers:
            copy.execute(f"PRAGMA {name} = {number}")
        for (statement,) in statements:
            copy.execute(statement)
        return {name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def _checked(directory: Path, path: Path) -> int:
    """Check that the copy is whole; return its number of messages."""
    # Nobody else uses it: without the promise that it does not change, SQLite would create files beside it.
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as copy:
            (finding,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if finding == "ok":
                return int(copy.execute("SELECT count(*) FROM messages").fetchone()[0])
    except sqlite3.Error as error:
        finding = error
    raise _damaged(directory, finding)


def _damaged(directory: Path, finding: object) -> StoreError:
    data = ("--data", str(directory.absolute()))
    return StoreError(
        f"The log is damaged ({' '.join(str(finding).split())}), so no copy of it was kept: "
        f"these say more, and save what can be read:\n{command_line('chatcli', 'admin', 'check', *data)}\n"
        f"{command_line('chatcli', 'admin', 'export', *data)}"
    )
