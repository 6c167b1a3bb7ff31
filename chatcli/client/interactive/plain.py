"""Talks in plain lines: over pipes, with notices on standard error, or with a person on a terminal, in reading order.

Nothing moves a cursor, colours anything or draws anything anew, so that screen readers and braille displays follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, TextIO

from chatcli.client.chat.ambiguity import names_recipient
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Answer, Event, Said, Separator, Trouble
from chatcli.client.chat.questions import SEEN, Question, how_to_answer
from chatcli.client.identity.credentials import Login
from chatcli.client.interactive.login import HOW_TO_TALK, WAIT, WAIT_OR_LEAVE, Greeted, enter, first_time, open_outbox
from chatcli.client.interactive.notifier import Notifier
from chatcli.client.interactive.preferences import Looks
from chatcli.client.interactive.render import Fragments, Renderer, fitted, plain, render
from chatcli.client.interactive.sequences import without
from chatcli.client.interactive.session import Talk
from chatcli.client.transport import descriptors
from chatcli.client.transport.aio import connect
from chatcli.client.transport.reconnect import RetryPolicy, retry_async
from chatcli.errors import InputError, ServerUnavailable, ServerUnreachable
from chatcli.protocol.address import Address
from chatcli.protocol.frames import Message
from chatcli.protocol.grammar import Command, Unclear, parse_line
from chatcli.protocol.text import printable, printable_line

_PATIENCE: Final = 30.0  # seconds for what is not sent yet when the input ends
_PATIENCE_FOR_A_QUESTION: Final = 5.0
_PATIENCE_OF_A_PERSON: Final = 5.0
_REMEMBERED: Final = 10_000  # messages typed here, to know them again
_WAITING_LINES: Final = 1000  # not answered by the server, before no more input is read
_CHUNK: Final = 64 * 1024
_LONGEST: Final = 2 * 1024 * 1024  # bytes of a line that are kept: more than any server takes
_AT_ONCE: Final = 0.05  # seconds between two lines of what was pasted


class PlainView:
    """Prints what others said, and answers, on standard output, everything else on standard error."""

    def __init__(self) -> None:
        self._drawing = threading.Lock()

    def draw(self, events: list[Event]) -> None:
        """Print events now."""
        with self._drawing:
            for event in events:
                self._print(event)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()

    async def show(self, events: list[Event]) -> None:
        """Print events; whoever reads the pipe may take their time, and the connection lives on meanwhile."""
        await asyncio.get_running_loop().run_in_executor(None, self.draw, events)

    def typed(self, ids: Collection[str]) -> None:
        """Learn which messages the user has typed here."""

    def meant(self, line: str) -> str:
        """Return what a line stands for."""
        return line

    def _print(self, event: Event) -> None:
        if isinstance(event, Separator):
            return
        if isinstance(event, Said) and event.mine and not event.past:
            self._tell(_own_answer(event.message))
            return
        stream = sys.stdout if isinstance(event, (Said, Answer)) else sys.stderr
        _write_line(stream, _line(event, render(event, _today())))
        if isinstance(event, Said) and event.open:
            self._tell(how_to_answer(event.message, digits=False))

    def _tell(self, notice: str) -> None:
        if notice:
            _write_line(sys.stderr, [("", notice)])


class TerminalView(PlainView):
    """Prints everything where the person reads, in the order in which it happens, but nothing that they typed here."""

    def __init__(self, chat: Chat, looks: Looks) -> None:
        super().__init__()
        self._chat = chat
        self._renderer = Renderer(_today(), looks.clock)
        # A terminal that can do nothing would show the sequence that is for the desktop.
        way = "bell" if looks.notify == "osc" and os.environ.get("TERM") == "dumb" else looks.notify
        self._notifier = Notifier(way, _write, lambda _: False, time.monotonic)
        self._typed: dict[str, None] = {}  # ids, the oldest first
        self._asked: tuple[int, float] = (0, 0.0)  # the place of the question that is to be answered; since when

    async def show(self, events: list[Event]) -> None:
        """Print events, and notify of them."""
        self._notifier.take(events, self._chat.contacts.user)
        await super().show(events)
        self._first()

    def meant(self, line: str) -> str:
        """Return a line without what the terminal has sent into it; one that numbers a choice, as that answer.

        Enter alone is the second one of a line that is held.

        A question that has come just now, or just now become the first, is not meant: the line was begun before.
        """
        line = without(line)
        number = line.strip()
        if not number:
            return self._chat.doubts.line
        question, since = self._first()
        if question is None or len(number) != 1 or number not in "0123456789"[: len(question.choices) + 1]:
            return line
        if time.monotonic() - since < SEEN or (number == "0" and not question.direct):
            return line
        return f"/answer {question.seq} [{number}]"

    def _first(self) -> tuple[Question | None, float]:
        """Return the question that waits, and since when it is the first one."""
        question = self._chat.questions.first()
        seq = question.seq if question is not None else 0
        if seq != self._asked[0]:
            self._asked = seq, time.monotonic()
        return question, self._asked[1]

    def typed(self, ids: Collection[str]) -> None:
        """Learn which messages the user has typed here."""
        self._typed |= dict.fromkeys(ids)
        while len(self._typed) > _REMEMBERED:
            del self._typed[next(iter(self._typed))]

    def _print(self, event: Event) -> None:
        if isinstance(event, Said) and event.mine and not event.past and self._stands_above(event.message):
            self._tell(_own_answer(event.message))
            return
        for shown, fragments in self._renderer.lines(event, _today()):
            _write_line(sys.stdout, _line(shown, fragments))
        if isinstance(event, Said) and event.open:
            self._tell(how_to_answer(event.message, digits=True))

    def _tell(self, notice: str) -> None:
        if notice:
            _write_line(sys.stdout, [("", notice)])

    def _stands_above(self, message: Message) -> bool:
        return not message.seq or message.id in self._typed


def _own_answer(message: Message) -> str:
    """Return what to say of a message that the user has typed: nothing, unless it is an answer in other words."""
    if message.answer is None:
        return ""
    return f'You have answered "{printable_line(message.text)}"' if message.answer >= 0 else "You have declined"


def _write(text: str) -> None:
    sys.stdout.write(text)


def _write_line(stream: TextIO | None, fragments: Fragments) -> None:
    """Write a line; on a terminal in rows that fit, so that it breaks none by itself."""
    if stream is None:
        return
    width = 0
    if stream.isatty():
        with contextlib.suppress(OSError):  # it has gone away
            width = os.get_terminal_size(stream.fileno()).columns
    stream.write(f"{plain(fitted(fragments, width))}\n")


def _line(event: Event, fragments: Fragments) -> Fragments:
    if isinstance(event, Separator):  # without the rule around it, which would be read aloud
        return [("", printable_line(event.text))]
    return [("", _prefix(event)), *fragments]


def _today() -> datetime.date:
    return datetime.date.today()  # noqa: DTZ011 (the reader's day)


def _prefix(event: Event) -> str:
    return "chatcli: " if isinstance(event, Trouble) else ""


def _not_all(server: Address) -> str:
    return f"Not all that was said before has come from {server} within {_PATIENCE:g} seconds: try again later."


async def talk(login: Login, chat: Chat) -> None:
    """Talk until the input ends or says ``exit``, and everything said has been answered.

    Raises:
        Refused: the server does not want this name.
        ServerUnreachable: there is no server, or something was not sent, or has not come.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    greeted = await connect(login, chat.hello())
    view = PlainView()
    conversation = Talk(login, chat, view, _PATIENCE, greeted)
    if sys.stdin is None:  # closed, as under some daemons: reading it might read some other file
        conversation.leave()
    else:
        if sys.stdin.isatty():
            conversation.greet()
        _Lines(chat, conversation, view, _Patience(chat, conversation, login.server)).start()
    await conversation.run()
    if not chat.live:
        raise ServerUnreachable(_not_all(login.server))


async def talk_with_a_person(login: Login, chat: Chat, looks: Looks) -> None:
    """Talk on a terminal, which itself edits what is typed; ask for a name if there is none that can be had.

    Raises:
        EOFError: the user does not want to give a name.
        Refused: the server does not want us.
        ServerUnreachable: there is no server, or something was not sent.
        ServerNotTrusted: the server is not the one that was meant, or someone has to be asked first (UnknownServer).
    """
    greeted = await enter(login, chat, _Desk())
    view = TerminalView(chat, looks)
    outbox = open_outbox(login.server, chat, greeted[1], view)
    conversation = Talk(login, chat, view, _PATIENCE_OF_A_PERSON, greeted, outbox)
    conversation.greet(HOW_TO_TALK if first_time() else ())
    _Lines(chat, conversation, view, bursts=True).start()
    await conversation.run()


class _Desk:
    """Asks with a line of its own, and takes a line for an answer."""

    async def ask(self, question: str, suggested: str = "") -> str:
        """Return the line that is typed; Ctrl-D, or a word that wants to leave, gives up."""
        while True:
            answer = await self._line(f"{question.rstrip()} [{suggested}] " if suggested else question)
            if answer.casefold() in {"exit", "quit"}:
                raise EOFError
            if answer or suggested:
                return answer or suggested

    def refuse(self, sentence: str) -> None:
        """Show why the answer would not do."""
        sys.stdout.write(f"{printable(sentence)}\n")

    async def reach(self, server: Address, connect: Callable[[], Awaitable[Greeted]]) -> Greeted:
        """Connect; where no server answers, say so and offer to wait until one does."""
        try:
            return await connect()
        except ServerUnavailable as error:
            absent = error
            self.refuse(str(error))
        if (await self._line(WAIT_OR_LEAVE)).casefold() not in WAIT:
            raise ServerUnreachable(f"Not joined: there is no server at {server}.")
        _write(f"Waiting for a server at {server}. Ctrl-C leaves.\n")
        sys.stdout.flush()
        return await retry_async(connect, RetryPolicy(), wait=asyncio.sleep, after=absent)

    async def _line(self, question: str) -> str:
        _write(question)
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        typed = asyncio.Event()
        loop.add_reader(0, typed.set)
        try:
            await typed.wait()
        finally:
            loop.remove_reader(0)
        # A terminal hands out whole lines, one at a time: nothing that follows is lost.
        if not (line := descriptors.read(0, _CHUNK)):
            _write("\n")
            raise EOFError
        return without(line.decode(errors="replace")).strip()


class _Lines:
    """Reads standard input in a thread of its own: a pipe, a file or a device all do.

    Args:
        chat: takes the lines.
        conversation: runs the chat.
        view: knows what a line stands for.
        patience: has lines wait; None where none does.
        bursts: whether lines that come at once were pasted, and are one text.
    """

    def __init__(
        self,
        chat: Chat,
        conversation: Talk,
        view: PlainView,
        patience: _Patience | None = None,
        *,
        bursts: bool = False,
    ) -> None:
        self._chat = chat
        self._conversation = conversation
        self._view = view
        self._patience = patience
        self._bursts = bursts
        self._ended = False
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        # Not awaited: a read that waits for input cannot be ended. It owns nothing, and goes with the process.
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
            self._call(self._conversation.fail, failure)
            return
        if partial:
            self._pass_on([bytes(partial)])
        self._call(self._conversation.leave)

    def _next(self) -> bytes:
        """Return what comes next; of a terminal, which hands out one line at a time, all lines that come at once."""
        data = b"" if self._ended else descriptors.read(0, _CHUNK)
        while data and self._bursts and len(data) < _LONGEST and descriptors.readable(0, _AT_ONCE):
            more = descriptors.read(0, _CHUNK)
            data += more
            if not more:  # Ctrl-D is read once only
                self._ended = True
                break
        # A paste need not end with a line break. After a text, what begins a line may as well be typed ahead.
        command = self._bursts and data.count(b"\n") == 1 and self._is_command(data)
        if command and (begun := descriptors.begun(0)):
            data += begun + b"\n"
            _write("\n")  # as the terminal would have at the end of the line
        return data

    def _is_command(self, line: bytes) -> bool:
        text = line.decode(errors="replace")
        return text.startswith("/") or isinstance(parse_line(text, self._chat.conversations.current), Command)

    def _pass_on(self, lines: list[bytes]) -> bool:
        """Have the lines taken in the loop; return whether more are wanted."""
        if self._bursts and len(lines) > 1:
            said = [line for line in lines if line.strip()]  # an empty one would confirm what nobody has seen
            lines = [b"\n".join(lines)] if _is_paste(said) else said
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
            for number, raw in enumerate(lines):
                if self._chat.leaving:
                    break
                line = raw.decode(errors="surrogateescape")
                if self._patience is not None and self._patience.wants(line):
                    self._loop.call_later(0.02, self._take, lines[number:], taken)
                    return
                before = set(self._chat.outbox)
                line = self._view.meant(line)
                self._conversation.typed(line, "burst" if "\n" in line else "typed")
                self._view.typed(self._chat.outbox.keys() - before)
        except OSError as error:  # standard output is closed or full
            self._conversation.fail(error)
        taken.set()


def _is_paste(lines: list[bytes]) -> bool:
    """Return whether lines that came at once are one text: not where each of them names its recipient."""
    return len(lines) > 1 and not all(names_recipient(line.decode(errors="replace")) for line in lines)


class _Patience:
    """Has the lines of a program wait that mean something only by what others have said, until that has come."""

    def __init__(self, chat: Chat, conversation: Talk, server: Address) -> None:
        self._chat = chat
        self._conversation = conversation
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None

    def wants(self, line: str) -> bool:
        """Return whether a line has to wait. What has waited too long is the end."""
        leaning = _depends_on(line, self._chat.conversations.current)
        for_a_question = self._chat.live and leaning == "answer" and not self._chat.questions.open()
        if not leaning or (self._chat.live and not for_a_question):
            self._since = None
            return False
        if self._since is None:
            self._since = self._loop.time()
        waited = self._loop.time() - self._since
        if for_a_question:  # who asks and who answers may have been started together
            return waited < _PATIENCE_FOR_A_QUESTION
        if waited > _PATIENCE:
            self._conversation.fail(ServerUnreachable(_not_all(self._server)))
            self._chat.leaving = True
        return not self._chat.leaving


def _depends_on(line: str, conversation: str) -> str:
    """Return a word for what the meaning of a line depends on, of what others have said; empty if on nothing.

    Args:
        line: what was typed.
        conversation: the open one; empty if there is none.
    """
    try:
        meaning = parse_line(line, conversation)
    except InputError:
        return ""
    if isinstance(meaning, Command) and meaning.word in ("answer", "reply"):
        return meaning.word
    return "text" if isinstance(meaning, Unclear) else ""
