"""The input line: its text, and the meaning of keys that do more than edit it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding.vi_state import InputMode

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Event, Notice, Trouble
from chatcli.client.chat.questions import Question
from chatcli.client.interactive.widths import cut
from chatcli.client.storage.drafts import Drafts
from chatcli.client.tui.input.drafts import DraftKeeper
from chatcli.client.tui.input.editor import EditorRun
from chatcli.client.tui.input.history import draft, is_browsing, stop_browsing
from chatcli.client.tui.input.origins import Burst, Origins, Unseen
from chatcli.client.tui.input.quick_answer import QuickAnswer
from chatcli.client.tui.input.switcher import Switcher
from chatcli.client.tui.terminal.clusters import CLUSTERS
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_TEXT
from chatcli.protocol.values.names import fold
from chatcli.protocol.values.text import printable_line

_LEAVE_WITHIN: Final = 2.0  # seconds between the two Ctrl-C that leave
_MARK: Final = "›"
_RETURNED: Final = 20  # texts that wait to be put back
_LONGEST_PASTE: Final = 4 * MAX_TEXT  # characters: more would make each key slow, and could not be sent
_PROMPT_SHARE: Final = 3  # the prompt has at most a third of the window's width


class InputLine:
    """The input line of the open conversation.

    Args:
        chat: the conversations and the open questions.
        drafts: the file of drafts.
        buffer: prompt_toolkit's buffer of the text.
        draw: shows events above the input line.
        send: called with each line and its origin.
        answer: called with a question and the index of the choice that a key has made.
        leave: called when the user wants to leave.
        opened: called when a key has opened a conversation.
        reads: returns the number of reads of the keyboard: keys of one read were pressed before the first was shown.
        one_key: whether a digit becomes an answer after a while; otherwise Enter must follow.

    Attributes:
        buffer: as given.
        leave: as given.
        quick_answer: the key that answers a question.
        switcher: opens other conversations.
        drafts: the drafts of all conversations.
        editing_allowed: set unless an editor has the terminal; meanwhile nothing may be drawn.
    """

    def __init__(
        self,
        chat: Chat,
        drafts: Drafts,
        buffer: Buffer,
        *,
        draw: Callable[[Sequence[Event]], None],
        send: Callable[[str, Origin], None],
        answer: Callable[[Question, int], None],
        leave: Callable[[], None],
        opened: Callable[[], None],
        reads: Callable[[], int],
        one_key: bool = True,
    ) -> None:
        self._conversations = chat.conversations
        self._addressing = chat.addressing
        self._returned: deque[str] = deque(maxlen=_RETURNED)
        self.buffer = buffer
        self._draw = draw
        self._send = send
        self._send_answer = answer
        self.leave = leave
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._name = chat.conversations.current  # the conversation that the text belongs to
        self._unseen = Unseen(reads)
        self._interrupted_at = -_LEAVE_WITHIN
        self._origins = Origins()
        self._burst = Burst(self._report_paste)
        self._opened = opened
        self._editor = EditorRun(self._set_text, self._editor_closed)
        self.editing_allowed = self._editor.editing_allowed
        self.switcher = Switcher(chat.conversations, self._switched)
        self.drafts = DraftKeeper(
            drafts, chat.conversations.drafts, lambda: (self._name, draft(self.buffer)), self._report_trouble
        )
        self.quick_answer = QuickAnswer(
            first_question=chat.questions.first,
            answer=self._answer,
            clear=lambda: self._set_text(""),
            clock=loop.time,
            call_later=loop.call_later,
            confirms_itself=one_key,
        )
        buffer.on_text_changed += lambda _: self._changed()

    def restore(self) -> Document:
        """Load the drafts of earlier visits, and return the one to show first."""
        for name, text in self.drafts.load().items():
            self._origins.mark(name, "kept", text)
        self._set_text(self._conversations.drafts.get(self._name, ""))
        return self.buffer.document

    def hidden_drafts(self) -> list[Event]:
        """Return a notice about the drafts of other conversations, if there are any."""
        names = [printable_line(name) for name in self.drafts.hidden(self._name)]
        if not names:
            return []
        return [Notice(f"Not sent yet, and kept for you: what you wrote to {', '.join(names)}. /to {names[0]}")]

    def prompt(self) -> StyleAndTextTuples:
        """Return the prompt, which names the open conversation."""
        name = cut(printable_line(self._conversations.current), _prompt_columns())
        return [*CLUSTERS.mapped([("class:prompt", f"{name} {_MARK} " if name else f"{_MARK} ")])]

    def continuation(self, width: int, _line: int, _wraps: int) -> str:
        """Return the indent of the rows after the first: no pasted row can begin like a message.

        Args:
            width: columns of the prompt.
        """
        return " " * min(width, _prompt_columns())

    def is_typing_to(self, name: str) -> bool:
        """Return whether the text goes to this person or room."""
        recipient, colon, _ = self.buffer.text.partition(":")
        open_one = self._name if self.buffer.text else ""
        return fold(name) in (fold(recipient.strip()) if colon else "", fold(open_one))

    def enter(self) -> None:
        """Send the text; the prompt stays, so no key is lost between two lines."""
        self.switcher.end_cycle()
        if self._burst.end() or (self._unseen.is_return and self.buffer.text):
            return  # the user has not seen yet what Enter does
        if self.quick_answer.confirm():
            return
        line, origin, mark = self.buffer.text, self._origin(), self._origins.get(self._name)
        word, _, rest = line.strip().partition(" ")
        if word.casefold() == "/edit":
            self._set_text(rest)
            self.open_editor()
            return
        if origin == "pasted" and self._name:  # in the form that means the same when it is typed
            self.buffer.history.append_string(f"{self._name}: {line}")
        else:
            self.buffer.append_to_history()
        # Emptied first: the events of the line are drawn above an empty input line.
        self._set_text("")
        self._send(line, origin)
        self.sync()
        if self.buffer.text and self.buffer.text == line:  # it came back
            self._unseen.returned()
            self._origins.restore(self._name, mark)
        get_app().vi_state.input_mode = InputMode.INSERT  # as in shells

    def _origin(self) -> Origin:
        if "\n" in self.buffer.text.strip() and is_browsing(self.buffer):
            return "kept"
        return self._origins.of(self._name, self.buffer.text)

    def press(self, digit: str) -> None:
        """Type a digit, which may be an answer if the line is empty."""
        if not self.buffer.text:
            self.quick_answer.press(digit)
        self.buffer.insert_text(digit)

    def _answer(self, question: Question, choice: int) -> None:
        self._send_answer(question, choice)
        self.sync()

    def sync(self) -> None:
        """Show the draft of the open conversation, if another one is open now, and texts that were not sent.

        A text that was not sent comes back as soon as the line is empty.
        """
        if not self.buffer.text and not self._returned:
            self._conversations.suggest()
        if self._conversations.current != self._name:
            self.drafts.store()
            self._name = self._conversations.current
            self._set_text(self.drafts.pop(self._name))
        if self._returned and not self.buffer.text:
            self._set_text(self._returned.popleft())

    def _switched(self) -> None:
        self.sync()
        self._opened()

    def put_back(self, texts: Iterable[str]) -> None:
        """Queue texts that were not sent, to be shown as soon as the line is empty."""
        self._returned += texts

    def insert(self, text: str) -> None:
        """Insert pasted text with its line breaks, and report the number of lines."""
        if len(text) > _LONGEST_PASTE:
            sentence = f"Not pasted: a message has {MAX_TEXT // 1024} KB at most, and this is far more."
            self._report_trouble(InputError(sentence))
            return
        text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        starts = not self.buffer.document.text_before_cursor.strip()
        self.buffer.insert_text(text)
        if "\n" in text:
            if starts:
                self._origins.mark(self._name, "pasted", text)
            self._report_paste()

    def _report_paste(self) -> None:
        text = self.buffer.text
        if "\n" in text:
            count = text.strip().count("\n") + 1
            self._draw([Notice(f"{count} lines pasted: Enter sends them as one message, Ctrl-C drops them.")])

    def is_pasted_with(self, following: str) -> bool:
        """Return whether an Enter, and the keys that came at once after it, belong to a paste without marks."""
        return self._burst.is_continued_by(self.buffer.text, following)

    def break_pasted_line(self) -> None:
        """Break the line at an Enter that belongs to a paste without marks."""
        if self._unseen.is_start:
            self._origins.mark_first_line(self._name, self.buffer.text)
        self.buffer.insert_text("\n")
        self._burst.extend()

    def stop_browsing(self) -> None:
        """Show the draft again instead of an earlier line."""
        stop_browsing(self.buffer)

    def interrupt(self) -> None:
        """Drop the text; if there is none, leave at the second time."""
        get_app().vi_state.input_mode = InputMode.INSERT
        if self.buffer.text:
            self._set_text("")
            self.sync()
            return
        now = self._clock()
        if now - self._interrupted_at < _LEAVE_WITHIN:
            self.leave()
            return
        self._interrupted_at = now
        self._draw([Notice("Press Ctrl-C again to leave.")])

    def open_editor(self) -> None:
        """Open the text in the user's editor."""
        if self.editing_allowed.is_set():
            self.quick_answer.cancel()
            self._editor.start(self.buffer.text)

    def _editor_closed(self, failure: InputError | None) -> None:
        self._draw([] if failure is None else [Trouble(failure)])  # with the events that came meanwhile

    def _report_trouble(self, error: InputError) -> None:
        self._draw([Trouble(error)])

    def _set_text(self, text: str) -> None:
        """Replace the text, the cursor at its end."""
        self.buffer.reset(Document(text, len(text)))
        self._changed()

    def _changed(self) -> None:
        if not self.buffer.text:
            self._origins.clear(self._name)
        if self._unseen.update(self.buffer.text):
            self._addressing.start_line()
        self.quick_answer.update(self.buffer.text)
        self.drafts.save_soon()


def _prompt_columns() -> int:
    return get_app().output.get_size().columns // _PROMPT_SHARE
