"""Opens logs for the tests of every store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from chatcli.store.interface import Log, OnCommit, Post
from chatcli.store.sqlite_log import SqliteLog
from tests.store.owner import OpenLog, Owner
from tests.store.people import PEOPLE, ROOMS, empty


def open_sqlite(directory: Path, post: Post, on_commit: OnCommit) -> Log:
    """Open the SQLite log that lies in a directory."""
    return SqliteLog(directory, post=post, on_commit=on_commit)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture(params=[open_sqlite], ids=["sqlite"])
def store(request: pytest.FixtureRequest, data: Path) -> OpenLog:
    """Return a function that opens the log of a store; every store must pass the same suite."""
    return partial(request.param, data)


@pytest.fixture
def owner(store: OpenLog) -> Iterator[Owner]:
    """Open an empty log."""
    owner = Owner(store)
    yield owner
    owner.log.close()


@pytest.fixture
def chat(owner: Owner) -> Owner:
    """Open a log with some users."""
    owner.add_users(*PEOPLE)
    owner.reports.clear()
    return owner


@pytest.fixture
def house(chat: Owner) -> Owner:
    """Open a log with some users and rooms."""
    chat.write_all(*empty(*ROOMS))
    chat.reports.clear()
    return chat
