"""Resumption: the place where a feed goes on, given the greeting and the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from chatcli.protocol.frames import VERSION, Hello
from chatcli.server.arrival import resumption
from chatcli.server.arrival.resumption import Resumption
from chatcli.store.interface import Log
from tests.support import ThreadServer, eventually

RECEIVED = 2


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A log with three messages, the first of which is of an earlier epoch."""
    data = tmp_path_factory.mktemp("log")
    with ThreadServer(data) as server, server.joined("alice") as alice, server.joined("bob"):
        for text in ("one", "two", "three"):
            alice.sends("bob", text)
            alice.hears("sent")
    with closing(sqlite3.connect(data / "chatcli.db")) as connection, connection:
        connection.execute("UPDATE epochs SET epoch = 'earlier'")
        connection.execute("INSERT INTO epochs VALUES (2, 'later', 1)")
    with ThreadServer(data) as server:
        yield server.hub.log


def hello_of(since: int | None, epoch: str = "", renewed: int | None = None) -> Hello:
    """Return a greeting."""
    return Hello(VERSION, "alice", "join", since=since, epoch=epoch, renewed=renewed)


@pytest.mark.parametrize(
    ("since", "epoch", "position", "resumes", "shared"),
    [
        (None, "", RECEIVED, False, 0),
        (None, "later", RECEIVED, False, 3),
        (None, "earlier", RECEIVED, False, 1),
        (1, "", 1, True, 0),
        (9, "", 3, True, 0),
        (1, "later", 1, True, 3),
        (9, "later", 3, True, 3),
        (0, "earlier", 0, True, 1),
        (3, "earlier", 1, True, 1),
        (3, "of another log", RECEIVED, False, 0),
    ],
)
def test_place(log: Log, since: int | None, epoch: str, position: int, resumes: bool, shared: int) -> None:
    """A place beyond the end of the log, or beyond that of the log which it belongs to, is moved back."""
    assert resumption.find(hello_of(since, epoch), log, RECEIVED) == Resumption(position, resumes, shared, None)


@pytest.mark.parametrize(
    ("since", "epoch", "renewed", "untold"),
    [
        (3, "later", None, None),
        (3, "later", 3, None),
        (3, "later", 2, 2),
        (3, "earlier", 3, None),
        (None, "earlier", 3, 1),
        (None, "of another log", 3, 0),
    ],
)
def test_changes_of_names(log: Log, since: int | None, epoch: str, renewed: int | None, untold: int | None) -> None:
    """A change that the client was told of in another log is none of this one."""
    assert resumption.find(hello_of(since, epoch, renewed), log, RECEIVED).untold == untold


@pytest.mark.parametrize(
    ("since", "epoch", "seq"),
    [(None, "", 0), (9, "", 9), (9, "later", 9), (9, "earlier", 0), (9, "of another log", 0)],
)
def test_place_that_is_yet_to_come(log: Log, since: int | None, epoch: str, seq: int) -> None:
    """Only the log that the place belongs to may reach it one day."""
    assert resumption.required(hello_of(since, epoch), log) == seq


@pytest.mark.parametrize(("epoch", "is_known"), [("", True), ("later", True), ("earlier", True), ("other", False)])
def test_known_epochs(log: Log, epoch: str, is_known: bool) -> None:
    """An epoch that is not named is that of the log itself."""
    assert resumption.knows(log, epoch) == is_known


@pytest.mark.parametrize("purpose", ["join", "listen"])
def test_waiting_for_the_log(server: ThreadServer, monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    """A place beyond the end of the log is judged once the log has reached it."""
    waiting: list[tuple[int, Callable[[], None]]] = []
    with server.joined("bob", "send") as bob:
        monkeypatch.setattr(server.hub, "when_reached", lambda seq, then: waiting.append((seq, then)))
        with server.connect() as alice:
            alice.greets("alice", purpose=purpose, since=1)
            eventually(lambda: server.run(lambda: waiting))
            assert bob.asks_who() == []
            bob.sends("alice", "one")
            bob.hears("sent", seq=1)
            (seq, then) = waiting.pop()
            assert seq == 1
            server.run(then)
            assert alice.hears("welcome", cursor=1)["head"] == 1
