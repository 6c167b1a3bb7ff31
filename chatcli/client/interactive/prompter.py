"""Questions in plain lines: each on a line of its own, answered with a line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from chatcli.client.interactive.login import WAIT, WAIT_OR_LEAVE
from chatcli.client.interactive.sequences import strip_sequences
from chatcli.client.transport import descriptors
from chatcli.client.transport.reconnect import RetryPolicy, retry_async
from chatcli.errors import ServerUnavailable, ServerUnreachable
from chatcli.protocol.values.text import printable

if TYPE_CHECKING:
    from chatcli.client.interactive.link import Greeted
    from chatcli.protocol.values.address import Address

_CHUNK: Final = 64 * 1024  # bytes, more than any line that a terminal delivers


class PlainPrompter:
    """Asks on standard output, and reads answers from a terminal on standard input."""

    async def ask(self, question: str, suggested: str = "") -> str:
        """Return the line that is typed.

        Raises:
            EOFError: Ctrl-D, exit or quit.
        """
        while True:
            answer = await self._read_line(f"{question.rstrip()} [{suggested}] " if suggested else question)
            if answer.casefold() in {"exit", "quit"}:
                raise EOFError
            if answer or suggested:
                return answer or suggested

    def refuse(self, sentence: str) -> None:
        """Show why the answer is not accepted."""
        sys.stdout.write(f"{printable(sentence)}\n")

    async def reach(self, server: Address, connect: Callable[[], Awaitable[Greeted]]) -> Greeted:
        """Connect; if no server answers, offer to wait until one does."""
        try:
            return await connect()
        except ServerUnavailable as error:
            absent = error
            self.refuse(str(error))
        if (await self._read_line(WAIT_OR_LEAVE)).casefold() not in WAIT:
            raise ServerUnreachable(f"Not joined: there is no server at {server}.")
        sys.stdout.write(f"Waiting for a server at {server}. Ctrl-C leaves.\n")
        sys.stdout.flush()
        return await retry_async(connect, RetryPolicy(), wait=asyncio.sleep, after=absent)

    async def _read_line(self, question: str) -> str:
        sys.stdout.write(question)
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        typed = asyncio.Event()
        loop.add_reader(0, typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(0)
        # A terminal delivers whole lines, one for each read: none that follows is lost.
        if not (line := descriptors.read(0, _CHUNK)):
            sys.stdout.write("\n")
            raise EOFError
        return strip_sequences(line.decode(errors="replace")).strip()
