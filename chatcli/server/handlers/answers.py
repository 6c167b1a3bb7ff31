"""Answers that have to wait for the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from chatcli.errors import ChatError, Refused
from chatcli.protocol import frames as f
from chatcli.server.refusals import not_stored

if TYPE_CHECKING:
    from chatcli.server.hub import HubConnection
    from chatcli.store.batch import OnOutcome, Outcome
    from chatcli.store.queries import OnResult, Query

    #: Requests of changes that are answered once they are on disk.
    Changing = f.Leave | f.Topic | f.Operate | f.Revoke | f.RevokeToken

Found = TypeVar("Found")


def done_when_stored(session: HubConnection, frame: Changing) -> OnOutcome:
    """Suspend a session; return the callback of a record, which answers the frame: done, or a refusal."""

    def finish(outcome: Outcome) -> None:
        session.answer(frame, f.Done(frame.n) if outcome.accepted else not_stored(outcome))

    session.suspend()
    return finish


def after_own_messages(session: HubConnection, read: Callable[[], None]) -> None:
    """Suspend a session, and call ``read`` once its messages are written, so that it sees them."""
    if session.suspend():
        session.hub.after_flush(lambda: None if session.closed else read())
    else:
        read()


def read(
    session: HubConnection, frame: f.ClientFrame, query: Query[Found], make: Callable[[Found], f.ServerFrame | Refused]
) -> None:
    """Read from the log, and answer with what ``make`` returns for the result."""
    read_with(session, frame, lambda on_result: session.hub.log.read(query, on_result), make)


def read_with(
    session: HubConnection,
    frame: f.ClientFrame,
    start: Callable[[OnResult[Found]], None],
    make: Callable[[Found], f.ServerFrame | Refused],
) -> None:
    """Read as :func:`read` does, with a function that starts to read."""

    def answer(found: Found | None, error: ChatError | None) -> None:
        assert found is not None or error is not None  # noqa: S101 (the log promises that)
        session.answer(frame, make(found) if found is not None else error or ChatError())

    after_own_messages(session, lambda: start(answer))
