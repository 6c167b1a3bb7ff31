"""Talks over pipes: lines from standard input, plain lines to standard output, notices to standard error."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import sys
import threading
from typing import Final

from chatcli.client.chat import Chat
from chatcli.client.events import Answer, Event, Said, Trouble, plain, render
from chatcli.client.identity import Identity
from chatcli.client.link import connect
from chatcli.client.talk import Talk
from chatcli.client.trust import Trust
from chatcli.protocol.address import Address

_PATIENCE: Final = 30.0  # seconds for what is not sent yet when the input ends
_WAITING_LINES: Final = 1000  # not answered by the server, before no more input is read
_CHUNK: Final = 64 * 1024


class PlainView:
    """Prints what others said, and answers, on standard output, everything else on standard error."""

    def __init__(self) -> None:
        self._drawing = threading.Lock()

    def draw(self, events: list[Event]) -> None:
        """Print events now."""
        with self._drawing:
            for event in events:
                if not isinstance(event, Said) or not event.mine or event.past:
                    self._print(event)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()

    def _print(self, event: Event) -> None:
        today = datetime.date.today()  # noqa: DTZ011 (the reader's day)
        stream = sys.stdout if isinstance(event, (Said, Answer)) else sys.stderr
        if stream is not None:
            stream.write(_prefix(event) + plain(render(event, today)) + "\n")

    async def show(self, events: list[Event]) -> None:
        """Print events; whoever reads the pipe may take their time, and the connection lives on meanwhile."""
        await asyncio.get_running_loop().run_in_executor(None, self.draw, events)


def _prefix(event: Event) -> str:
    return "chatcli: " if isinstance(event, Trouble) else ""


async def talk(server: Address, chat: Chat, trust: Trust, identity: Identity) -> None:
    """Talk until the input ends or says ``exit``, and everything said has been answered.

    Raises:
        Refused: the server does not want this name.
        ServerUnreachable: there is no server, or something was not sent.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    greeted = await connect(server, chat.hello(), identity, trust)
    conversation = Talk(server, chat, PlainView(), _PATIENCE, greeted, trust, identity)
    if sys.stdin is None:  # closed, as under some daemons: reading it might read some other file
        conversation.leave()
    else:
        if sys.stdin.isatty():
            conversation.greet()
        _Lines(chat, conversation).start()
    await conversation.run()


class _Lines:
    """Reads standard input in a thread of its own: a pipe, a file or a device all do."""

    def __init__(self, chat: Chat, conversation: Talk) -> None:
        self._chat = chat
        self._conversation = conversation
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        # Not awaited: a read that waits for input cannot be ended. It owns nothing, and goes with the process.
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def _read(self) -> None:
        partial = b""
        # os.read, because a thread that waits in sys.stdin holds its lock and keeps the interpreter from ending.
        while data := os.read(0, _CHUNK):
            *lines, partial = (partial + data).split(b"\n")
            if not self._pass_on(lines):
                return
        if partial:
            self._pass_on([partial])
        self._call(self._conversation.leave)

    def _pass_on(self, lines: list[bytes]) -> bool:
        """Have the lines taken in the loop; return whether more are wanted."""
        for start in range(0, len(lines), _WAITING_LINES):
            taken = threading.Event()
            if not self._call(self._take, lines[start : start + _WAITING_LINES], taken):
                return False
            taken.wait()
        return not self._chat.leaving

    def _call(self, function: object, *arguments: object) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type] # any of our two callables
            return True
        return False

    def _take(self, lines: list[bytes], taken: threading.Event) -> None:
        if len(self._chat.outbox) > _WAITING_LINES:
            self._loop.call_later(0.02, self._take, lines, taken)
            return
        try:
            for line in lines:
                if self._chat.leaving:
                    break
                self._conversation.typed(line.decode(errors="surrogateescape"))
        except OSError as error:  # standard output is closed or full
            self._conversation.fail(error)
        finally:
            taken.set()
