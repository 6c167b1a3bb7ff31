"""Answers a question by one key: a digit alone in the input line, after a moment without other keys.

Nobody answers by accident. If the user goes on typing ("1 moment"), the digit is text. And a key counts only if its
question has been shown above an empty line for a second: a key pressed sooner was meant for something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from chatcli.client.chat.questions import SEEN, Question
from chatcli.protocol.frames import DECLINED

CONFIRMED_AFTER: Final = 1.5  # seconds without another key


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Cancel the call."""


class QuickAnswer:
    """The question that a key would answer, and the key that was pressed.

    Args:
        first_question: returns the first open question, or None.
        answer: called with the question and the index of the choice once the answer is confirmed.
        clear: empties the input line; called when the question of the key in it is over.
        clock: returns the seconds since some moment.
        call_later: calls a function after a number of seconds.
        confirms_itself: whether the key counts after a while; otherwise Enter must follow.

    Attributes:
        confirms_itself: as given.
    """

    def __init__(
        self,
        *,
        first_question: Callable[[], Question | None],
        answer: Callable[[Question, int], None],
        clear: Callable[[], None],
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
        confirms_itself: bool = True,
    ) -> None:
        self.confirms_itself = confirms_itself
        self._first_question = first_question
        self._answer = answer
        self._clear = clear
        self._clock = clock
        self._call_later = call_later
        self._question: Question | None = None  # shown above the input line
        self._since: float | None = None  # the moment from which it was shown above an empty line
        self._choice: int | None = None  # by the key that was pressed
        self._line = ""  # the text that consists of that key
        self._timer: Timer | None = None

    @property
    def choice(self) -> int | None:
        """The index of the choice that is about to be the answer, or None."""
        return self._choice

    def update(self, line: str) -> None:
        """Compare the text of the input line and the first open question with those of before."""
        question = self._first_question()
        if question is None or self._question is None or question.seq != self._question.seq:
            pressed = self.cancel()
            self._question = question
            self._since = None if line and not pressed else self._clock()
            if pressed:
                self._clear()
        elif self._since is None and not line:
            self._since = self._clock()
        if self._choice is not None and line != self._line:
            self.cancel()

    def press(self, digit: str) -> bool:
        """Choose by a digit typed into the empty line; return whether it may be an answer."""
        self.update("")
        if self._question is None or self._since is None or self._clock() - self._since < SEEN:
            return False
        number = int(digit)
        if number > len(self._question.choices) or (number == 0 and not self._question.direct):
            return False
        self._choice = number - 1 if number else DECLINED
        self._line = digit
        if self.confirms_itself:
            self._timer = self._call_later(CONFIRMED_AFTER, self._confirm)
        return True

    def confirm(self) -> bool:
        """Answer now; return whether a key was pressed."""
        if self._choice is None:
            return False
        self._confirm()
        return True

    def _confirm(self) -> None:
        question, choice = self._question, self._choice
        self.cancel()
        if question is not None and choice is not None:
            self._clear()
            self._answer(question, choice)

    def cancel(self) -> bool:
        """Forget the key; return whether a key was pressed."""
        pressed = self._choice is not None
        self._choice = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return pressed
