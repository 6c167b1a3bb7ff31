"""Epochs: the relation of a server's log to the one that a client has numbers of."""

from __future__ import annotations

import pytest

from chatcli.protocol.epochs import KnownLogs, Relation, relation
from chatcli.protocol.frames import MAX_SEQ, Limits, Welcome


def welcome(epoch: str, cursor: int = 0, shared: int = 0) -> Welcome:
    """Return a server's description of its log."""
    return Welcome("alice", cursor, cursor, "s", Limits(1, 1, 1), epoch=epoch, shared=shared)


@pytest.mark.parametrize(
    ("known", "epoch", "position", "reached", "expected"),
    [
        ("a", "a", None, 0, Relation.SAME),
        ("a", "a", 5, 5, Relation.SAME),
        ("a", "a", 5, 6, Relation.SAME),
        ("a", "a", 5, 4, Relation.PUT_BACK),
        ("a", "b", 5, 5, Relation.OTHER),
        ("a", "b", 5, 4, Relation.OTHER),
        ("", "a", None, 0, Relation.UNNAMED),
        ("a", "", 5, 5, Relation.UNNAMED),
        ("", "", 5, 5, Relation.UNNAMED),
        ("a", "", 5, 4, Relation.PUT_BACK),
        ("", "b", 5, 4, Relation.PUT_BACK),
    ],
)
def test_relation(known: str, epoch: str, position: int | None, reached: int, expected: Relation) -> None:
    """The name decides first; within one log, and where there is none, the place that the server accepts."""
    assert relation(known, epoch, position=position, reached=reached) is expected


def test_numbers_of_earlier_logs() -> None:
    """A number of an earlier log means the same as far as all logs since then share it."""
    logs = KnownLogs("first")
    assert not logs.welcomed(welcome("first", 9), "first")
    assert logs.shared("first") == MAX_SEQ
    assert logs.welcomed(welcome("second", 5, shared=5), "first")
    assert logs.welcomed(welcome("third", 7, shared=7), "second")
    assert [logs.shared(epoch) for epoch in ("first", "second", "third", "of another server")] == [5, 7, MAX_SEQ, 0]
    assert [logs.knows(epoch) for epoch in ("first", "third", "of another server")] == [True, True, False]


def test_server_that_names_no_log() -> None:
    """It is taken to have the one that was there before."""
    logs = KnownLogs("first")
    assert not logs.welcomed(welcome(""), "first")
    assert logs.epoch == "first"
    assert logs.relation(welcome("", 4), 5) is Relation.PUT_BACK
