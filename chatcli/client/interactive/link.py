"""The link of a session to its server: a connection, or the way back to one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from chatcli.client.transport.aio import Connection, LinkState
from chatcli.client.transport.reconnect import RetryPolicy, retry_async
from chatcli.errors import ServerUnavailable
from chatcli.protocol.frames import ClientFrame, Welcome

#: A connection, and the welcome on it.
Greeted = tuple[Connection, Welcome]


class Link:
    """The present connection, or none.

    Args:
        connection: the first one.
        on_change: called when ``state`` may have changed; without it no round trip is measured.

    Attributes:
        connection: the present one; None while the link is down.
    """

    def __init__(self, connection: Connection, on_change: Callable[[], None] | None) -> None:
        self.connection: Connection | None = connection
        self._on_change = on_change
        self._down = LinkState("connecting")  # the state while there is no connection
        self._try_now = asyncio.Event()  # do not wait to connect

    @property
    def state(self) -> LinkState:
        """The state of the link."""
        return self._down if self.connection is None else self.connection.state

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self.connection is not None

    def send(self, *frames: ClientFrame) -> None:
        """Send frames if there is a connection; what may not be lost is sent again on the next one."""
        if self.connection is not None:
            self.connection.send(*frames)

    def measure(self) -> None:
        """Measure the round trip, if anybody reads it."""
        if self._on_change is not None and self.connection is not None:
            self.connection.measure()

    def hurry(self) -> None:
        """Connect without waiting, as the user has done something."""
        self._try_now.set()

    def notify(self) -> None:
        """Report that the state, or what the user sees beside it, may have changed."""
        if self._on_change is not None:
            self._on_change()

    async def close(self) -> None:
        """Close the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close()

    async def reconnect(self, connect: Callable[[], Awaitable[Greeted]], lost: ServerUnavailable) -> Greeted:
        """Connect again; return the new connection and its welcome.

        Args:
            connect: connects once.
            lost: the error that has ended the last connection.

        Raises:
            ChatError: an error of ``connect`` after which no attempt would succeed.
        """
        greeted = await retry_async(connect, RetryPolicy(), wait=self._wait, after=lost)
        self.connection = greeted[0]
        return greeted

    async def _wait(self, seconds: float) -> None:
        self._try_now.clear()
        self._down = LinkState("waiting", until=asyncio.get_running_loop().time() + seconds)
        self.notify()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._try_now.wait()
        self._down = LinkState("connecting")
        self.notify()
