"""What is being typed: one draft for each conversation, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from prompt_toolkit.application import get_app, in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples

from chatcli.client.events import Event, Notice, Trouble
from chatcli.client.open_questions import Question
from chatcli.client.ui.drafts import Drafts
from chatcli.client.ui.editor import edit
from chatcli.client.ui.one_key import OneKey
from chatcli.client.widths import cut
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_TEXT
from chatcli.protocol.text import printable_line

_TWICE: Final = 2.0  # seconds in which a second Ctrl-C leaves
_BETWEEN_SAVINGS: Final = 2.0  # seconds
_MARK: Final = "›"
_LONGEST_PASTE: Final = 4 * MAX_TEXT  # characters: more would make each key slow, and could not be sent
_SHARE: Final = 3  # of the window's width, one part is for the prompt


class Conversations(Protocol):
    """What the input line needs to know of conversations.

    Attributes:
        current: the person or room that plain text goes to; empty where there is none.
        drafts: what was typed and not sent, by name as written.
    """

    current: str
    drafts: dict[str, str]

    def switch(self, name: str) -> None:
        """Open a conversation."""

    def ordered(self) -> list[str]:
        """Return the conversations, the most recent first."""

    def numbered(self) -> list[str]:
        """Return the conversations in the order in which they began."""


class Writing:
    """The text in the input line.

    Args:
        conversations: where the user is; the drafts of the others are kept there.
        returned: what was not sent, for the user to mend; it is taken from there.
        drafts: the file of drafts.
        draw: shows something above the input line.
        leave: ends the visit.
        first_question: returns the question that waits for the user, or None where none does.
        one_key: whether a digit is an answer after a while; else Enter must follow.

    Attributes:
        buffer: prompt_toolkit's, as soon as there is one.
        key: the key that answers a question.
        send: takes a line.
        here: set while the terminal is ours, and not an editor's.
    """

    def __init__(
        self,
        conversations: Conversations,
        returned: list[str],
        drafts: Drafts,
        draw: Callable[[list[Event]], None],
        leave: Callable[[], None],
        first_question: Callable[[], Question | None] = lambda: None,
        *,
        one_key: bool = True,
    ) -> None:
        self._conversations = conversations
        self._returned = returned
        self._drafts = drafts
        self._draw = draw
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self.key = OneKey(
            first_question,
            self._answer,
            lambda: self._bring(""),
            self._loop.time,
            self._loop.call_later,
            waits=one_key,
        )
        self._at = conversations.current
        self._round: list[str] = []  # the conversations in the order in which Alt-arrows go through them
        self._asked_to_leave = -_TWICE
        self._saving: asyncio.TimerHandle | None = None
        self._keeps = True
        self.buffer = Buffer()
        self.send: Callable[[str], None] = lambda _: None
        self.here = asyncio.Event()
        self.here.set()

    def begin(self, buffer: Buffer) -> None:
        """Take the buffer, and bring back what was typed on an earlier visit."""
        self.buffer = buffer
        with self._keeping():
            for name, text in self._drafts.load().items():
                self._conversations.drafts.setdefault(name, text)
        self._bring(self._conversations.drafts.get(self._at, ""))
        buffer.on_text_changed += lambda _: self._changed()

    def waiting(self) -> list[Event]:
        """Return what to say of drafts that cannot be seen."""
        names = [name for name, text in self._conversations.drafts.items() if text.strip() and name != self._at]
        if not names:
            return []
        listed = ", ".join(map(printable_line, names))
        return [Notice(f"Not sent yet, and kept for you: what you wrote to {listed}. /to {printable_line(names[0])}")]

    def prompt(self) -> StyleAndTextTuples:
        """Return where the text goes, as it stands in front of it."""
        room = get_app().output.get_size().columns // _SHARE
        name = cut(printable_line(self._conversations.current), room)
        return [("class:prompt", f"{name} {_MARK} " if name else f"{_MARK} ")]

    def goes_to(self, of: str) -> bool:
        """Return whether something is being typed that goes to this person or room."""
        to, colon, _ = self.buffer.text.partition(":")
        open_now = self._at if self.buffer.text else ""
        return of.casefold() in ((to.strip() if colon else "").casefold(), open_now.casefold())

    def enter(self) -> None:
        """Send the text; the prompt stays up, so no key is lost between one line and the next."""
        self._round = []
        if self.key.enter():
            return
        line = self.buffer.text
        word, _, rest = line.strip().partition(" ")
        if word.casefold() == "/edit":
            self._bring(rest)
            self.open_editor()
            return
        # Emptied first, so that what is printed now is not followed once more by the line as it was.
        self.buffer.append_to_history()
        self._bring("")
        self.send(line)
        self.follow()

    def press(self, digit: str) -> None:
        """Take a digit, which may be an answer where nothing else stands in the line."""
        if not self.buffer.text:
            self.key.press(digit)
        self.buffer.insert_text(digit)

    def _answer(self, question: Question, choice: int) -> None:
        # By its number, which stands for nothing else in this form; that of declining is 0.
        self.send(f"/answer {question.seq} [{choice + 1}]")
        self.follow()

    def follow(self) -> None:
        """Bring what stands in the input line up to what has happened.

        If another conversation is open, the text is put away, and what was typed there comes back. What was not sent
        comes back, too, as soon as nothing else is being typed.
        """
        if self._conversations.current != self._at:
            self._put_away()
            self._at = self._conversations.current
            self._bring(self._conversations.drafts.pop(self._at, ""))
        if self._returned and not self.buffer.text:
            self._bring(self._returned.pop(0))  # the others as soon as there is room again

    def go(self, number: int) -> None:
        """Open the conversation that began first, second, …; it stands with this number in the toolbar."""
        self._round = []
        names = self._with_drafts(self._conversations.numbered())
        if number <= len(names):
            self._open(names[number - 1])

    def step(self, by: int) -> None:
        """Open the conversation so many further; while nothing is sent, the order stays as it was at the first step."""
        names = self._with_drafts(self._conversations.ordered())
        self._round = [name for name in self._round if name in names]
        self._round += [name for name in names if name not in self._round]
        if self._round:
            at = self._round.index(self._at) if self._at in self._round else -1 if by > 0 else 0
            self._open(self._round[(at + by) % len(self._round)])

    def _with_drafts(self, names: list[str]) -> list[str]:
        """Return the conversations, and behind them those of earlier visits that have drafts."""
        return [*names, *(name for name in self._conversations.drafts if name and name not in names)]

    def _open(self, name: str) -> None:
        self._conversations.switch(name)
        self.follow()

    def insert(self, text: str) -> None:
        """Take what was pasted as text, whatever line breaks are in it, and say how many lines these are."""
        if len(text) > _LONGEST_PASTE:
            sentence = f"Not pasted: a message has {MAX_TEXT // 1024} KB at most, and this is far more."
            self._draw([Trouble(InputError(sentence))])
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        self.buffer.insert_text(text)
        count = text.count("\n") + 1
        if count > 1:
            sentence = f"{count} lines pasted: Enter sends them as one message, Ctrl-C drops them."
            self._draw([Notice(sentence)])

    def interrupt(self) -> None:
        """Drop the text; where there is none, leave at the second time."""
        if self.buffer.text:
            self._bring("")
            return
        now = self._loop.time()
        if now - self._asked_to_leave < _TWICE:
            self._leave()
            return
        self._asked_to_leave = now
        self._draw([Notice("Press Ctrl-C again to leave.")])

    def leave(self) -> None:
        """End the visit."""
        self._leave()

    def open_editor(self) -> None:
        """Have the user's editor write the text."""
        if self.here.is_set():
            self.key.take_back()
            self.here.clear()  # before the editor is there: nothing is drawn in between
            get_app().create_background_task(self._edit())

    async def _edit(self) -> None:
        events: list[Event] = []
        try:
            async with in_terminal():
                try:
                    text = await edit(self.buffer.text)
                except (InputError, OSError) as error:
                    said = error if isinstance(error, InputError) else InputError(f"No editor could be used: {error}.")
                    events.append(Trouble(said))
                else:
                    self._bring(text)
        finally:
            self.here.set()
        self._draw(events)

    def _bring(self, text: str) -> None:
        """Put a text into the input line, the cursor behind it."""
        self.buffer.reset(Document(text, len(text)))
        self._changed()

    def _changed(self) -> None:
        self.key.look(self.buffer.text)
        self._save_soon()

    def _put_away(self) -> None:
        if self.buffer.text:
            self._conversations.drafts[self._at] = self.buffer.text
        else:
            self._conversations.drafts.pop(self._at, None)

    def _save_soon(self) -> None:
        if self._saving is None:
            self._saving = self._loop.call_later(_BETWEEN_SAVINGS, self.save)

    def save(self) -> None:
        """Have the drafts on disk."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        if self._keeps:
            self._put_away()
            with self._keeping():
                self._drafts.save(self._conversations.drafts)

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        """What cannot be kept is said once; that is no reason not to talk."""
        try:
            yield
        except InputError as error:
            self._keeps = False
            self._draw([Trouble(InputError(f"What you have not sent is not kept when you leave: {error}"))])
