"""Sends what waits in the outbox while a program listens: whenever it reaches the server, keeping nobody waiting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcli.client import diagnostics
from chatcli.client.outbox.leftovers import anything_waits, empty_spool
from chatcli.errors import ChatError, ServerNotTrusted, ServerUnavailable

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login


class Emptying:
    """What one-shot commands have left for a server and a user.

    Args:
        login: who sends it, and where; that server has let them in before.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._due = False
        self._sending: asyncio.Task[None] | None = None

    def send(self) -> None:
        """Begin to send it; where that goes on already, once more behind that."""
        self._due = True
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name="emptying")

    async def sent(self) -> None:
        """Wait until it was tried."""
        if self._sending is not None:
            await asyncio.wait({self._sending})

    async def stop(self) -> None:
        """Let it be: what was not sent stays where it is, for the next one."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def _send(self) -> None:
        while self._due:
            self._due = False
            if anything_waits():
                await _in_background(self._try)

    def _try(self) -> None:
        login = self._login.without_prompt()
        try:
            empty_spool(login.server, login.user, login.trust, login.identity, asking=True)
        except (ServerUnavailable, ServerNotTrusted):
            pass  # whoever listens meets that, too, and says so
        except (ChatError, OSError) as error:
            diagnostics.trouble(f"What waits to be sent was not sent: {error}")


async def _in_background(function: Callable[[], None]) -> None:
    """Call a function in a thread that ends with the process; one of asyncio's own would be waited for at its end."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def call() -> None:
        try:
            function()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=call, name="emptying", daemon=True).start()
    await done.wait()
