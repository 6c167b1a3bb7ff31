"""The questions before the conversation: the user's name, and whether to wait for a server."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Awaitable, Callable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text

from chatcli.client.interactive.link import Greeted
from chatcli.client.interactive.login import WAIT, WAIT_OR_LEAVE
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.wrap import indentation, wrapped
from chatcli.client.transport.reconnect import RetryPolicy, retry_async
from chatcli.client.tui.terminal.key_input import KeyInput
from chatcli.client.tui.terminal.modes import Modes
from chatcli.client.tui.terminal.output import WholeOutput
from chatcli.client.tui.terminal.reflow import ReflowRenderer, breaks_rows
from chatcli.client.tui.theme import STYLE, color_depth
from chatcli.errors import ServerUnavailable, ServerUnreachable
from chatcli.protocol.values.address import Address

_INDENT: Final = 6  # columns


class TerminalPrompts:
    """Asks the user on the terminal.

    Args:
        preferences: those of the user.
        modes: the modes of the terminal.
    """

    def __init__(self, preferences: Preferences, modes: Modes) -> None:
        self._depth = color_depth(preferences.color)
        self._modes = modes

    def refuse(self, sentence: str) -> None:
        """Print an error."""
        output = WholeOutput.of_terminal()
        width = output.get_size().columns
        rows = "\n".join(wrapped(sentence, width, indentation(_INDENT, width)))
        print_formatted_text(output, [("class:trouble", f"{rows}\n")], STYLE, color_depth=self._depth)

    async def ask(self, question: str, suggested: str = "", *, empty: bool = False) -> str:
        """Return the user's answer; Enter alone accepts the suggestion.

        Args:
            question: the prompt.
            suggested: shown after the question until something is typed.
            empty: whether Enter alone is an answer if nothing is suggested.

        Raises:
            EOFError: Ctrl-D, "exit" or "quit".
            KeyboardInterrupt: Ctrl-C.
        """
        session = _session(self._depth, self._modes)
        placeholder: StyleAndTextTuples = [("class:notice", f"{suggested}  (Enter accepts it)")] if suggested else []
        while True:
            answer = (await session.prompt_async([("class:prompt", question)], placeholder=placeholder)).strip()
            if answer.casefold() in ("exit", "quit"):
                raise EOFError
            if answer or suggested or empty:
                return answer or suggested

    async def reach(self, server: Address, connect: Callable[[], Awaitable[Greeted]]) -> Greeted:
        """Connect; if no server answers, offer to wait until one does.

        Raises:
            ServerUnreachable: the user does not want to wait.
            EOFError, KeyboardInterrupt: the user wants to leave.
            ChatError: as ``connect`` raises it.
        """
        try:
            return await connect()
        except ServerUnavailable as error:
            absent = error
            self.refuse(str(error))
        if (await self.ask(WAIT_OR_LEAVE, empty=True)).casefold() not in WAIT:
            raise ServerUnreachable(f"Not joined: there is no server at {server}.")
        return await _Waiting(server, self._depth, self._modes).until_there(connect, absent)


class _Waiting:
    """A line that counts down to the next attempt; Enter starts it now."""

    def __init__(self, server: Address, depth: ColorDepth, modes: Modes) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._next = 0.0  # the moment of the next attempt
        self._session = _session(depth, modes, erase_when_done=True, refresh_interval=0.25)
        self._hurry = asyncio.Event()

    async def until_there(self, connect: Callable[[], Awaitable[Greeted]], absent: ServerUnavailable) -> Greeted:
        """Connect once a server answers.

        Raises:
            EOFError, KeyboardInterrupt: the user wants to leave.
            ChatError: as ``connect`` raises it, except ServerUnavailable.
        """
        keys = asyncio.create_task(self._keys(), name="waiting-keys")
        attempts = retry_async(connect, RetryPolicy(), wait=self._wait, after=absent)
        trying = asyncio.create_task(attempts, name="waiting")
        try:
            await asyncio.wait({keys, trying}, return_when=asyncio.FIRST_COMPLETED)
            if keys.done():
                keys.result()
            return await trying
        finally:
            for task in (keys, trying):
                task.cancel()
            await asyncio.gather(keys, trying, return_exceptions=True)

    async def _wait(self, seconds: float) -> None:
        self._hurry.clear()
        self._next = self._loop.time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._next = 0.0

    async def _keys(self) -> None:
        while True:
            await self._session.prompt_async(self._line, handle_sigint=False)
            self._hurry.set()

    def _line(self) -> StyleAndTextTuples:
        left = math.ceil(self._next - self._loop.time())
        when = f"next try in {left} s · Enter tries now" if left > 0 else "trying"
        return [("class:notice", f"Waiting for a server at {self._server}: {when}, Ctrl-C leaves ")]


def _session(
    depth: ColorDepth, modes: Modes, *, erase_when_done: bool = False, refresh_interval: float = 0
) -> PromptSession[str]:
    output = WholeOutput.of_terminal()
    bindings = KeyBindings()
    modes.bind(bindings)
    session: PromptSession[str] = PromptSession(
        input=KeyInput(),
        output=output,
        style=STYLE,
        color_depth=depth,
        erase_when_done=erase_when_done,
        refresh_interval=refresh_interval,
        key_bindings=bindings,
    )
    session.app.renderer = ReflowRenderer(session.app.renderer.style, output, breaks=breaks_rows(os.environ))
    modes.watch(session.app)
    return session
