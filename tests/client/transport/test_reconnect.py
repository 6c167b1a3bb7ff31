"""The schedule of reconnects."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from chatcli.client.transport.reconnect import RetryPolicy, backoff, retry, retry_async
from chatcli.errors import (
    ChatError,
    InputError,
    ProtocolError,
    Refused,
    ServerNotTrusted,
    ServerUnavailable,
    ServerUnreachable,
)

GONE = ServerUnreachable("Gone.")


class Server:
    """Raises each of its errors, then answers."""

    def __init__(self, *errors: ChatError) -> None:
        self._errors = list(errors)
        self.waits: list[float] = []
        self.reported: list[Exception] = []

    def ask(self) -> str:
        """Return an answer, or raise the next error."""
        if self._errors:
            raise self._errors.pop(0)
        return "here"

    def run(self, policy: RetryPolicy, after: ChatError | None = None) -> str:
        """Retry until an answer, and record waits and reported errors."""
        return retry(self.ask, policy, wait=self.waits.append, after=after, on_error=self.reported.append)

    async def run_async(self, policy: RetryPolicy, after: ChatError | None = None) -> str:
        """Do the same on asyncio."""

        async def ask() -> str:
            return self.ask()

        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        return await retry_async(ask, policy, wait=wait, after=after, on_error=self.reported.append)


def test_waits() -> None:
    """Waits grow with jitter from a short one up to eight seconds."""
    waits = list(itertools.islice(backoff(), 200))
    assert waits[0] <= 0.5
    assert max(waits) <= 8
    assert max(waits[20:]) > 4
    assert len(set(waits)) > 190


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (GONE, True),
        (ServerUnavailable("Full.", "storage"), True),
        (ConnectionResetError(), True),
        (ProtocolError("Something else answers."), None),
        (Refused("banned", "No."), False),
        (ServerNotTrusted("Another key."), False),
        (InputError("Too long."), False),
    ],
)
def test_temporary_errors(error: Exception, temporary: bool | None, *, accepted: bool) -> None:
    """Another service may answer during a restart, if the server was reached before."""
    policy = RetryPolicy(accepted=accepted)
    expected = accepted if temporary is None else temporary
    assert policy.is_temporary(error) is expected
    if not expected:
        with pytest.raises(type(error)):
            policy.wait_after(error)


def test_success_resets() -> None:
    """The waits start over, and other services are then waited out."""
    policy = RetryPolicy(lambda: iter((1, 2, 3)))
    assert [policy.wait_after(GONE), policy.wait_after(GONE)] == [1, 2]
    policy.succeeded()
    assert policy.wait_after(ProtocolError("x")) == 1


def test_end_of_the_schedule() -> None:
    """There are no more attempts than waits, and none that would begin too late."""
    policy = RetryPolicy(lambda: iter((1,)))
    policy.wait_after(GONE)
    with pytest.raises(ServerUnreachable):
        policy.wait_after(GONE)
    policy = RetryPolicy(lambda: iter((1, 2)), lambda: 1.5)
    assert policy.wait_after(GONE) == 1
    with pytest.raises(ServerUnreachable):
        policy.wait_after(GONE)


@pytest.mark.parametrize("on_asyncio", [False, True])
def test_retrying(*, on_asyncio: bool) -> None:
    """The first attempt is at once; each failure before another attempt is reported."""

    def run(server: Server, after: ChatError | None = None) -> str:
        policy = RetryPolicy(lambda: iter((1, 2)))
        return asyncio.run(server.run_async(policy, after)) if on_asyncio else server.run(policy, after)

    server = Server()
    assert (run(server), server.waits) == ("here", [])
    server = Server(GONE, ServerUnavailable("Full.", "storage"))
    assert (run(server), server.waits) == ("here", [1, 2])
    assert [str(error) for error in server.reported] == ["Gone.", "Full."]
    server = Server(GONE)
    assert (run(server, ServerUnreachable("Before.")), server.waits, server.reported) == ("here", [1, 2], [GONE])
    server = Server(GONE, GONE, GONE)
    with pytest.raises(ServerUnreachable):
        run(server)
    assert (server.waits, server.reported) == ([1, 2], [GONE, GONE])
    server = Server(GONE, Refused("banned", "No."))
    with pytest.raises(Refused):
        run(server)
