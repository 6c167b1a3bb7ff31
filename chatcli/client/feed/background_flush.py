"""Flushes the outbox while a program listens: whenever it reaches the server, without delaying messages."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcli.client import diagnostics
from chatcli.client.outbox.flush import flush_outbox
from chatcli.client.storage.files import outbox_is_empty
from chatcli.errors import ChatError, ServerNotTrusted, ServerUnavailable

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login


class BackgroundFlush:
    """The messages that commands have left in the outbox for a server and a user.

    Args:
        login: the server and the user; that server has accepted them before.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._is_due = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start a flush; while one runs, another follows it."""
        self._is_due = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="flush")

    async def wait(self) -> None:
        """Wait until the flush that was started has ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        """Abandon the flush: messages that were not sent stay in the outbox."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while self._is_due:
            self._is_due = False
            if not outbox_is_empty():
                await _run_in_daemon_thread(self._flush)

    def _flush(self) -> None:
        try:
            flush_outbox(self._login.without_prompt(), read_only=True)
        except (ServerUnavailable, ServerNotTrusted):
            pass  # the listener meets that, too, and reports it
        except (ChatError, OSError) as error:
            diagnostics.trouble(f"The messages in the outbox were not sent: {error}")


async def _run_in_daemon_thread(function: Callable[[], None]) -> None:
    """Call a function in a thread that ends with the process; asyncio would wait for one of its own."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def call() -> None:
        try:
            function()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=call, name="flush", daemon=True).start()
    await done.wait()
