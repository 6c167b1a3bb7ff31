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
from prompt_toolkit.key_binding.vi_state import InputMode

from chatcli.client.chat.ambiguity import Origin, names_recipient
from chatcli.client.chat.events import Event, Notice, Trouble
from chatcli.client.chat.questions import Question
from chatcli.client.interactive.widths import cut
from chatcli.client.storage.drafts import Drafts
from chatcli.client.tui.editor import edit
from chatcli.client.tui.quick_answer import OneKey
from chatcli.client.tui.terminal.clusters import CLUSTERS
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_TEXT
from chatcli.protocol.text import printable_line

_TWICE: Final = 2.0  # seconds in which a second Ctrl-C leaves
_BETWEEN_SAVINGS: Final = 2.0  # seconds
_AT_ONCE: Final = 0.05  # seconds between two reads of what was pasted
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

    def suggest(self) -> bool:
        """Open the conversation of the only person who has written, if the user has opened none."""

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
        begins: called when something begins to be typed.

    Attributes:
        buffer: prompt_toolkit's, as soon as there is one.
        key: the key that answers a question.
        send: takes a line, and where it comes from.
        reads: returns how many times keys were read: those of one read were pressed before any of them was shown.
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
        begins: Callable[[], None] = lambda: None,
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
        self._begins = begins
        self._empty = True
        self._burst: asyncio.Handle | None = None  # while several lines come at once, and so are text
        self._begun_in = -1  # the read of keys in which the text was begun
        self._back_in = -1  # the read in which a line came back that Enter has not sent
        self._heads: dict[str, tuple[Origin, str]] = {}  # how a draft of several lines begins that was not typed
        self._at = conversations.current
        self._round: list[str] = []  # the conversations in the order in which Alt-arrows go through them
        self._asked_to_leave = -_TWICE
        self._saving: asyncio.TimerHandle | None = None
        self._keeps = True
        self.buffer = Buffer()
        self.send: Callable[[str, Origin], None] = lambda *_: None
        self.reads: Callable[[], int] = lambda: 0
        self.here = asyncio.Event()
        self.here.set()

    def begin(self, buffer: Buffer) -> None:
        """Take the buffer, and bring back what was typed on an earlier visit."""
        self.buffer = buffer
        with self._keeping():
            for name, text in self._drafts.load().items():
                self._conversations.drafts.setdefault(name, text)
                if "\n" in text:
                    self._heads[name] = ("kept", _head(text))
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
        return [*CLUSTERS.mapped([("class:prompt", f"{name} {_MARK} " if name else f"{_MARK} ")])]

    def continuation(self, width: int, _line: int, _wraps: int) -> str:
        """Return what stands in front of each row of the text but the first, which no pasted row begins in place of.

        Args:
            width: of the prompt, in columns.
        """
        return " " * min(width, get_app().output.get_size().columns // _SHARE)

    def goes_to(self, of: str) -> bool:
        """Return whether something is being typed that goes to this person or room."""
        to, colon, _ = self.buffer.text.partition(":")
        open_now = self._at if self.buffer.text else ""
        return of.casefold() in ((to.strip() if colon else "").casefold(), open_now.casefold())

    def enter(self) -> None:
        """Send the text; the prompt stays up, so no key is lost between one line and the next."""
        self._round = []
        if self._ends_burst() or (self._back_in == self.reads() and self.buffer.text):
            return  # nobody has seen yet what Enter does
        if self.key.enter():
            return
        line, origin = self.buffer.text, self._origin()
        word, _, rest = line.strip().partition(" ")
        if word.casefold() == "/edit":
            self._bring(rest)
            self.open_editor()
            return
        if origin == "pasted" and self._at:  # as it has to be written to be the same once more
            self.buffer.history.append_string(f"{self._at}: {line}")
        else:
            self.buffer.append_to_history()
        head = self._heads.get(self._at)
        # Emptied first, so that what is printed now is not followed once more by the line as it was.
        self._bring("")
        self.send(line, origin)
        self.follow()
        if self.buffer.text and self.buffer.text == line:  # it came back
            self._back_in = self.reads()
            if head is not None:
                self._heads[self._at] = head
        get_app().vi_state.input_mode = InputMode.INSERT  # as shells have it

    def _origin(self) -> Origin:
        """Return where the text comes from: what was put in front of a paste by hand makes it typed."""
        text = self.buffer.text
        if "\n" not in text.strip():
            return "typed"
        if self._from_history():
            return "kept"
        origin, head = self._heads.get(self._at, ("typed", ""))
        return origin if text.lstrip().startswith(head) else "typed"

    def _from_history(self) -> bool:
        """Return whether an earlier line stands in the input line as it was."""
        shown, lines = self.buffer.working_index, len(self.buffer._working_lines)  # noqa: SLF001 (it has no other way)
        return shown < lines - 1 and self.buffer.text in self.buffer.history.get_strings()

    @property
    def _written(self) -> str:
        """What the user was typing: while they look through earlier lines, that is none of these."""
        return self.buffer._working_lines[-1] if self._from_history() else self.buffer.text  # noqa: SLF001 (as above)

    def press(self, digit: str) -> None:
        """Take a digit, which may be an answer where nothing else stands in the line."""
        if not self.buffer.text:
            self.key.press(digit)
        self.buffer.insert_text(digit)

    def _answer(self, question: Question, choice: int) -> None:
        # By its number, which stands for nothing else in this form; that of declining is 0.
        self.send(f"/answer {question.seq} [{choice + 1}]", "typed")
        self.follow()

    def follow(self) -> None:
        """Bring what stands in the input line up to what has happened.

        If another conversation is open, the text is put away, and what was typed there comes back. What was not sent
        comes back, too, as soon as nothing else is being typed.
        """
        if not self.buffer.text and not self._returned:
            self._conversations.suggest()
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
        begins = not self.buffer.document.text_before_cursor.strip()
        self.buffer.insert_text(text)
        if "\n" in text:
            if begins:
                self._heads[self._at] = ("pasted", _head(text))
            self.say_pasted()

    def say_pasted(self) -> None:
        """Say how many lines were pasted, and what Enter does with them."""
        count = self.buffer.text.strip().count("\n") + 1
        self._draw([Notice(f"{count} lines pasted: Enter sends them as one message, Ctrl-C drops them.")])

    def is_pasted_with(self, following: str) -> bool:
        """Return whether a line and what came with it at once are several lines of a text.

        They are not where each of them names its recipient: those may be lines that were typed on a slow connection,
        and each says itself where it goes.
        """
        if not following.strip():
            return False
        lines = filter(None, f"{self.buffer.text}\n{following}".split("\n"))
        return self._burst is not None or not all(map(names_recipient, lines))

    def breaks(self) -> None:
        """Take an Enter that more text came with at once: a terminal has pasted that, and does not say so."""
        if self._begun_in == self.reads() and self._at not in self._heads:
            self._heads[self._at] = ("pasted", _head(self.buffer.text))
        self.buffer.insert_text("\n")
        self._ends_burst()
        self._burst = self._loop.call_later(_AT_ONCE, self._say_burst)

    def _ends_burst(self) -> bool:
        """Return whether an Enter still belongs to what was pasted: then it has ended the last line."""
        if self._burst is None:
            return False
        self._burst.cancel()
        self._burst = self._loop.call_soon(self._say_burst)
        return True

    def _say_burst(self) -> None:
        self._burst = None
        if "\n" in self.buffer.text:
            self.say_pasted()

    def type(self, text: str) -> None:
        """Type a text."""
        self.buffer.insert_text(text)

    def forsake_history(self) -> None:
        """Leave the lines that were sent before; what was being typed stands in the input line again."""
        if self._from_history():
            self.buffer.go_to_history(len(self.buffer._working_lines) - 1)  # noqa: SLF001 (it has no other way)
            self.buffer.cursor_position = len(self.buffer.text)

    def interrupt(self) -> None:
        """Drop the text; where there is none, leave at the second time."""
        get_app().vi_state.input_mode = InputMode.INSERT
        if self.buffer.text:
            self._bring("")
            self.follow()
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
        if not self.buffer.text:
            self._heads.pop(self._at, None)
            self._empty = True
        elif self._empty:
            self._empty, self._begun_in = False, self.reads()
            self._begins()
        self.key.look(self.buffer.text)
        self._save_soon()

    def _put_away(self) -> None:
        if text := self._written:
            self._conversations.drafts[self._at] = text
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


def _head(text: str) -> str:
    """Return how a text begins, as far as that decides whether it names a recipient or a command."""
    first = text.lstrip().partition("\n")[0]
    return first[: first.index(":") + 1] if ":" in first else first.partition(" ")[0]
