"""Long reads do not prevent the server from emptying its WAL, however slow they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from chatcli.store.archive import message_reader
from chatcli.store.archive.exporter import export
from chatcli.store.maintenance import backup
from chatcli.store.maintenance.backup import back_up
from chatcli.store.maintenance.check import examine
from chatcli.store.sqlite import connection as connections
from tests.store.conftest import open_sqlite
from tests.store.owner import OpenLog, Owner
from tests.store.people import ANN, BOB, entry
from tests.store.town import settle

Look = Callable[[], None]


@pytest.fixture
def store(data: Path) -> OpenLog:
    """Open the SQLite store only."""
    return partial(open_sqlite, data)


def export_slowly(data: Path, look: Look, _target: Path) -> None:
    """Export, with a callback for each line."""
    export(data, (), lambda _line: look(), 0)


def back_up_slowly(data: Path, look: Look, target: Path) -> None:
    """Copy, with a callback for each report of progress."""
    back_up(data, target, progress=lambda _share: look())


def check_slowly(data: Path, look: Look, _target: Path) -> None:
    """Check, with a callback for each finding."""
    for _ in examine(data):
        look()


@pytest.mark.parametrize("read", [export_slowly, back_up_slowly, check_slowly])
def test_slow_readers(
    chat: Owner, data: Path, tmp_path: Path, read: Callable[[Path, Look, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While such a reader waits for its own output the WAL can be emptied."""
    monkeypatch.setattr(message_reader, "_STRETCH", 100)
    monkeypatch.setattr(backup, "_STRETCH", 1000)
    settle(chat)
    chat.write(*(entry(ANN, BOB, "x" * 100) for _ in range(3000)))
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks % 50 and read is not back_up_slowly and looks > 20:
            return
        chat.write(entry(ANN, BOB, "more"))
        with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as other:
            chat.run_while(lambda: not connections.checkpoint(other))
        assert (data / "chatcli.db-wal").stat().st_size == 0

    read(data, look, tmp_path / "copy.db")
    assert looks > 2
