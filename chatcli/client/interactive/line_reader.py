"""Lines from standard input, read in a thread: a pipe, a file or a device all work."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Final

from chatcli.client.chat.ambiguity import names_recipient
from chatcli.client.chat.chat import Chat
from chatcli.client.interactive.session import InteractiveSession
from chatcli.client.transport import descriptors
from chatcli.errors import ChatError, InputError
from chatcli.protocol.grammar import Command, Unclear, parse_line

_FOR_A_QUESTION: Final = 5.0  # seconds that an answer waits for its question, once everything missed has come
_WAITING: Final = 1000  # messages that the server has not stored, before no more input is read
_POLL: Final = 0.02  # seconds until a line that has to wait is tried again
_CHUNK: Final = 64 * 1024
_LONGEST: Final = 2 * 1024 * 1024  # bytes of a line that are kept, more than any server accepts
_AT_ONCE: Final = 0.05  # seconds between two lines of one paste


class LineReader:
    """Reads lines until the input or the session ends.

    Args:
        chat: what the session knows.
        session: is left when the input ends.
        enter: carries out a line.
        context: makes lines wait; None if none does.
        bursts: whether lines that come at once are a paste, and one text.
    """

    def __init__(
        self,
        chat: Chat,
        session: InteractiveSession,
        enter: Callable[[str], None],
        *,
        context: ContextWait | None = None,
        bursts: bool = False,
    ) -> None:
        self._chat = chat
        self._session = session
        self._enter = enter
        self._context = context
        self._bursts = bursts
        self._ended = False
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Start the thread, which ends with the process: a read that waits for input cannot be interrupted."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def _read(self) -> None:
        partial = bytearray()
        try:
            # Not sys.stdin: a thread that waits in it holds its lock and keeps the interpreter from ending.
            while data := self._next():
                first, *lines = data.split(b"\n")
                partial += first[: _LONGEST - len(partial)]
                if lines:
                    *whole, rest = lines
                    if not self._pass_on([bytes(partial), *whole]):
                        return
                    partial[:] = rest
        except OSError as error:
            failure = InputError(f"Standard input cannot be read: {error.strerror or error}.")
            self._call(self._session.fail, failure)
            return
        if partial:
            self._pass_on([bytes(partial)])
        self._call(self._session.leave)

    def _next(self) -> bytes:
        """Return the next input; from a terminal, which delivers one line at a time, all lines that come at once."""
        data = b"" if self._ended else descriptors.read(0, _CHUNK)
        while data and self._bursts and len(data) < _LONGEST and descriptors.readable(0, _AT_ONCE):
            more = descriptors.read(0, _CHUNK)
            data += more
            if not more:  # Ctrl-D is read only once
                self._ended = True
                break
        # A paste need not end with a line break. After a text, the beginning of a line may as well be typed ahead.
        command = self._bursts and data.count(b"\n") == 1 and self._is_command(data)
        if command and (begun := descriptors.read_unfinished_line(0)):
            data += begun + b"\n"
            sys.stdout.write("\n")  # as the terminal would at the end of the line
        return data

    def _is_command(self, line: bytes) -> bool:
        text = line.decode(errors="replace")
        return text.startswith("/") or isinstance(parse_line(text, self._chat.conversations.current), Command)

    def _pass_on(self, lines: list[bytes]) -> bool:
        """Make the loop carry out lines; return whether more are wanted."""
        if self._bursts and len(lines) > 1:
            filled = [line for line in lines if line.strip()]  # an empty one would confirm what nobody has seen
            lines = [b"\n".join(lines)] if _is_paste(filled) else filled
        for start in range(0, len(lines), _WAITING):
            done = threading.Event()
            if not self._call(self._carry_out, lines[start : start + _WAITING], done):
                return False
            done.wait()
        return not self._session.is_leaving

    def _call(self, function: object, *arguments: object) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type] # any of our callables
            return True
        return False

    def _carry_out(self, lines: list[bytes], done: threading.Event) -> None:
        if len(self._chat.outgoing) > _WAITING:
            self._loop.call_later(_POLL, self._carry_out, lines, done)
            return
        try:
            for number, raw in enumerate(lines):
                if self._session.is_leaving:
                    break
                line = raw.decode(errors="surrogateescape")
                if self._context is not None and self._context.is_missing(line):
                    self._loop.call_later(_POLL, self._carry_out, lines[number:], done)
                    return
                self._enter(line)
        except OSError as error:  # standard output is closed or full
            self._session.fail(error)
        done.set()


def _is_paste(lines: list[bytes]) -> bool:
    """Return whether lines that came at once are one text: not if each of them names its recipient."""
    return len(lines) > 1 and not all(names_recipient(line.decode(errors="replace")) for line in lines)


class ContextWait:
    """Makes the lines of a program wait whose meaning depends on messages that are yet to come.

    Args:
        chat: the messages that have come.
        session: fails if they do not come.
        patience: the seconds to wait for what was missed.
        error: what the session fails with.
    """

    def __init__(self, chat: Chat, session: InteractiveSession, patience: float, error: ChatError) -> None:
        self._chat = chat
        self._session = session
        self._patience = patience
        self._error = error
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None

    def is_missing(self, line: str) -> bool:
        """Return whether a line has to wait; the session fails if it has waited too long."""
        needs_question, needs_messages = self._needs(line)
        for_a_question = self._chat.live and needs_question and not self._chat.questions.open()
        if not for_a_question and (self._chat.live or not needs_messages):
            self._since = None
            return False
        if self._since is None:
            self._since = self._loop.time()
        waited = self._loop.time() - self._since
        if for_a_question:  # the programs that ask and answer may have been started together
            return waited < _FOR_A_QUESTION
        if waited > self._patience:
            self._session.fail(self._error)
        return not self._session.is_leaving

    def _needs(self, line: str) -> tuple[bool, bool]:
        """Return whether the meaning of a line depends on the open questions, and on any messages."""
        match parse_line(line, self._chat.conversations.current):
            case Command("answer"):
                return True, True
            case Command("reply") | Unclear():
                return False, True
        return False, False
