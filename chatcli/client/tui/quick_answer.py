"""One key answers a question: a digit alone in the input line, after a moment in which nothing else is typed.

Nobody answers by accident. Whoever goes on typing ("1 moment") says what they type. And a key counts only if its
question has stood above an empty line for a second before: what was pressed sooner was meant for something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from chatcli.client.chat.questions import SEEN, Question
from chatcli.protocol.frames import DECLINED

TAKEN: Final = 1.5  # seconds after the key


class Timer(Protocol):
    """What can be cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""


class OneKey:
    """Which question a key would answer, and which key was pressed.

    Args:
        first: returns the question that waits, or None.
        answer: takes a question and the number of a choice, as soon as it is sure.
        clear: empties the input line: the key that stands in it was for a question that is over.
        clock: the seconds since some moment.
        call_later: calls after so many seconds.
        waits: whether the key counts by itself after a while; else Enter must follow.

    Attributes:
        waits: as given.
    """

    def __init__(
        self,
        first: Callable[[], Question | None],
        answer: Callable[[Question, int], None],
        clear: Callable[[], None],
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
        *,
        waits: bool = True,
    ) -> None:
        self.waits = waits
        self._first = first
        self._answer = answer
        self._clear = clear
        self._clock = clock
        self._call_later = call_later
        self._question: Question | None = None  # that stands above the line
        self._since: float | None = None  # when it came to stand above an empty one
        self._choice: int | None = None  # that was pressed
        self._line = ""  # with nothing but that key
        self._timer: Timer | None = None

    @property
    def choice(self) -> int | None:
        """The number of the choice that is about to be the answer, or None."""
        return self._choice

    def look(self, line: str) -> None:
        """Take the line as it is now, and see whether another question stands above it."""
        question = self._first()
        if question is None or self._question is None or question.seq != self._question.seq:
            pressed = self.take_back()
            self._question = question
            self._since = None if line and not pressed else self._clock()
            if pressed:
                self._clear()
        elif self._since is None and not line:
            self._since = self._clock()
        if self._choice is not None and line != self._line:
            self.take_back()

    def press(self, digit: str) -> bool:
        """Take a key that was pressed on an empty line, and stands in it now; return whether it may be an answer."""
        self.look("")
        if self._question is None or self._since is None or self._clock() - self._since < SEEN:
            return False
        number = int(digit)
        if number > len(self._question.choices) or (number == 0 and not self._question.direct):
            return False
        self._choice = number - 1 if number else DECLINED
        self._line = digit
        if self.waits:
            self._timer = self._call_later(TAKEN, self._sure)
        return True

    def enter(self) -> bool:
        """Take Enter; return whether it has confirmed an answer, and says nothing else."""
        if self._choice is None:
            return False
        self._sure()
        return True

    def _sure(self) -> None:
        question, choice = self._question, self._choice
        self.take_back()
        if question is not None and choice is not None:
            self._clear()
            self._answer(question, choice)

    def take_back(self) -> bool:
        """Forget the key; return whether there was one."""
        pressed = self._choice is not None
        self._choice = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return pressed
