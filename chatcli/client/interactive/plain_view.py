"""Views in plain lines: over pipes, with notices on standard error, or for a person on a terminal, in reading order.

No line moves the cursor, sets a colour or is drawn again, so that screen readers and braille displays can follow.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final, TextIO

from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Answer, Backlog, Event, Listing, Separator, Shown, Trouble
from chatcli.client.chat.questions import SEEN, Question, how_to_answer
from chatcli.client.interactive.notifier import Notifier
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.render import Fragments, Renderer, fitted, plain, render
from chatcli.client.reading.screen import Window
from chatcli.protocol.frames import Message
from chatcli.protocol.values.text import printable_line

_DIGITS: Final = "0123456789"
_IN_VIEW: Final = 20  # rows that somebody who reads line by line is taken to have before them, at most


class PlainView:
    """Prints messages and answers on standard output, everything else on standard error."""

    def __init__(self) -> None:
        self._drawing = threading.Lock()

    def draw(self, events: Sequence[Event]) -> None:
        """Print events now."""
        with self._drawing:
            for event in events:
                self._print(event)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()

    async def show(self, events: Sequence[Event]) -> None:
        """Print events in a thread: a slow reader of the pipe does not hold up the connection."""
        await asyncio.get_running_loop().run_in_executor(None, self.draw, events)

    def put_back(self, texts: Sequence[str]) -> None:
        """Do nothing: there is no input line of ours."""

    def _print(self, event: Event) -> None:
        if isinstance(event, (Separator, Backlog)):
            return
        if isinstance(event, Shown) and event.mine and not event.past:
            self._print_notice(_own_answer(event.message))
            return
        stream = sys.stdout if isinstance(event, (Shown, Answer, Listing)) else sys.stderr
        _write_line(stream, _line(event, render(event, _today())))
        if isinstance(event, Shown) and event.open:
            self._print_notice(how_to_answer(event.message, digits=False))

    def _print_notice(self, notice: str) -> None:
        if notice:
            _write_line(sys.stderr, [("", notice)])


class TerminalView(PlainView):
    """Prints everything in the order in which it happens, except for the messages that were typed on this terminal."""

    def __init__(self, chat: Chat, preferences: Preferences) -> None:
        super().__init__()
        self._chat = chat
        self._renderer = Renderer(_today(), preferences.clock)
        # A terminal without abilities would show the sequence that is for the desktop.
        notify = "bell" if preferences.notify == "osc" and os.environ.get("TERM") == "dumb" else preferences.notify
        self._notifier = Notifier(
            notify, _write, lambda _: False, time.monotonic, is_undisturbed=lambda: chat.conversations.undisturbed
        )
        chat.screen.window = _window
        self._asked: tuple[int, float] = (0, 0.0)  # the place of the oldest open question, and since when it is that

    async def show(self, events: Sequence[Event]) -> None:
        """Print events, and notify the user of them."""
        self._notifier.notify(events, self._chat.contacts.user)
        await super().show(events)
        self._oldest_question()

    def answered_by(self, line: str) -> tuple[Question, int] | None:
        """Return the question and the number of its choice that a line of one digit answers; None if it does not.

        A question that has just come, or has just become the oldest, is not meant: the line was started before.
        """
        digit = line.strip()
        question, since = self._oldest_question()
        if question is None or len(digit) != 1 or digit not in _DIGITS[: len(question.choices) + 1]:
            return None
        if time.monotonic() - since < SEEN or (digit == "0" and not question.direct):
            return None
        return question, int(digit) - 1

    def _oldest_question(self) -> tuple[Question | None, float]:
        """Return the oldest open question, and the moment since when it is the oldest."""
        question = self._chat.questions.first()
        seq = question.seq if question is not None else 0
        if seq != self._asked[0]:
            self._asked = seq, time.monotonic()
        return question, self._asked[1]

    def _print(self, event: Event) -> None:
        if isinstance(event, Shown) and event.mine and not event.past and self._is_on_screen(event.message):
            self._print_notice(_own_answer(event.message))
            return
        width = _width(sys.stdout)
        lines = [_line(shown, fragments) for shown, fragments in self._renderer.lines(event, _today(), width)]
        self._chat.printing(event, sum(plain(fitted(line, width)).count("\n") + 1 for line in lines))
        for line in lines:
            _write_line(sys.stdout, line)
        if isinstance(event, Shown) and event.open:
            self._print_notice(how_to_answer(event.message, digits=True))

    def _print_notice(self, notice: str) -> None:
        if notice:
            _write_line(sys.stdout, [("", notice)])

    def _is_on_screen(self, message: Message) -> bool:
        return not message.seq or self._chat.outgoing.was_typed(message.id)


def _own_answer(message: Message) -> str:
    """Return a notice of an answer that the user has given; empty if the message is not an answer."""
    if message.answer is None:
        return ""
    return f'You have answered "{printable_line(message.text)}"' if message.answer >= 0 else "You have declined"


def _write(text: str) -> None:
    sys.stdout.write(text)


def _write_line(stream: TextIO | None, fragments: Fragments) -> None:
    """Write a line; to a terminal in rows that fit, so that it breaks none by itself."""
    if stream is not None:
        stream.write(f"{plain(fitted(fragments, _width(stream)))}\n")


def _width(stream: TextIO | None) -> int:
    """Return the columns of a terminal; 0 for anything else."""
    if stream is not None and stream.isatty():
        with contextlib.suppress(OSError):  # it is gone
            return os.get_terminal_size(stream.fileno()).columns
    return 0


def _window() -> Window:
    """Return the part of the terminal that is counted on as in view: a screen reader may have none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        return Window(min(rows or _IN_VIEW, _IN_VIEW), columns or 80)
    return Window(_IN_VIEW, 80)


def _line(event: Event, fragments: Fragments) -> Fragments:
    if isinstance(event, Separator):  # without the rule around it, which would be read aloud
        return [("", printable_line(event.text))]
    return [("", "chatcli: " if isinstance(event, Trouble) else ""), *fragments]


def _today() -> datetime.date:
    return datetime.date.today()  # noqa: DTZ011 (the reader's day)
