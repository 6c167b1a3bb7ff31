"""The server tells clients which log it serves, and continues their feeds where that log and theirs part."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import ThreadServer, eventually


@pytest.fixture
def restored(tmp_path: Path) -> tuple[Path, str]:
    """Make a log with three messages from Alice to Bob, the first of which is of an earlier epoch; return that, too."""
    data = tmp_path / "data"
    with ThreadServer(data) as server, server.joined("bob") as bob, server.joined("alice") as alice:
        for text in ("one", "two", "three"):
            alice.sends("bob", text)
        assert bob.texts(3) == ["one", "two", "three"]
        bob.asks_who()
        epoch = str(alice.welcome["epoch"])
    with closing(sqlite3.connect(data / "chatcli.db")) as connection, connection:
        connection.execute("INSERT INTO epochs VALUES (2, 'later', 1)")
    return data, epoch


def test_epoch_of_a_log(tmp_path: Path) -> None:
    """Every log has its own name, which a restart does not change, and everyone gets it."""
    names = []
    for data in (tmp_path / "one", tmp_path / "one", tmp_path / "two"):
        with ThreadServer(data) as server, server.joined("alice") as alice, server.connect() as query:
            query.says("hello", version=1, purpose="query")
            names.append(query.hears("welcome")["epoch"])
            assert alice.welcome["epoch"] == names[-1]
    assert names[0] == names[1]
    assert len({*names, ""}) == 3


def test_epoch_of_the_log_itself(server: ThreadServer) -> None:
    """The feed starts after ``since``, and all of the log is shared."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        for text in ("one", "two", "three"):
            alice.sends("bob", text)
        first = bob.hears("message")["seq"]
        assert bob.texts(2) == ["two", "three"]
        bob.hang_up()
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
        with server.joined("bob", since=first, epoch=bob.welcome["epoch"]) as again:
            assert again.welcome["shared"] == again.welcome["head"] == first + 2
            assert again.welcome["cursor"] == first
            assert again.texts(2) == ["two", "three"]


@pytest.mark.parametrize(("since", "cursor"), [(3, 1), (1, 1), (0, 0)])
def test_earlier_epoch(restored: tuple[Path, str], since: int, cursor: int) -> None:
    """The feed starts no later than that epoch ended, whatever was acknowledged, and has the user's own messages."""
    data, epoch = restored
    with ThreadServer(data) as server, server.joined("alice", since=since, epoch=epoch) as alice:
        assert alice.welcome["epoch"] == "later"
        assert (alice.welcome["shared"], alice.welcome["cursor"]) == (1, cursor)
        assert alice.texts(3 - cursor) == ["one", "two", "three"][cursor:]


def test_unknown_epoch(restored: tuple[Path, str]) -> None:
    """The feed starts as without ``since``: after what was acknowledged, and without the user's own messages."""
    data, _ = restored
    with ThreadServer(data) as server, server.joined("carol") as carol:
        carol.sends("bob", "four")
        carol.sends("alice", "five")
        with server.joined("bob", since=1, epoch="of another log") as bob:
            assert (bob.welcome["shared"], bob.welcome["cursor"]) == (0, 3)
            assert bob.texts(1) == ["four"]
        with server.joined("alice", since=3, epoch="of another log") as alice:
            assert alice.texts(1) == ["five"]


def test_epoch_without_since(restored: tuple[Path, str]) -> None:
    """The feed starts after what was acknowledged; ``shared`` is told, to those without a feed, too."""
    data, epoch = restored
    with ThreadServer(data) as server:
        for purpose in ("listen", "send", "query"):
            with server.joined("bob", purpose, epoch=epoch) as bob:
                assert (bob.welcome["shared"], bob.welcome["cursor"]) == (1, 3)


def test_since_without_epoch(restored: tuple[Path, str]) -> None:
    """It is a number of the present log."""
    with ThreadServer(restored[0]) as server, server.joined("bob", since=2) as bob:
        assert (bob.welcome["shared"], bob.welcome["cursor"]) == (0, 2)
        assert bob.texts(1) == ["three"]
